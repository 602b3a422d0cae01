/**
 * The copies of one user's credentials, so that all pages of that user share one watch per resource. A copy begins with the first who asks and ends `lingerMs`
 * after the last has gone: who goes from one view to another and back finds it there.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeApi } from '#pkg/kubectl/api.ts';
import type { ResourceId } from '../model/protocol.ts';
import { TableMirror } from './table-mirror.ts';

/** In whose name, by which clock, and who is told that they are not let in any more. */
export interface MirrorsOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly onUnauthorized: () => void;
}

/** A copy that somebody uses, until they let it go. */
export interface Lease {
  readonly mirror: TableMirror;
  release(): void;
}

const lingerMs = 30_000;
/** More than there are resources; custom ones may be without number. */
const mirrorsMax = 200;

interface Kept {
  readonly mirror: TableMirror;
  readonly controller: AbortController;
  readonly done: Promise<void>;
  users: number;
  timer: Timer | undefined;
}

/** Copies by their resources. */
export class Mirrors {
  readonly #options: MirrorsOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: MirrorsOptions) {
    this.#options = options;
  }

  /** The copy of a resource. Throws where there are too many. */
  take(resource: ResourceId): Lease {
    const key = `${resource.resource}.${resource.version}.${resource.group}`;
    const kept = this.#kept.get(key) ?? this.#begin(key, resource);
    kept.users++;
    kept.timer?.cancel();
    kept.timer = undefined;
    let isReleased = false;
    return {
      mirror: kept.mirror,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        kept.users--;
        if (kept.users === 0) kept.timer = this.#options.clock.setTimeout(() => this.#end(key, kept), lingerMs);
      },
    };
  }

  /** Ends all; resolves when nothing runs any more. */
  async close(): Promise<void> {
    const all = [...this.#kept];
    for (const [key, kept] of all) this.#end(key, kept);
    await Promise.all(all.map(([, { done }]) => done));
  }

  #begin(key: string, resource: ResourceId): Kept {
    if (this.#kept.size >= mirrorsMax)
      throw new UserError(`Cannot follow more than ${mirrorsMax} resources at a time: close some views`);
    const { api, clock, onUnauthorized } = this.#options;
    const mirror = new TableMirror({ api, resource, clock, onUnauthorized });
    const controller = new AbortController();
    const kept = { mirror, controller, done: mirror.run(controller.signal), users: 0, timer: undefined };
    this.#kept.set(key, kept);
    return kept;
  }

  #end(key: string, { controller, timer }: Kept): void {
    timer?.cancel();
    this.#kept.delete(key);
    controller.abort();
  }
}
