/**
 * What is done about one migration, by how far it has come. Each step reads what is and changes one thing; what comes of it is seen by the watches, which begin
 * the next.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import type { RuntimeClass } from '#pkg/api/types/node-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { isUndecided, type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isMigrationOver,
  isStandby,
  type MigrationPhase,
  type VirtualMachineMigration,
  waitsForMachine,
} from '#pkg/api/virtual-machine-migration.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isConflict } from '#pkg/apimachinery/status-error.ts';
import { type Clock, formatMicroTime, timestamp } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import { hasLostContainer, hasNoMachine, isLostNode } from '../common/machine-pod.ts';
import { askToEnd } from '../common/migration-end.ts';
import { podsOf, timeMs } from '../common/pod.ts';
import { madePodName, moveOf, type Refusal, waitProblem } from './target.ts';
import { MigrationWrites } from './writes.ts';

/** Keeps a migration that is deleted until it has been ended. */
const finalizer = 'vm.coxswain.dev/migration';
/** A target that does not wait for the machine after this time is given up. */
const prepareMsMax = 60_000;
/** After a kubelet ended a migration without a claim, the machine's status has this long to say more. */
const soonMs = 200;
/** The two ends are done with a move so soon after its handover. One that takes longer says that it does: whoever watches it looks at that, beside a machine that has just come. */
const settleMs = 1000;

/** What a step is about. */
interface Step {
  readonly migration: VirtualMachineMigration;
  readonly machine: VirtualMachine;
  readonly pods: readonly Pod[];
}

/** What the steps look at and write with. */
export interface StepDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly migrations: Informer<VirtualMachineMigration>;
  readonly machines: Informer<VirtualMachine>;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly classes: Informer<RuntimeClass>;
}

/** Works on migrations. */
export class MigrationSteps {
  readonly #deps: StepDeps;
  readonly #client: Client;
  readonly #writes: MigrationWrites;
  /** Since when a move waits for its ends, by its key. */
  readonly #settlingSinceMs = new Map<string, number>();

  constructor(deps: StepDeps) {
    this.#deps = deps;
    this.#client = deps.client;
    this.#writes = new MigrationWrites(deps.client);
  }

  /** A migration is gone. */
  forget(key: string): void {
    this.#writes.last.forget(key);
    this.#settlingSinceMs.delete(key);
  }

  /** Does what is next for the migration of that key. */
  async reconcile(key: string): Promise<ReconcileResult> {
    const migration = this.#deps.migrations.lister.get(key);
    if (migration === undefined || this.#writes.last.isBehind(key, migration)) return undefined;
    const { namespace = '', finalizers = [], deletionTimestamp } = migration.metadata ?? {};
    if (isMigrationOver(migration)) {
      this.#settlingSinceMs.delete(key);
      if (finalizers.includes(finalizer))
        await this.#writes.setFinalizers(
          migration,
          finalizers.filter((one) => one !== finalizer),
        );
      return undefined;
    }
    if (deletionTimestamp !== undefined && !finalizers.includes(finalizer)) return undefined;
    const { vmName = '' } = migration.spec ?? {};
    const { machineUid, phase } = migration.status ?? {};
    const machine = this.#deps.machines.lister.get(`${namespace}/${vmName}`);
    const uid = machine?.metadata?.uid;
    if (machine === undefined || uid === undefined || machine.metadata?.deletionTimestamp !== undefined)
      return this.#endWithout(migration, 'Failed', {
        reason: 'MachineNotFound',
        message: `there is no machine "${vmName}"`,
      });
    if (machineUid !== undefined && machineUid !== uid) return this.#endWithout(migration, 'Failed', endedRefusal);
    const step = { migration, machine, pods: podsOf(this.#deps.pods, uid) };
    try {
      if (phase === undefined || phase === 'Pending') return await this.#begin(step);
      return await (phase === 'Preparing' ? this.#prepare(step) : this.#follow(step));
    } catch (error) {
      // Others write the machine's status too: what they wrote is looked at before it is tried again.
      if (isConflict(error)) return { requeueAfterMs: soonMs };
      throw error;
    }
  }

  async #endWithout(
    migration: VirtualMachineMigration,
    phase: Extract<MigrationPhase, 'Aborted' | 'Failed'>,
    { reason, message }: Refusal,
  ): Promise<undefined> {
    const { name = '', namespace = '' } = migration.metadata ?? {};
    const { targetPod = '' } = migration.status ?? {};
    const pod = this.#deps.pods.lister.get(`${namespace}/${targetPod}`);
    // One that relays for connections of before goes on with that.
    if (pod?.metadata?.annotations?.[waitsForMachine] === 'incoming')
      await this.#writes.deletePod(targetPod, namespace);
    this.#deps.events.record(migration, { type: 'Warning', reason, message: `Migration ${name}: ${message}` });
    return this.#writes.tell(migration, { phase, reason, message, completionTime: timestamp(this.#deps.clock) });
  }

  async #begin({ migration, machine, pods: all }: Step): Promise<ReconcileResult> {
    const { name = '', namespace = '', uid = '' } = migration.metadata ?? {};
    if (isToEnd(migration)) return this.#endWithout(migration, 'Aborted', abortRefusal);
    const { migration: known } = machine.status ?? {};
    const current =
      known === undefined || known.uid === uid
        ? undefined
        : this.#deps.migrations.lister.get(`${namespace}/${known.name}`);
    const isOther = current?.metadata?.uid === known?.uid && current !== undefined && !isMigrationOver(current);
    if (isOther && isStandby(current) && !isStandby(migration)) {
      // A stand-by makes room for a move.
      if (current.spec?.abort !== true) await askToEnd(this.#client, current);
      return { requeueAfterMs: soonMs };
    }
    const move = moveOf({
      migration,
      machine,
      pods: all,
      nodes: this.#deps.nodes.lister.list(),
      runtimeClass: this.#deps.classes.lister.get(machine.spec?.runtimeClassName ?? 'vm'),
      other: isOther ? known?.name : undefined,
    });
    if ('reason' in move) return this.#endWithout(migration, 'Failed', move);
    if (migration.metadata?.finalizers?.includes(finalizer) !== true) {
      await this.#writes.setFinalizers(migration, [...(migration.metadata?.finalizers ?? []), finalizer]);
      return undefined;
    }
    const { source, target } = move;
    const pod = 'kept' in target ? target.kept : target.made;
    const sourcePod = source.metadata?.name ?? '';
    const targetPod = pod.metadata?.name ?? '';
    const mode = isStandby(migration) ? { mode: 'standby' as const } : {};
    const owned = { name, uid, sourcePod, targetPod, ...mode, owner: '' as const };
    // The machine's own version: of two migrations that begin at once, one writes.
    const status = { ...machine.status, migration: owned };
    if (known?.uid !== uid || known.targetPod !== targetPod)
      await this.#client.resource(virtualMachines).update({ ...machine, status }, { subresource: 'status' });
    if ('made' in target)
      await this.#client
        .resource(pods)
        .create(target.made)
        .catch((error: unknown) => {
          if (!isAlreadyExists(error)) throw error;
        });
    return this.#writes.tell(migration, {
      phase: 'Preparing',
      machineUid: machine.metadata?.uid ?? '',
      sourcePod,
      sourceNode: source.spec?.nodeName ?? '',
      targetPod,
      ...('kept' in target ? { targetNode: pod.spec?.nodeName ?? '' } : {}),
      // Finer than seconds: it says which of a machine's moves was the last.
      startTime: formatMicroTime(this.#deps.clock.nowMs()),
    });
  }

  async #prepare({ migration, machine, pods: all }: Step): Promise<ReconcileResult> {
    const { status = {} } = migration;
    if (isToEnd(migration)) return this.#endWithout(migration, 'Aborted', abortRefusal);
    if (machine.status?.podName !== status.sourcePod) return this.#endWithout(migration, 'Failed', endedRefusal);
    const pod = all.find(({ metadata }) => metadata?.name === status.targetPod);
    const leftMs = timeMs(status.startTime) + prepareMsMax - this.#deps.clock.nowMs();
    const problem = pod === undefined && leftMs > prepareMsMax / 2 ? undefined : waitProblem(pod);
    if (problem !== undefined) {
      // A relay that would have taken the machine back ended before it was asked: there are other places.
      const isMade = status.targetPod === madePodName(migration, machine.metadata?.name ?? '');
      return isMade ? this.#endWithout(migration, 'Failed', problem) : this.#writes.startOver(migration);
    }
    if (status.target?.outcome === 'aborted')
      return this.#endWithout(migration, 'Failed', { reason: 'TargetRefused', message: status.target.reason ?? '' });
    const targetNode = pod?.spec?.nodeName ?? '';
    if (targetNode !== '' && status.targetNode !== targetNode) await this.#writes.tell(migration, { targetNode });
    if (status.target?.address !== undefined && pod?.status?.phase === 'Running')
      return this.#writes.tell(migration, { phase: 'Running' });
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    return this.#endWithout(migration, 'Failed', {
      reason: 'TargetNotReady',
      message: 'the target did not come to wait in time',
    });
  }

  async #follow({ migration, machine, pods: all }: Step): Promise<ReconcileResult> {
    const { source, target, sourcePod } = migration.status ?? {};
    const claim = machine.status?.migration;
    const isOurs = claim !== undefined && claim.uid === migration.metadata?.uid;
    if (isOurs && claim.owner === 'target') return this.#settle({ migration, machine, pods: all });
    const ended = source?.outcome === undefined ? target : source;
    const isOver = ended?.outcome !== undefined;
    if (isOurs && isUndecided(claim)) {
      // During a handover the target may run the machine already, whatever anybody wants.
      const isKept =
        claim.owner === 'handover'
          ? this.#isKept(migration, all)
          : isOver || isToEnd(migration) || (isStandby(migration) && this.#hasEnded(migration, all));
      if (!isKept) {
        if (isStandby(migration) && migration.status?.phase === 'Running' && this.#isToTakeOver(migration, all))
          await this.#writes.tell(migration, { phase: 'TakingOver' });
        return undefined;
      }
      const status = { ...machine.status, migration: { ...claim, owner: 'source' as const } };
      await this.#client.resource(virtualMachines).update({ ...machine, status }, { subresource: 'status' });
      return { requeueAfterMs: soonMs };
    }
    const isGone = all.every((pod) => pod.metadata?.name !== sourcePod || isFinished(pod));
    if (isOurs && !isOver && !isGone) return undefined;
    const message = ended?.reason ?? endedRefusal.message;
    if (isToEnd(migration)) return this.#endWithout(migration, 'Aborted', { reason: 'Aborted', message });
    return this.#endWithout(migration, 'Failed', { reason: 'EndFailed', message });
  }

  /** During a handover: whether it is certain that the target neither has the machine nor takes it. A source ends as aborted only if it has not let go. */
  #isKept({ status }: VirtualMachineMigration, all: readonly Pod[]): boolean {
    if (status?.source?.outcome === 'aborted' || status?.target?.outcome === 'aborted') return true;
    return hasNoMachine(all.find(isNamed(status?.targetPod)), (name) => this.#deps.nodes.lister.get(name));
  }

  /** The machine that a stand-by is of has ended, or is to: it is not for others to go on with. */
  #hasEnded({ status }: VirtualMachineMigration, all: readonly Pod[]): boolean {
    if (this.#isLost(status?.sourceNode)) return false;
    const pod = all.find(isNamed(status?.sourcePod));
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) return true;
    return isFinished(pod) && !hasLostContainer(pod);
  }

  /** Somebody wants a stand-by to go on with the machine, or nobody hears of its node any more. */
  #isToTakeOver({ spec, status }: VirtualMachineMigration, all: readonly Pod[]): boolean {
    const pod = all.find(isNamed(status?.sourcePod));
    const hasDied = pod !== undefined && isFinished(pod) && hasLostContainer(pod);
    return spec?.takeOver === true || hasDied || this.#isLost(status?.sourceNode);
  }

  #isLost(node: string | undefined): boolean {
    return isLostNode(this.#deps.nodes.lister.get(node ?? ''));
  }

  /** The target has the machine: Services find it there, and then no longer where it was. */
  async #settle({ migration, machine, pods: all }: Step): Promise<ReconcileResult> {
    const { status = {} } = migration;
    const [from, to] = [all.find(isNamed(status.sourcePod)), all.find(isNamed(status.targetPod))];
    const labels = machine.spec?.labels ?? {};
    if (to?.metadata?.annotations?.[waitsForMachine] !== undefined)
      await this.#writes.changePod(to, { labels: { ...labels }, annotations: { [waitsForMachine]: null } });
    if (from !== undefined && from.metadata?.annotations?.[waitsForMachine] === undefined)
      await this.#writes.changePod(from, {
        labels: Object.fromEntries(Object.keys(labels).map((name) => [name, null])),
        annotations: { [waitsForMachine]: 'relay' },
      });
    const { outcome, reason = '' } = status.target ?? {};
    if (outcome === 'completed') {
      // Of one that was off nobody has a connection.
      const hasRelay = from !== undefined && migration.spec?.mode !== 'cold';
      const relay = !hasRelay ? '' : `; connections to where it was go on through the pod ${status.sourcePod}`;
      const message = `Migration ${migration.metadata?.name}: the machine runs on ${status.targetNode}${relay}`;
      this.#deps.events.record(migration, { type: 'Normal', reason: 'Migrated', message });
      return this.#writes.tell(migration, { phase: 'Succeeded', completionTime: timestamp(this.#deps.clock) });
    }
    const isLost = outcome === 'aborted' || to === undefined || isFinished(to);
    if (isLost)
      return this.#endWithout(migration, 'Failed', { reason: 'MachineLost', message: reason || endedRefusal.message });
    return status.phase === 'Switching' ? undefined : this.#wait(migration);
  }

  /** Says that the ends are not done yet, once they could be. */
  async #wait(migration: VirtualMachineMigration): Promise<ReconcileResult> {
    const key = objectKey(migration);
    const nowMs = this.#deps.clock.monotonicMs();
    const sinceMs = this.#settlingSinceMs.get(key) ?? nowMs;
    this.#settlingSinceMs.set(key, sinceMs);
    const leftMs = sinceMs + settleMs - nowMs;
    return leftMs > 0 ? { requeueAfterMs: leftMs } : this.#writes.tell(migration, { phase: 'Switching' });
  }
}

const abortRefusal: Refusal = { reason: 'Aborted', message: 'it was asked to end' };
const endedRefusal: Refusal = { reason: 'MachineEnded', message: 'the machine ended or was started anew meanwhile' };

/** Somebody wants it ended. */
function isToEnd({ metadata, spec }: VirtualMachineMigration): boolean {
  return spec?.abort === true || metadata?.deletionTimestamp !== undefined;
}

function isNamed(name: string | undefined): (pod: Pod) => boolean {
  return ({ metadata }) => metadata?.name === name;
}

function isFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
