/** The machines of a node for who moves, saves and pauses them: by the name of their pod, whatever containers are called. */
import { createHash } from 'node:crypto';
import type { Owner } from '#pkg/vmm/migration/contract.ts';
import type { SandboxConfig } from '../container-config.ts';
import { RuntimeError } from '../runtime.ts';
import type { Arrival, Departure, FromGuest } from './guest/protocol.ts';
import type { GuestThread, GuestThreadEvents, MigrationNews } from './guest-thread.ts';
import type { SnapshotName, SnapshotStore } from './snapshot-store.ts';
import type { VmContainer } from './vm-container.ts';

/** Which pod. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** What an end asks about whose a machine is. */
export type MachineClaim = Omit<Extract<FromGuest, { readonly type: 'claim' }>, 'type'>;

/** Told of all migrations of the node's machines. */
export interface MoveListener {
  claim(pod: PodName, claim: MachineClaim): void;
  migration(pod: PodName, news: MigrationNews): void;
}

type Sandboxed = { readonly config: SandboxConfig; readonly containers: ReadonlyMap<string, VmContainer> };

/** Machines by their pods. */
export class Machines {
  readonly #all: () => Iterable<Sandboxed>;
  readonly #snapshots: SnapshotStore | undefined;
  readonly #listeners = new Set<MoveListener>();

  /** `snapshots`: where this node keeps those; absent: nowhere. */
  constructor(all: () => Iterable<Sandboxed>, snapshots?: SnapshotStore) {
    this.#all = all;
    this.#snapshots = snapshots;
  }

  /** Tells `listener` until what is returned is called. */
  listen(listener: MoveListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whom a container's thread tells. */
  eventsOf({ podNamespace: namespace, podName: name }: SandboxConfig): Pick<GuestThreadEvents, 'claim' | 'migration'> {
    return {
      claim: (claim) => {
        for (const listener of this.#listeners) listener.claim({ namespace, name }, claim);
      },
      migration: (news) => {
        for (const listener of this.#listeners) listener.migration({ namespace, name }, news);
      },
    };
  }

  /** Throws where the machine of that pod is none that may come here, to run or to stand by, or no container of it runs. */
  checkMoves(pod: PodName, { isStandby }: Pick<Arrival, 'isStandby'>): void {
    const { link } = this.#container(pod);
    if (link === undefined) return;
    if (isStandby) throw new RuntimeError('failed', 'a machine with an address of its own has no stand-by');
    // What comes from elsewhere speaks to others by the gateway alone.
    if (link.gateway === undefined) throw new RuntimeError('failed', 'nothing leads out of the network of its pod');
  }

  /** Waits for a machine in that pod; resolves with the port. Rejects where no container of it runs. */
  async receive(pod: PodName, arrival: Arrival): Promise<number> {
    return this.#thread(pod).receive(arrival);
  }

  /** Sends the machine of that pod away. Throws where no container of it runs. */
  migrate(pod: PodName, departure: Departure): void {
    this.#thread(pod).migrate(departure);
  }

  /** Ends the migration under way, as far as that is possible. */
  abort(pod: PodName, reason: string): void {
    this.#thread(pod).abort(reason);
  }

  /** Has the stand-by in that pod go on with the machine. */
  takeOver(pod: PodName, reason: string): void {
    this.#thread(pod).takeOver(reason);
  }

  /** Answers a claim. */
  claimed(pod: PodName, owner: Owner | 'unknown'): void {
    this.#thread(pod).claimed(owner);
  }

  /** Has the machine of that pod stand still, or go on; resolves when it does. Rejects where no container of it runs, or the machine is not in it. */
  hold(pod: PodName, isPaused: boolean): Promise<void> {
    return this.#container(pod).thread.hold(isPaused);
  }

  /** Keeps the machine of that pod as it is, as the snapshot of that uid in its namespace; resolves with the bytes that this takes. Rejects where that cannot be. */
  async save(pod: PodName, uid: string): Promise<number> {
    const container = this.#container(pod);
    const saved = await container.thread.save();
    const kernel = createHash('sha256').update(container.kernel).digest('hex');
    return this.#kept.write({ namespace: pod.namespace, uid }, { ...saved, kernel });
  }

  /** The snapshots that are kept here. */
  async snapshots(): Promise<readonly SnapshotName[]> {
    return (await this.#snapshots?.list()) ?? [];
  }

  /** Takes a snapshot away; does nothing where it is not here. */
  async forget(name: SnapshotName): Promise<void> {
    await this.#snapshots?.remove(name);
  }

  get #kept(): SnapshotStore {
    if (this.#snapshots === undefined) throw new RuntimeError('failed', 'this node keeps no snapshots of machines');
    return this.#snapshots;
  }

  #thread(pod: PodName): GuestThread {
    return this.#container(pod).thread;
  }

  #container({ namespace, name }: PodName): VmContainer {
    for (const { config, containers } of this.#all()) {
      if (config.podNamespace !== namespace || config.podName !== name) continue;
      for (const container of containers.values()) if (container.state === 'running') return container;
    }
    throw new RuntimeError('notFound', `no machine of the pod ${namespace}/${name} runs here`);
  }
}
