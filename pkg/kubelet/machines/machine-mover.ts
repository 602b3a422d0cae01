/**
 * The kubelet's part in migrations of virtual machines: has a pod wait for a machine that is to come here, sends away one that is to go, claims machines in its
 * thread's name and says how it goes. Invariants: what a thread asks is answered, if with `unknown`; an answer says what the API server has decided, nothing else; of
 * news only the last is written, one write at a time for each end.
 */
import type { VirtualMachine } from '#pkg/api/virtual-machine.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isMigrationOver,
  isStandby,
  type VirtualMachineMigration,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseQuantity, quantityValue } from '#pkg/apimachinery/quantity.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { aborted, sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import type { Owner } from '#pkg/vmm/migration/contract.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import type { LinkIdentity } from '../runtime/vm/guest/link.ts';
import type { Departure, MigrationSide } from '../runtime/vm/guest/protocol.ts';
import type { MigrationNews } from '../runtime/vm/guest-thread.ts';
import type { MachineClaim, Machines, PodName } from '../runtime/vm/machines.ts';

/** A pod that is not there yet is looked for again so often. */
const retryMs = 50;
const noIdentity =
  'this node has no certificate by which others would know it: kubelets that are processes of their own have';

/** What a mover is made of. */
export interface MachineMoverOptions {
  readonly deps: Pick<ComponentDeps, 'client' | 'clock' | 'informers' | 'log'>;
  readonly nodeName: string;
  /** Where other nodes reach this one. */
  readonly nodeAddress: string;
  readonly machines: Machines;
  /** By which other nodes know this one; absent: no machine moves, which is said of each that is to. */
  readonly identity: LinkIdentity | undefined;
}

/** A mover; nothing happens before `run`. */
export function createMachineMover(options: MachineMoverOptions): Component {
  return new MachineMover(options);
}

class MachineMover implements Component {
  readonly #options: MachineMoverOptions;
  /** Pods of ends of migrations that were begun here, by uid and side: a migration may look for another target. */
  readonly #begun = new Map<string, string>();
  readonly #news = new Map<string, MigrationNews>();
  readonly #writing = new Set<string>();
  readonly #work = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: MachineMoverOptions) {
    this.#options = options;
    const changed = (migration: VirtualMachineMigration): void => this.#seen(migration);
    this.#informer.addHandler({ added: changed, updated: (_, migration) => changed(migration) });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    const stop = this.#options.machines.listen({
      claim: (pod, claim) => this.#start(this.#claim(pod, claim)),
      migration: (_, news) => this.#told(news),
    });
    for (const migration of this.#informer.lister.list()) this.#seen(migration);
    await aborted(signal);
    stop();
    await Promise.all(this.#work);
  }

  get #machines() {
    return this.#options.deps.informers.informer(virtualMachines);
  }

  get #informer() {
    return this.#options.deps.informers.informer(virtualMachineMigrations);
  }

  #start(work: Promise<void>): void {
    const { log } = this.#options.deps;
    const done = work
      .catch((error: unknown) => {
        if (this.#signal?.aborted !== true) log.error('Migration not carried on', { error });
      })
      .finally(() => this.#work.delete(done));
    this.#work.add(done);
  }

  #seen(migration: VirtualMachineMigration): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    const { nodeName } = this.#options;
    const { namespace = '', uid = '', deletionTimestamp } = migration.metadata ?? {};
    const { phase, sourceNode, targetNode, sourcePod = '', targetPod = '' } = migration.status ?? {};
    if (isMigrationOver(migration)) {
      this.#begun.delete(`${uid} source`);
      this.#begun.delete(`${uid} target`);
      this.#begun.delete(`${uid} take-over`);
      return;
    }
    if (phase === 'Preparing' && targetNode === nodeName && this.#begins(`${uid} target`, targetPod))
      this.#start(this.#receive(migration, { namespace, name: targetPod }));
    if (phase === 'Running' && sourceNode === nodeName && this.#begins(`${uid} source`, sourcePod))
      this.#migrate(migration, { namespace, name: sourcePod });
    if (phase === 'TakingOver' && targetNode === nodeName && this.#begins(`${uid} take-over`, targetPod))
      this.#quietly(() => this.#options.machines.takeOver({ namespace, name: targetPod }, 'it was asked to take over'));
    if (migration.spec?.abort === true || deletionTimestamp !== undefined)
      for (const [side, name] of [
        ['source', sourcePod],
        ['target', targetPod],
      ] as const)
        if (this.#begun.has(`${uid} ${side}`))
          this.#quietly(() => this.#options.machines.abort({ namespace, name }, 'it was asked to end'));
  }

  #begins(key: string, pod: string): boolean {
    if (this.#begun.get(key) === pod) return false;
    this.#begun.set(key, pod);
    return true;
  }

  /** Has the target's pod wait, as soon as it runs. */
  async #receive(migration: VirtualMachineMigration, pod: PodName): Promise<void> {
    const { machines, identity, nodeName, nodeAddress, deps } = this.#options;
    const { uid = '', name = '' } = migration.metadata ?? {};
    const sourceNode = migration.status?.sourceNode ?? '';
    for (;;) {
      const current = this.#informer.lister.get(`${pod.namespace}/${name}`);
      const { phase, targetPod } = current?.status ?? {};
      if (current?.metadata?.uid !== uid || phase !== 'Preparing' || targetPod !== pod.name) return;
      try {
        const whence = { migration: uid, sourceNode, isStandby: isStandby(migration) };
        machines.checkMoves(pod, whence);
        if (identity === undefined) throw new RuntimeError('failed', noIdentity);
        const port = await machines.receive(pod, { ...whence, node: nodeName, host: nodeAddress, identity });
        await this.#write(current, 'target', { node: nodeName, address: `${nodeAddress}:${port}` });
        return;
      } catch (error) {
        if (!(error instanceof RuntimeError && error.reason === 'notFound')) {
          await this.#write(current, 'target', { node: nodeName, outcome: 'aborted', reason: errorText(error) });
          return;
        }
      }
      await sleep(deps.clock, retryMs, this.#signal);
    }
  }

  #migrate(migration: VirtualMachineMigration, pod: PodName): void {
    const { machines, identity, nodeName, nodeAddress } = this.#options;
    const { uid = '' } = migration.metadata ?? {};
    const { spec, status } = migration;
    const address = status?.target?.address ?? '';
    const at = address.lastIndexOf(':');
    try {
      if (identity === undefined) throw new RuntimeError('failed', noIdentity);
      machines.migrate(pod, {
        migration: uid,
        target: { host: address.slice(0, at), port: Number(address.slice(at + 1)), node: status?.targetNode ?? '' },
        node: nodeName,
        host: nodeAddress,
        identity,
        settings: settingsOf(spec),
      });
    } catch (error) {
      // A kubelet that was started anew has lost the machine: that is what a stand-by is for.
      const isLost = error instanceof RuntimeError && error.reason === 'notFound';
      if (isLost && isStandby(migration)) return;
      this.#start(this.#write(migration, 'source', { node: nodeName, outcome: 'aborted', reason: errorText(error) }));
    }
  }

  /** Claims the machine for one end. */
  async #claim(pod: PodName, { migration: uid, side, owner: wanted }: MachineClaim): Promise<void> {
    const answer = (owner: Owner | 'unknown'): void => this.#quietly(() => this.#options.machines.claimed(pod, owner));
    const migration = this.#find(uid);
    if (migration === undefined) {
      answer('unknown');
      return;
    }
    const resource = this.#options.deps.client.resource(virtualMachines);
    const { namespace = '' } = migration.metadata ?? {};
    const name = migration.spec?.vmName ?? '';
    // Said once, it stays so.
    const seen = this.#machines.lister.get(`${namespace}/${name}`)?.status?.migration;
    if (side === 'source' && seen?.uid === uid && seen.owner === 'target') {
      answer('target');
      return;
    }
    try {
      if (side === 'source') {
        // Mostly the other has said so already.
        const { status } = await resource.get(name, { namespace });
        const known = ownerOf(status, { uid, wanted });
        if (known !== 'unknown') {
          answer(known);
          return;
        }
      }
      const patch = [
        { op: 'test', path: '/status/migration/uid', value: uid },
        // During a handover it is the target's to say.
        ...(side === 'source' ? [{ op: 'test', path: '/status/migration/owner', value: '' }] : []),
        { op: 'add', path: '/status/migration/owner', value: wanted },
      ];
      // The server lets an owner be said once, after who is to say so.
      const { status } = await resource.patch(name, patch, { namespace, type: 'json', subresource: 'status' });
      answer(ownerOf(status, { uid, wanted }));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const { status } = await resource.get(name, { namespace }).catch(() => ({ status: undefined }));
      answer(ownerOf(status, { uid, wanted }));
    }
  }

  #told(news: MigrationNews): void {
    const key = `${news.migration} ${news.side}`;
    this.#news.set(key, news);
    if (this.#writing.has(key)) return;
    this.#writing.add(key);
    this.#start(this.#tell(key).finally(() => this.#writing.delete(key)));
  }

  async #tell(key: string): Promise<void> {
    for (let news = this.#news.get(key); news !== undefined; news = this.#news.get(key)) {
      this.#news.delete(key);
      const migration = this.#find(news.migration);
      if (migration === undefined) return;
      const { side, figures, outcome, reason } = news;
      const ended = outcome === undefined ? {} : { outcome, reason: reason ?? '' };
      await this.#write(migration, side, { node: this.#options.nodeName, figures: { ...figures }, ...ended });
    }
  }

  async #write({ metadata }: VirtualMachineMigration, side: MigrationSide, end: JsonObject): Promise<void> {
    const { name = '', namespace = '', uid = '' } = metadata ?? {};
    const patch = { metadata: { uid }, status: { [side]: end } };
    try {
      await this.#options.deps.client
        .resource(virtualMachineMigrations)
        .patch(name, patch, { namespace, type: 'merge', subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #find(uid: string): VirtualMachineMigration | undefined {
    return this.#informer.lister.list().find(({ metadata }) => metadata?.uid === uid);
  }

  /** A machine that has ended meanwhile is told nothing. */
  #quietly(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
    }
  }
}

/** What an object says of how a machine goes, in the words of its ends. */
function settingsOf(spec: VirtualMachineMigration['spec']): Departure['settings'] {
  const given = parseQuantity(spec?.bandwidth ?? 0);
  const bandwidth = given === undefined ? 0 : quantityValue(given);
  const { mode = 'pre-copy', compress = true } = spec ?? {};
  if (mode === 'standby')
    return { ...{ mode, bandwidth, compress }, intervalMs: spec?.intervalMs ?? 0, takeoverMs: spec?.takeoverMs ?? 1 };
  return {
    ...{ mode, bandwidth, compress },
    downtimeMs: spec?.downtimeMs ?? 0,
    roundsMax: spec?.roundsMax ?? 1,
    throttle: spec?.throttle ?? true,
    push: spec?.push ?? true,
    prePaging: spec?.prePaging ?? true,
  };
}

/** Who has the machine, for the end of one migration; a machine that has gone on without it is the other's. */
function ownerOf(
  status: VirtualMachine['status'],
  { uid, wanted }: { readonly uid: string; readonly wanted: Owner },
): Owner | 'unknown' {
  if (status?.migration === undefined) return 'unknown';
  if (status.migration.uid !== uid) return wanted === 'source' ? 'target' : 'source';
  const { owner = '' } = status.migration;
  return owner === '' ? 'unknown' : owner;
}
