/**
 * Watches the resources that quotas limit, and only those: says when an object is gone or takes less, so that its quotas are counted anew. In a
 * cluster without quotas nothing is watched. Upstream counterpart: `pkg/controller/resourcequota/resource_quota_monitor.go`, which watches all.
 */
import { type Amounts, sameAmounts } from '#pkg/api/quota/amounts.ts';
import { type Evaluator, evaluatorOf, quotaResourceName } from '#pkg/api/quota/evaluator.ts';
import { type KubeObject, objectKey, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { childSignal } from '#pkg/base/async.ts';
import { type ReflectorSink, runReflector } from '#pkg/client/reflector.ts';
import type { ControllerContext } from '../common/controller.ts';

/** Told of the namespace and the resource. */
export type Replenish = (namespace: string, evaluator: Evaluator) => void;

interface Monitor {
  readonly ended: Promise<void>;
  stop(): void;
}

/** The watches of one controller. */
export class QuotaMonitors {
  readonly #context: ControllerContext;
  readonly #replenish: Replenish;
  readonly #monitors = new Map<string, Monitor>();

  constructor(context: ControllerContext, replenish: Replenish) {
    this.#context = context;
    this.#replenish = replenish;
  }

  /** Watches these resources and no others. */
  follow(refs: Iterable<ResourceRef>, signal: AbortSignal): void {
    const wanted = new Map([...refs].map((ref) => [quotaResourceName(ref), ref]));
    for (const [name, monitor] of this.#monitors) {
      if (wanted.has(name)) continue;
      monitor.stop();
      this.#monitors.delete(name);
    }
    for (const [name, ref] of wanted) {
      const evaluator = evaluatorOf(ref);
      if (evaluator === undefined || this.#monitors.has(name)) continue;
      this.#monitors.set(name, this.#start({ ref, evaluator }, signal));
    }
  }

  /** Resolves once all watches have ended, which the signal they were started with makes them do. */
  async ended(): Promise<void> {
    await Promise.all([...this.#monitors.values()].map((monitor) => monitor.ended));
  }

  #start({ ref, evaluator }: { ref: ResourceRef; evaluator: Evaluator }, signal: AbortSignal): Monitor {
    const { client, clock, random, log } = this.#context;
    const { controller, dispose } = childSignal(signal);
    const sink = new UsageFeed(evaluator, {
      nowMs: () => clock.nowMs(),
      freed: (namespace) => this.#replenish(namespace, evaluator),
    });
    const { isLocal } = client.transport;
    const options = { resource: client.resource(ref), select: {}, sink, clock, random, log, isLocal };
    const ended = runReflector(options, controller.signal).finally(dispose);
    return { ended, stop: () => controller.abort() };
  }
}

interface FeedOptions {
  readonly nowMs: () => number;
  readonly freed: (namespace: string) => void;
}

/** What the objects of one resource take; most kinds' objects share one value. */
class UsageFeed implements ReflectorSink<KubeObject> {
  readonly #evaluator: Evaluator;
  readonly #options: FeedOptions;
  readonly #usage = new Map<string, Amounts>();

  constructor(evaluator: Evaluator, options: FeedOptions) {
    this.#evaluator = evaluator;
    this.#options = options;
  }

  replace(objects: readonly KubeObject[]): void {
    const now = new Set(objects.map(objectKey));
    for (const key of [...this.#usage.keys()]) if (!now.has(key)) this.#remove(key);
    for (const object of objects) this.set(object);
  }

  set(object: KubeObject): void {
    const key = objectKey(object);
    const usage = this.#evaluator.usage(object, this.#options.nowMs());
    const before = this.#usage.get(key);
    this.#usage.set(key, usage);
    if (before !== undefined && before !== usage && !sameAmounts(before, usage)) this.#freed(key);
  }

  delete(object: KubeObject): void {
    this.#remove(objectKey(object));
  }

  #remove(key: string): void {
    if (this.#usage.delete(key)) this.#freed(key);
  }

  #freed(key: string): void {
    this.#options.freed(key.slice(0, Math.max(0, key.indexOf('/'))));
  }
}
