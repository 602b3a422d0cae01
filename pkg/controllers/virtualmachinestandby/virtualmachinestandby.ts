/**
 * Has machines stood by for whose spec says `standby`: a migration of the mode `standby` for each that runs, which lasts until a node dies, and another one after that. Invariants: of one machine there is
 * one at a time, and none beside a move; of those that came to nothing only the last is kept. Who has the machine is not said here.
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
import { unlessGone } from '#pkg/apimachinery/status-error.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { askToEnd } from '../common/migration-end.ts';
import { timeMs } from '../common/pod.ts';

/** Machines worked on at the same time. */
const workers = 2;
/** After one that failed another is tried so much later; after one that was ended, as the machine was moved, soon. */
const retryMs = 30_000;
const soonMs = 1000;

/** The controller of stand-bys. */
export function createStandbyController(context: ControllerContext): Component {
  const { client, clock, informers } = context;
  const machines = informers.informer(virtualMachines);
  const migrations = informers.informer(virtualMachineMigrations);
  const resource = client.resource(virtualMachineMigrations);

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const machine = machines.lister.get(key);
    if (machine === undefined || machine.metadata?.deletionTimestamp !== undefined) return undefined;
    const { name = '', namespace = '' } = machine.metadata ?? {};
    const { standby } = machine.spec ?? {};
    const isOpen = (one: VirtualMachineMigration): boolean =>
      one.spec?.vmName === name && isStandby(one) && !isMigrationOver(one);
    // Most machines have none.
    if (standby === undefined && !migrations.lister.list(namespace).some(isOpen)) return undefined;
    // As the server has them: one that was made just now need not be known here yet.
    const { items } = await resource.list({ namespace });
    const all = items.filter(({ spec }) => spec?.vmName === name);
    const own = all.filter(isStandby);
    const current = own.find((one) => !isMigrationOver(one));
    if (current !== undefined) {
      if (!isAsWanted(current, machine) && current.spec?.abort !== true) await askToEnd(client, current);
      return undefined;
    }
    if (standby === undefined || !isUp(machine) || all.some((one) => !isMigrationOver(one))) return undefined;
    const leftMs = Math.max(0, ...own.map(againMs)) - clock.nowMs();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    for (const one of own)
      if (one.status?.phase !== 'Succeeded') await unlessGone(resource.delete(one.metadata?.name ?? '', { namespace }));
    await resource.create({
      metadata: {
        generateName: `${name.slice(0, 200)}-standby-`,
        namespace,
        ownerReferences: [controllerReference(machine, virtualMachines)],
      },
      spec: { vmName: name, mode: 'standby', ...wantedOf(machine) },
    });
    return undefined;
  };

  const loop = createLoop(context, { name: 'virtualmachinestandby', workers, reconcile });
  const changed = (machine: VirtualMachine): void => loop.queue.add(objectKey(machine));
  machines.addHandler({ added: changed, updated: (_, machine) => changed(machine) });
  const moved = (migration: VirtualMachineMigration): void => {
    if (isMigrationOver(migration)) loop.queue.add(`${migration.metadata?.namespace}/${migration.spec?.vmName}`);
  };
  migrations.addHandler({ added: moved, updated: (_, migration) => moved(migration), deleted: moved });
  return loop;
}

/** What of a machine's spec is its stand-by's. */
function wantedOf({
  spec,
}: VirtualMachine): Pick<NonNullable<VirtualMachineMigration['spec']>, 'intervalMs' | 'takeoverMs' | 'targetNode'> {
  const { node, intervalMilliseconds: intervalMs, takeoverMilliseconds: takeoverMs } = spec?.standby ?? {};
  return {
    ...(node === undefined ? {} : { targetNode: node }),
    ...(intervalMs === undefined ? {} : { intervalMs }),
    ...(takeoverMs === undefined ? {} : { takeoverMs }),
  };
}

/** Whether a stand-by is what the machine's spec says now. */
function isAsWanted({ spec }: VirtualMachineMigration, machine: VirtualMachine): boolean {
  if (machine.spec?.standby === undefined) return false;
  const { targetNode, intervalMs = spec?.intervalMs, takeoverMs = spec?.takeoverMs } = wantedOf(machine);
  return spec?.targetNode === targetNode && spec?.intervalMs === intervalMs && spec?.takeoverMs === takeoverMs;
}

function isUp({ status }: VirtualMachine): boolean {
  return status?.printableStatus === 'Running' && status.podName !== undefined && status.nodeName !== undefined;
}

/** When another may follow one that is over. */
function againMs({ metadata, status }: VirtualMachineMigration): number {
  const endedMs = timeMs(status?.completionTime ?? metadata?.creationTimestamp);
  if (status?.phase === 'Succeeded') return 0;
  return endedMs + (status?.phase === 'Aborted' ? soonMs : retryMs);
}
