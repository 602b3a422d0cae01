/**
 * VirtualMachineSnapshots: one machine as it was at one moment, memory, processor, devices and disk, from which machines can begin. It lies on the node where it was made, and machines
 * begin from it there. What the fields mean is KubeVirt's `VirtualMachineSnapshot`, in the smaller words of our runtime. Each part of the status has one writer: `result` is the
 * kubelet's, the rest is the controller's.
 */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { VirtualMachine } from './virtual-machine.ts';

/** How far a snapshot has come; the last two are final. */
export type SnapshotPhase = 'InProgress' | 'Succeeded' | 'Failed';

/** What the kubelet says of a snapshot. */
export interface SnapshotResult {
  readonly outcome: 'completed' | 'failed';
  readonly reason?: string;
  readonly sizeBytes?: number;
}

/** A snapshot of a machine. Its spec never changes. */
export interface VirtualMachineSnapshot extends KubeObject {
  readonly spec?: { readonly vmName: string };
  readonly status?: VirtualMachineSnapshotStatus;
}

/** What is known of a snapshot. */
export interface VirtualMachineSnapshotStatus {
  readonly phase?: SnapshotPhase;
  /** Machines can begin from it. */
  readonly readyToUse?: boolean;
  /** Why it failed: a word, and a sentence. */
  readonly reason?: string;
  readonly message?: string;
  readonly machineUid?: string;
  readonly podName?: string;
  /** Where it is made, and lies. */
  readonly nodeName?: string;
  /** What the machine was to be. */
  readonly machine?: NonNullable<VirtualMachine['spec']>;
  readonly creationTime?: string;
  readonly result?: SnapshotResult;
}

/** Names the resource and its type. */
export const virtualMachineSnapshots: ResourceRef<VirtualMachineSnapshot> = {
  group: 'vm.coxswain.dev',
  version: 'v1alpha1',
  resource: 'virtualmachinesnapshots',
  kind: 'VirtualMachineSnapshot',
  namespaced: true,
};

/** Annotation of a pod whose machine begins from a snapshot of its namespace: the snapshot's uid. */
export const beginsFromSnapshot = 'vm.coxswain.dev/begins-from-snapshot';

/** Whether nothing more comes of it. */
export function isSnapshotOver({ status }: VirtualMachineSnapshot): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
