/** VirtualMachines: a kind of this project, in the group `vm.coxswain.dev`. What their fields mean is KubeVirt's, in the smaller words of our runtime. */
import type { Condition } from '#pkg/apimachinery/conditions.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/**
 * When a machine runs: always; until it switches itself off without a failure; as it is asked to; never.
 * Source: KubeVirt `VirtualMachineRunStrategy`.
 */
export type RunStrategy = 'Always' | 'Halted' | 'Manual' | 'RerunOnFailure';

/** What somebody asks of a machine; it is taken away once it was done. */
export interface StateChangeRequest {
  readonly action: 'Start' | 'Stop';
}

/** A virtual machine: what it is to be, and what of it there is. */
export interface VirtualMachine extends KubeObject {
  readonly spec?: {
    readonly runStrategy?: RunStrategy;
    readonly image: string;
    /** It stands still while it runs: no time passes in it. Source: KubeVirt `pause` and `unpause`. */
    readonly paused?: boolean;
    /** Every run begins from this snapshot of its namespace, in place of the kernel's first instruction; it is of the same image and memory. */
    readonly snapshotName?: string;
    /** Added to the kernel's command line. */
    readonly args?: readonly string[];
    readonly memory?: string;
    /** What it may use at most; without, all that it gets. */
    readonly cpu?: string;
    /** What its network and its disk carry a second at most: bits, and bytes and requests. Without, all that they can. */
    readonly limits?: {
      readonly ingressBandwidth?: string;
      readonly egressBandwidth?: string;
      readonly diskBytesPerSecond?: string;
      readonly diskRequestsPerSecond?: string;
    };
    readonly ports?: readonly { readonly name?: string; readonly port: number }[];
    readonly nodeSelector?: Readonly<Record<string, string>>;
    readonly runtimeClassName?: string;
    readonly terminationGracePeriodSeconds?: number;
    /** What the eviction of its pod does: have it move to another node first, or end it as other pods. Source: KubeVirt `EvictionStrategy`. */
    readonly evictionStrategy?: 'LiveMigrate' | 'None';
    /** Another node is sent checkpoints of it, and goes on from the last one when its own dies. */
    readonly standby?: {
      /** Default: the scheduler's choice among the other nodes. */
      readonly node?: string;
      /** From one checkpoint to the next, at least. */
      readonly intervalMilliseconds?: number;
      /** The stand-by takes over from a node of which it has heard nothing for so long. */
      readonly takeoverMilliseconds?: number;
    };
    /** Labels of its pods, by which Services find them. */
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly status?: VirtualMachineStatus;
}

/**
 * A migration as its machine knows it. `owner` is empty until one of the ends has claimed the machine, and never changes after: the pod of that end has it. In between it may be `handover`: then the
 * target's end says whose the machine is, and the source's has it until it has let go. Who wants to change it says what it was in the same request.
 */
export interface MachineMigration {
  readonly name: string;
  readonly uid: string;
  readonly sourcePod: string;
  readonly targetPod: string;
  /** It is a stand-by: the machine stays where it is as long as its node lives. */
  readonly mode?: 'standby';
  readonly owner?: '' | 'handover' | 'source' | 'target';
}

/** Whether neither end has the machine for good yet. */
export function isUndecided({ owner = '' }: MachineMigration): boolean {
  return owner === '' || owner === 'handover';
}

/** Whether a stand-by of the machine may still take over. */
export function isStandbyOpen(migration: MachineMigration | undefined): boolean {
  return migration?.mode === 'standby' && (migration.owner ?? '') === '';
}

/** What is known of a machine. */
export interface VirtualMachineStatus {
  readonly observedGeneration?: number;
  /** There is a pod of it. */
  readonly created?: boolean;
  readonly ready?: boolean;
  /** Such as `Running`, `Starting`, `Stopped`. Source: KubeVirt `VirtualMachinePrintableStatus`. */
  readonly printableStatus?: string;
  readonly podName?: string;
  /** Its kubelet has it stand still. */
  readonly paused?: boolean;
  readonly nodeName?: string;
  readonly address?: string;
  /** A node that it is to leave, by a migration; gone once it runs on another or not at all. */
  readonly evacuationNodeName?: string;
  /** Pods that were made for it. */
  readonly runs?: number;
  /** Runs that failed, one after the other. */
  readonly failures?: number;
  /** Its last migration, and who has the machine by it: the one place where that is decided, once for each migration. */
  readonly migration?: MachineMigration;
  readonly stateChangeRequests?: readonly StateChangeRequest[];
  readonly conditions?: readonly Condition[];
}

/** The label of a machine's pods, beside those that it gives them. */
export const machineLabel = 'vm.coxswain.dev/name';

/** Names the resource and its type. */
export const virtualMachines: ResourceRef<VirtualMachine> = {
  group: 'vm.coxswain.dev',
  version: 'v1alpha1',
  resource: 'virtualmachines',
  kind: 'VirtualMachine',
  namespaced: true,
};
