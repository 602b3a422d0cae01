/**
 * Plays a history again on the virtual clock: the causes are done at their times (`causes.ts`), pods run as long and end as they were recorded
 * (`pod-scripts.ts`), and all else follows. The same history, settings and seed give the same result, byte for byte.
 */

import { resourceOfKind } from '#pkg/api/resources.ts';
import { jobs, mutatingWebhookConfigurations, pods, replicaSets } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import { findResource } from '#pkg/client/discovery.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { ownIdentity } from '#pkg/cluster/local-api.ts';
import type { ComponentFlags } from '#pkg/cluster/settings.ts';
import type { FaultRule } from '#pkg/faults/fault-rule.ts';
import { leaseSecondsDefault, renewalMsOf } from '#pkg/kubelet/node/node-agent.ts';
import type { CallWebhook } from '#pkg/registry/remote/call-webhook.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { type Cause, causesOf } from './causes.ts';
import { type History, HistoryError } from './history.ts';
import { kubeOf, placeOf } from './object-place.ts';
import { PodHistory, type PodLife, type RunFigures, type RunPoint } from './pod-history.ts';
import { type PodScripts, podScriptsOf, rootOf } from './pod-scripts.ts';
import { ReplayNodes } from './replay-nodes.ts';
import { ReplayScheduler } from './replay-scheduler.ts';
import { withNodes } from './with-nodes.ts';

/** What a run differs in. */
export interface RunSettings {
  /** Default 1. */
  readonly seed?: number;
  /** `packing` or `spreading`. Default: packing. */
  readonly scheduling?: string;
  /** Nodes beside the recorded ones: copies of the first that joined. Default 0; fewer where it is negative. */
  readonly moreNodes?: number;
  readonly faults?: readonly FaultRule[];
  /** From when on all of this but the seed holds, in milliseconds since the start: until then it is a run without settings. Default 0. */
  readonly fromMs?: number;
}

/** Where a run ends, and what is done between its minutes. */
export interface RunLimits {
  /** Milliseconds since the start. */
  readonly untilMs: number;
  /** Asked each minute and after each cause; the run ends when it holds. */
  isOver?(state: RunState): boolean;
  /** Called before time passes, to keep a pace; not a matter of virtual time. */
  pace?(ms: number): Promise<void>;
}

/** A run at a moment. */
export interface RunState {
  readonly ms: number;
  readonly pods: number;
  readonly pending: number;
  readonly running: number;
  readonly nodes: number;
  readonly nodesUsed: number;
  readonly evictions: number;
}

/** What came of a run. */
export interface RunResult {
  readonly settings: RunSettings;
  readonly endMs: number;
  /** How often each node that is heard renews its lease. */
  readonly renewedEveryMs: number;
  readonly figures: RunFigures;
  /** Causes that the API refused, with what it said: at most the first ones. */
  readonly refused: readonly string[];
  readonly refusedCount: number;
  readonly lives: readonly PodLife[];
  readonly points: readonly RunPoint[];
}

const minuteMs = 60_000;
const refusedMax = 20;
/**
 * Leases of nodes that nothing is to go wrong with are renewed every twelve hours and not every ten seconds, and statuses that say nothing new are written as seldom, as that is
 * most of what a day costs and changes nothing: that a recorded node is silent is known from the recording. Where faults are injected both come as from any kubelet.
 */
const leaseSecondsOf = ({ faults }: RunSettings): number => (faults === undefined ? 172_800 : leaseSecondsDefault);

/** Nobody reads the events of a run; those of one with faults may be what a fault is about. */
const recordsEvents = ({ faults }: RunSettings): boolean => faults !== undefined;

function flagsOf(settings: RunSettings): ComponentFlags {
  const seconds = leaseSecondsOf(settings);
  if (seconds === leaseSecondsDefault) return {};
  return { 'kube-controller-manager': { 'node-monitor-grace-period': `${2 * seconds}s` } };
}

/** Plays a history. Throws `HistoryError` for one with kinds that are not known. */
export async function replay(history: History, settings: RunSettings, limits: RunLimits): Promise<RunResult> {
  const recorded = causesOf(history.changes);
  const causes = withNodes(recorded, settings);
  checkKinds(causes);
  const scripts = podScriptsOf(history.changes);
  const adder = new ScriptAdder(scripts);
  const { faults } = settings;
  const cluster = await startTestCluster({
    nodes: 0,
    seed: settings.seed ?? 1,
    callWebhook: adder.call,
    schedules: false,
    recordsEvents: recordsEvents(settings),
    ...(faults === undefined ? {} : { faults: [] }),
    flags: flagsOf(settings),
  });
  try {
    // A run that is to be another later watches as one without settings does until then.
    const names = new Set(
      (settings.fromMs ? recorded : causes).flatMap((cause) => ('node' in cause ? [cause.node] : [])),
    );
    return await new Run(cluster, { adder, causes, names: [...names], settings, limits }).play();
  } finally {
    await cluster.stop();
  }
}

/** What was recorded, as a run: there is nothing to be done for it. */
export function recordedRun(
  { changes, endMs }: History,
  untilMs: number,
): Pick<RunResult, 'endMs' | 'figures' | 'points'> {
  const seen = new PodHistory();
  for (const { ms, type, object } of changes) {
    if (ms > untilMs || object.kind !== 'Pod' || object.apiVersion !== 'v1') continue;
    if (type === 'DELETED') seen.gone(ms, object);
    else seen.see(ms, object);
  }
  const end = Math.min(endMs, untilMs);
  return { endMs: end, figures: seen.figures(end), points: seen.points };
}

function checkKinds(causes: readonly Cause[]): void {
  const defined = new Set<string>();
  const unknown = new Set<string>();
  for (const cause of causes) {
    if (cause.act !== 'put') continue;
    const { apiVersion, kind, spec } = cause.object;
    if (kind === 'CustomResourceDefinition' && isObject(spec) && isObject(spec.names))
      defined.add(`${spec.group} ${spec.names.kind}`);
    if (resourceOfKind(`${apiVersion}`, `${kind}`) !== undefined) continue;
    if (!defined.has(`${`${apiVersion}`.split('/')[0]} ${kind}`)) unknown.add(`${apiVersion} ${kind}`);
  }
  if (unknown.size > 0)
    throw new HistoryError(`Cannot replay as these kinds are not known: ${[...unknown].join(', ')}`);
}

/** Gives pods that are made the script of a recorded one, as a webhook that the API server asks. */
class ScriptAdder {
  readonly #scripts: PodScripts;
  find: (kind: string, namespace: string, name: string) => KubeObject | undefined = () => undefined;

  constructor(scripts: PodScripts) {
    this.#scripts = scripts;
  }

  readonly call: CallWebhook = async ({ body }) => {
    const review: unknown = JSON.parse(body);
    const request = isObject(review) && isObject(review.request) ? review.request : {};
    const pod = kubeOf(isObject(request.object) ? request.object : {});
    const { name = '', namespace = `${request.namespace}`, annotations } = pod.metadata ?? {};
    const placed = { ...pod, kind: 'Pod', metadata: { ...pod.metadata, namespace } };
    const script = this.#scripts.take(`${namespace}/${name}`, rootOf(placed, this.find));
    const value = { ...annotations, ...script };
    const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/metadata/annotations', value }])).toString('base64');
    const response = { uid: request.uid, allowed: true, patchType: 'JSONPatch', patch };
    const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
    return { status: 200, text: JSON.stringify(answer) };
  };
}

const webhook = {
  metadata: { name: 'replay' },
  webhooks: [
    {
      name: 'scripts.replay.coxswain.dev',
      clientConfig: { url: 'https://replay.invalid/' },
      rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
    },
  ],
};

interface RunParts {
  readonly adder: ScriptAdder;
  readonly causes: readonly Cause[];
  /** Of the nodes that watch together. */
  readonly names: readonly string[];
  readonly settings: RunSettings;
  readonly limits: RunLimits;
}

class Run {
  readonly #cluster: TestCluster;
  readonly #client: Client;
  readonly #parts: RunParts;
  readonly #seen = new PodHistory();
  readonly #refused: string[] = [];
  #refusedCount = 0;
  readonly #scheduler: ReplayScheduler;
  #startMs = 0;
  #nodes: ReplayNodes | undefined;
  /** Whether the settings hold. */
  #isBranch = false;

  constructor(cluster: TestCluster, parts: RunParts) {
    this.#cluster = cluster;
    this.#parts = parts;
    // In the server's own name: faults leave its requests alone, so that all causes are done.
    const transport = inProcessTransport(cluster.handle, ownIdentity);
    this.#client = createClient({ transport, userAgent: 'coxswain-replay' });
    this.#scheduler = new ReplayScheduler(cluster, { recordsEvents: recordsEvents(parts.settings) });
  }

  async play(): Promise<RunResult> {
    const { clock, random } = this.#cluster;
    const informers = createInformers({ client: this.#client, clock, random, log: silentLogger });
    const watched = [informers.informer(pods), informers.informer(replicaSets), informers.informer(jobs)] as const;
    watched[0].addHandler({
      added: (pod) => this.#seen.see(this.#now, { ...pod }),
      updated: (_, pod) => this.#seen.see(this.#now, { ...pod }),
      deleted: (pod) => this.#seen.gone(this.#now, { ...pod }),
    });
    this.#parts.adder.find = (kind, namespace, name) => {
      const lister = kind === 'ReplicaSet' ? watched[1].lister : kind === 'Job' ? watched[2].lister : undefined;
      return lister?.get(`${namespace}/${name}`);
    };
    const stop = new AbortController();
    const ended = informers.run(stop.signal);
    try {
      await this.#cluster.until(() => watched.every((informer) => informer.hasSynced()));
      await this.#client.resource(mutatingWebhookConfigurations).create(webhook);
      return await this.#playCauses();
    } finally {
      await this.#scheduler.close();
      await this.#nodes?.close();
      stop.abort();
      await clock.settle();
      await ended;
    }
  }

  async #playCauses(): Promise<RunResult> {
    const { causes, names, settings, limits } = this.#parts;
    this.#nodes = await ReplayNodes.open(this.#cluster, {
      names,
      leaseSeconds: leaseSecondsOf(settings),
      recordsEvents: recordsEvents(settings),
    });
    await this.#scheduler.use((settings.fromMs ?? 0) > 0 ? undefined : settings.scheduling);
    this.#startMs = this.#cluster.clock.monotonicMs();
    let isOver = false;
    for (const cause of causes) {
      if (cause.ms > limits.untilMs) break;
      isOver = await this.#passTo(cause.ms);
      if (isOver) break;
      await this.#do(cause, this.#nodes);
      await this.#cluster.clock.settle();
    }
    if (!isOver) await this.#passTo(limits.untilMs);
    const endMs = this.#now;
    return {
      settings,
      endMs,
      renewedEveryMs: renewalMsOf(leaseSecondsOf(settings)),
      figures: this.#seen.figures(endMs),
      refused: this.#refused,
      refusedCount: this.#refusedCount,
      lives: this.#seen.lives,
      points: this.#seen.points,
    };
  }

  get #now(): number {
    return this.#cluster.clock.monotonicMs() - this.#startMs;
  }

  /** Lets the settings hold. Nodes that come and go then are causes. */
  async #branch(): Promise<void> {
    const { scheduling, faults, fromMs = 0 } = this.#parts.settings;
    this.#isBranch = true;
    if (faults !== undefined) this.#cluster.faults.add(...faults);
    if (fromMs > 0 && scheduling !== undefined) await this.#scheduler.use(scheduling);
    await this.#cluster.clock.settle();
  }

  /** Lets time pass, and the settings hold when they are to; resolves with true where the run is over before. */
  async #passTo(ms: number): Promise<boolean> {
    const { fromMs = 0 } = this.#parts.settings;
    if (!this.#isBranch && fromMs <= ms) {
      if (await this.#passUntil(fromMs)) return true;
      await this.#branch();
    }
    return this.#passUntil(ms);
  }

  async #passUntil(ms: number): Promise<boolean> {
    const { isOver, pace } = this.#parts.limits;
    const stepMs = isOver === undefined && pace === undefined ? Number.POSITIVE_INFINITY : minuteMs;
    while (this.#now < ms) {
      if (isOver?.(this.#state) === true) return true;
      await pace?.(this.#now);
      await this.#cluster.advance(Math.min(ms - this.#now, stepMs));
    }
    return isOver?.(this.#state) === true;
  }

  get #state(): RunState {
    const { pods: count, pending, running, nodesUsed, evictions } = this.#seen.now;
    return { ms: this.#now, pods: count, pending, running, nodes: this.#nodes?.count ?? 0, nodesUsed, evictions };
  }

  async #do(cause: Cause, nodes: ReplayNodes): Promise<void> {
    switch (cause.act) {
      case 'join':
        return nodes.join(cause.node, cause.facts);
      case 'change':
        return nodes.change(cause.node, cause.facts);
      case 'leave':
        return nodes.leave(cause.node);
      case 'silence':
        return nodes.silence(cause.node);
      case 'return':
        return nodes.resume(cause.node);
      case 'delete':
      case 'put':
        try {
          await this.#write(cause.act, cause.object);
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          this.#refusedCount++;
          if (this.#refused.length < refusedMax) this.#refused.push(`${placeOf(cause.object)}: ${error.message}`);
        }
    }
  }

  async #write(act: 'delete' | 'put', object: JsonObject): Promise<void> {
    const { apiVersion = '', kind = '', metadata } = kubeOf(object);
    const ref: ResourceRef | undefined =
      resourceOfKind(apiVersion, kind) ?? (await findResource(this.#client, apiVersion, kind));
    if (ref === undefined || metadata?.name === undefined) return;
    const { name, namespace } = metadata;
    const place = namespace === undefined ? {} : { namespace };
    const resource = this.#client.resource(ref);
    if (act === 'put') {
      await resource.patch(name, object, { type: 'apply', fieldManager: 'replay', force: true, ...place });
      return;
    }
    try {
      await resource.delete(name, place);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
