/**
 * Has machines leave their node that are to: for each whose status says `evacuationNodeName` and that still runs there it makes a migration, and another one a while after
 * that has failed. Invariants: no migration is made while another of the machine is under way; of those that failed only the last is kept. Where a machine goes is the
 * scheduler's choice. Counterpart: KubeVirt `virt-controller` `watch/drain/evacuation`.
 */
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isMigrationOver,
  isStandby,
  type VirtualMachineMigration,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { timeMs } from '../common/pod.ts';

/** Machines worked on at the same time. */
const workers = 2;
/** A migration that has failed is tried again after so long. */
const retryMs = 30_000;
/** Label of the migrations that are made here: the node that the machine is to leave. */
const evacuationLabel = 'vm.coxswain.dev/evacuation';

/** The controller of evacuations. */
export function createEvacuationController(context: ControllerContext): Component {
  const { client, clock, informers } = context;
  const machines = informers.informer(virtualMachines);
  const migrations = informers.informer(virtualMachineMigrations);
  const resource = client.resource(virtualMachineMigrations);

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const machine = machines.lister.get(key);
    if (machine === undefined || machine.metadata?.deletionTimestamp !== undefined) return undefined;
    const { name = '', namespace = '' } = machine.metadata ?? {};
    const node = leavesNode(machine);
    if (node === undefined) return undefined;
    // As the server has them: one that was made just now need not be known here yet.
    const { items } = await resource.list({ namespace });
    // A stand-by makes room for a move.
    const own = items.filter((one) => one.spec?.vmName === name && !isStandby(one));
    if (own.some((migration) => !isMigrationOver(migration))) return undefined;
    const failed = own.filter((migration) => isFailedFrom(migration, node));
    const leftMs = Math.max(0, ...failed.map(endedMs)) + retryMs - clock.nowMs();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    for (const { metadata } of failed) await remove(metadata?.name ?? '', namespace);
    await resource.create({
      metadata: {
        generateName: `${name.slice(0, 200)}-leaves-`,
        namespace,
        labels: { [evacuationLabel]: node },
        ownerReferences: [controllerReference(machine, virtualMachines)],
      },
      spec: { vmName: name },
    });
    return undefined;
  };

  const remove = async (name: string, namespace: string): Promise<void> => {
    try {
      await resource.delete(name, { namespace });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const loop = createLoop(context, { name: 'virtualmachineevacuation', workers, reconcile });
  const changed = (machine: VirtualMachine): void => {
    if (leavesNode(machine) !== undefined) loop.queue.add(objectKey(machine));
  };
  machines.addHandler({ added: changed, updated: (_, machine) => changed(machine) });
  const ended = (migration: VirtualMachineMigration): void => {
    if (isMigrationOver(migration)) loop.queue.add(`${migration.metadata?.namespace}/${migration.spec?.vmName}`);
  };
  migrations.addHandler({ added: ended, updated: (_, migration) => ended(migration) });
  return loop;
}

/** The node on which a machine runs and that it is to leave. */
function leavesNode({ status }: VirtualMachine): string | undefined {
  const { evacuationNodeName = '', nodeName } = status ?? {};
  return evacuationNodeName !== '' && evacuationNodeName === nodeName ? evacuationNodeName : undefined;
}

function isFailedFrom({ metadata, status }: VirtualMachineMigration, node: string): boolean {
  return metadata?.labels?.[evacuationLabel] === node && status?.phase !== 'Succeeded';
}

function endedMs({ metadata, status }: VirtualMachineMigration): number {
  return timeMs(status?.completionTime ?? metadata?.creationTimestamp);
}
