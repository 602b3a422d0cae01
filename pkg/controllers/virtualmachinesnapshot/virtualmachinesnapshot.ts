/**
 * Takes snapshots of virtual machines: looks whether there is a machine to take one of, says which kubelet is to do it, and what came of it. Invariants: a snapshot is of one run of one
 * machine, which its status names before anything is saved; it is usable only once the kubelet has said that all of it is kept. Counterpart: KubeVirt `virt-controller`
 * `snapshot`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { isStandbyOpen, type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isSnapshotOver,
  type VirtualMachineSnapshot,
  type VirtualMachineSnapshotStatus,
  virtualMachineSnapshots,
} from '#pkg/api/virtual-machine-snapshot.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

/** Snapshots worked on at the same time. */
const workers = 2;

/** The controller of snapshots. */
export function createSnapshotController(context: ControllerContext): Component {
  const { client, clock, informers } = context;
  const informer = informers.informer(virtualMachineSnapshots);
  const podInformer = informers.informer(pods);

  const tell = async (
    { metadata }: VirtualMachineSnapshot,
    status: VirtualMachineSnapshotStatus,
  ): Promise<undefined> => {
    const { name = '', namespace = '', uid = '' } = metadata ?? {};
    try {
      await client
        .resource(virtualMachineSnapshots)
        .patch(name, { metadata: { uid }, status: { ...status } }, { namespace, type: 'merge', subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  /** The machine as the server has it: a snapshot may be asked for right after it was made. */
  const machineOf = async ({ metadata, spec }: VirtualMachineSnapshot): Promise<VirtualMachine | undefined> => {
    try {
      return await client.resource(virtualMachines).get(spec?.vmName ?? '', { namespace: metadata?.namespace ?? '' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return undefined;
    }
  };

  /** Whether a pod may still have its machine; the watch may be behind what the machine says of it. */
  const runs = async (name: string, namespace: string): Promise<boolean> => {
    const known = podInformer.lister.get(`${namespace}/${name}`);
    if (known !== undefined) return !isFinished(known);
    try {
      return !isFinished(await client.resource(pods).get(name, { namespace }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return false;
    }
  };

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const snapshot = informer.lister.get(key);
    if (snapshot === undefined || isSnapshotOver(snapshot)) return undefined;
    if (snapshot.metadata?.deletionTimestamp !== undefined) return undefined;
    const { phase, podName = '', result } = snapshot.status ?? {};
    if (phase === undefined) return tell(snapshot, beginOf(snapshot, await machineOf(snapshot)));
    const creationTime = timestamp(clock);
    if (result?.outcome === 'completed') return tell(snapshot, { phase: 'Succeeded', readyToUse: true, creationTime });
    if (result !== undefined) return tell(snapshot, failed('SaveFailed', result.reason ?? ''));
    if (!(await runs(podName, snapshot.metadata?.namespace ?? '')))
      return tell(snapshot, failed('MachineEnded', 'the machine ended before it was saved'));
    return undefined;
  };

  const loop = createLoop(context, { name: 'virtualmachinesnapshot', workers, reconcile });
  const enqueue = (snapshot: VirtualMachineSnapshot): void => loop.queue.add(objectKey(snapshot));
  const podChanged = (pod: Pod): void => {
    if (controllerOf(pod)?.kind !== virtualMachines.kind) return;
    for (const snapshot of informer.lister.list())
      if (snapshot.status?.podName === pod.metadata?.name && snapshot.metadata?.namespace === pod.metadata?.namespace)
        enqueue(snapshot);
  };
  informer.addHandler({ added: enqueue, updated: (_, snapshot) => enqueue(snapshot) });
  podInformer.addHandler({ updated: (_, pod) => podChanged(pod), deleted: podChanged });
  return loop;
}

/** Which run is to be saved, or why none can be. */
function beginOf({ spec }: VirtualMachineSnapshot, machine: VirtualMachine | undefined): VirtualMachineSnapshotStatus {
  if (machine === undefined) return failed('MachineNotFound', `there is no machine "${spec?.vmName}"`);
  const { metadata, status } = machine;
  const { podName, nodeName, printableStatus = 'not known yet', migration } = status ?? {};
  if (podName === undefined || nodeName === undefined || !isUp(printableStatus))
    return failed('MachineNotRunning', `the machine "${spec?.vmName}" does not run: it is ${printableStatus}`);
  if (migration !== undefined && (migration.owner ?? '') === '' && !isStandbyOpen(migration))
    return failed('MachineIsMigrating', `the machine "${spec?.vmName}" is being moved by "${migration.name}"`);
  const machineUid = metadata?.uid ?? '';
  return { phase: 'InProgress', machineUid, podName, nodeName, machine: machine.spec ?? { image: '' } };
}

function failed(reason: string, message: string): VirtualMachineSnapshotStatus {
  return { phase: 'Failed', readyToUse: false, reason, message };
}

function isUp(printableStatus: string): boolean {
  return printableStatus === 'Running' || printableStatus === 'Paused';
}

function isFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
