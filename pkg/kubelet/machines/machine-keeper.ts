/**
 * The kubelet's part in pauses and snapshots of virtual machines: has those of its node stand still or go on as their objects say, saves those that a snapshot is to be of, and takes away what
 * no snapshot is of any more. Invariants: of one machine, and of one snapshot, one thing is done at a time, by what the objects say when it begins; what is said in a status has happened. What
 * could not be written is tried again.
 */
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isSnapshotOver,
  type SnapshotResult,
  type VirtualMachineSnapshot,
  virtualMachineSnapshots,
} from '#pkg/api/virtual-machine-snapshot.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isInvalid, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { aborted, sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import type { Machines } from '../runtime/vm/machines.ts';

/** What could not be written is written again after so long. */
const retryMs = 1000;

/** What a keeper is made of. */
export interface MachineKeeperOptions {
  readonly deps: Pick<ComponentDeps, 'client' | 'clock' | 'informers' | 'log'>;
  readonly nodeName: string;
  readonly machines: Pick<Machines, 'forget' | 'hold' | 'save' | 'snapshots'>;
}

/** A keeper; nothing happens before `run`. */
export function createMachineKeeper(options: MachineKeeperOptions): Component {
  return new MachineKeeper(options);
}

class MachineKeeper implements Component {
  readonly #options: MachineKeeperOptions;
  /** Snapshots that were begun here, by uid. */
  readonly #begun = new Set<string>();
  /** The last work on each machine and snapshot. */
  readonly #work = new Map<string, Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: MachineKeeperOptions) {
    this.#options = options;
    const seen = (machine: VirtualMachine): void => this.#seen(machine);
    this.#all.addHandler({ added: seen, updated: (_, machine) => seen(machine) });
    const told = (snapshot: VirtualMachineSnapshot): void => this.#told(snapshot);
    this.#snapshots.addHandler({
      added: told,
      updated: (_, snapshot) => told(snapshot),
      deleted: (snapshot) => this.#deleted(snapshot),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const machine of this.#all.lister.list()) this.#seen(machine);
    for (const snapshot of this.#snapshots.lister.list()) this.#told(snapshot);
    this.#after('clean', () => this.#clean(signal));
    await aborted(signal);
    await Promise.all(this.#work.values());
  }

  get #all() {
    return this.#options.deps.informers.informer(virtualMachines);
  }

  get #snapshots() {
    return this.#options.deps.informers.informer(virtualMachineSnapshots);
  }

  /** Does `work` once what was begun for `key` is done; again after a while where it fails. */
  #after(key: string, work: () => Promise<void>): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    const before = this.#work.get(key) ?? Promise.resolve();
    const done = before
      .then(() => this.#repeat(work, signal))
      .finally(() => {
        if (this.#work.get(key) === done) this.#work.delete(key);
      });
    this.#work.set(key, done);
  }

  async #repeat(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options.deps;
    while (!signal.aborted) {
      try {
        return await work();
      } catch (error) {
        if (!signal.aborted) log.error('Machine not kept', { error });
      }
      await sleep(clock, retryMs, signal);
    }
  }

  #seen(machine: VirtualMachine): void {
    if (machine.status?.nodeName !== this.#options.nodeName || machine.status.podName === undefined) return;
    const key = objectKey(machine);
    const { paused = false } = machine.spec ?? {};
    if (paused || machine.status.paused === true) this.#after(key, () => this.#hold(key));
  }

  /** Has a machine stand still, or go on, as its object says now. */
  async #hold(key: string): Promise<void> {
    const { deps, machines, nodeName } = this.#options;
    const { metadata, spec, status } = this.#all.lister.get(key) ?? {};
    const { namespace = '', name = '' } = metadata ?? {};
    if (status?.podName === undefined || status.nodeName !== nodeName) return;
    const { podName } = status;
    const paused = spec?.paused ?? false;
    try {
      await machines.hold({ namespace, name: podName }, paused);
    } catch (error) {
      // It does not run yet, or not any more: when it does, its status says so.
      if (error instanceof RuntimeError) return;
      throw error;
    }
    if ((status.paused ?? false) === paused) return;
    const patch = [
      { op: 'test', path: '/status/podName', value: podName },
      { op: 'add', path: '/status/paused', value: paused },
    ];
    try {
      await deps.client
        .resource(virtualMachines)
        .patch(name, patch, { namespace, type: 'json', subresource: 'status' });
    } catch (error) {
      // Another run has begun, of which this is not to be said.
      if (!isInvalid(error) && !isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  #told(snapshot: VirtualMachineSnapshot): void {
    const { uid = '' } = snapshot.metadata ?? {};
    const { phase, nodeName, podName, result } = snapshot.status ?? {};
    if (isSnapshotOver(snapshot)) this.#begun.delete(uid);
    const isOurs = phase === 'InProgress' && nodeName === this.#options.nodeName && result === undefined;
    if (!isOurs || podName === undefined || this.#signal === undefined || this.#begun.has(uid)) return;
    this.#begun.add(uid);
    this.#after(uid, () => this.#save(snapshot, podName));
  }

  /** Saves a machine, once, and says what came of it. */
  async #save({ metadata }: VirtualMachineSnapshot, podName: string): Promise<void> {
    const { namespace = '', uid = '' } = metadata ?? {};
    const snapshot = { namespace, name: metadata?.name ?? '', uid };
    let result: SnapshotResult;
    try {
      const sizeBytes = await this.#options.machines.save({ namespace, name: podName }, uid);
      result = { outcome: 'completed', sizeBytes };
    } catch (error) {
      result = { outcome: 'failed', reason: errorText(error) };
    }
    const signal = this.#signal;
    if (signal !== undefined) await this.#repeat(() => this.#tell(snapshot, result), signal);
  }

  async #tell(
    { namespace, name, uid }: { readonly namespace: string; readonly name: string; readonly uid: string },
    result: SnapshotResult,
  ): Promise<void> {
    try {
      await this.#options.deps.client
        .resource(virtualMachineSnapshots)
        .patch(
          name,
          { metadata: { uid }, status: { result: { ...result } } },
          { namespace, type: 'merge', subresource: 'status' },
        );
    } catch (error) {
      // It was deleted meanwhile, or is another now.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  #deleted({ metadata, status }: VirtualMachineSnapshot): void {
    const { namespace = '', uid = '' } = metadata ?? {};
    this.#begun.delete(uid);
    if (status?.nodeName === this.#options.nodeName)
      this.#after(uid, () => this.#options.machines.forget({ namespace, uid }));
  }

  /** What was deleted while nobody was here to see it. */
  async #clean(signal: AbortSignal): Promise<void> {
    const { deps, machines } = this.#options;
    await deps.informers.settled(signal);
    if (signal.aborted || !this.#snapshots.hasSynced()) return;
    // In this order: what is there was known here when it was made.
    const all = await machines.snapshots();
    const known = new Set(this.#snapshots.lister.list().map(({ metadata }) => metadata?.uid));
    for (const kept of all) if (!known.has(kept.uid)) await machines.forget(kept);
  }
}
