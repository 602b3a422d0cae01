/**
 * VirtualMachineMigrations: one move of one machine to another node while it runs. What the fields mean is KubeVirt's `VirtualMachineInstanceMigration`, in
 * the smaller words of our runtime. Each part of the status has one writer: `source` and `target` are the kubelets', the rest is the controller's.
 */
import type { Condition } from '#pkg/apimachinery/conditions.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/** How far a migration has come; the last three are final. `TakingOver`: a stand-by is to go on with the machine. */
export type MigrationPhase =
  | 'Pending'
  | 'Preparing'
  | 'Running'
  | 'TakingOver'
  | 'Switching'
  | 'Succeeded'
  | 'Failed'
  | 'Aborted';

/** How a machine moves, or with `standby` is kept twice. */
export type MigrationModeName = 'cold' | 'hybrid' | 'post-copy' | 'pre-copy' | 'standby' | 'suspend';

/** What a kubelet says of its end. */
export interface MigrationEndStatus {
  readonly node: string;
  /** Of the target: where it waits for the machine, as host and port. */
  readonly address?: string;
  /** How it ended; absent while it has not. */
  readonly outcome?: 'aborted' | 'completed';
  readonly reason?: string;
  /** `MigrationFigures`, as the end last had them. */
  readonly figures?: MigrationEndFigures;
}

/** What is counted of one end, as it is served. */
export interface MigrationEndFigures {
  readonly phase?: string;
  readonly rounds?: readonly {
    readonly round: number;
    readonly pages: number;
    readonly bytes: number;
    readonly durationMs: number;
    readonly dirtied: number;
  }[];
  readonly sentBytes?: number;
  readonly usedBytes?: number;
  readonly bandwidth?: number;
  readonly throttle?: number;
  readonly downtimeMs?: number;
  readonly faults?: number;
  readonly pushed?: number;
  readonly prePaged?: number;
  /** Of a stand-by. */
  readonly standby?: {
    readonly taken: number;
    readonly acknowledged: number;
    readonly lagMs: number;
    readonly pages: number;
    readonly stoodMs: number;
  };
  readonly classes?: Readonly<
    Record<
      string,
      { readonly pages: number; readonly rawBytes: number; readonly sentBytes: number; readonly cpuMs: number }
    >
  >;
}

/** A move of a machine. Only `abort` and `takeOver` may change once it is made. */
export interface VirtualMachineMigration extends KubeObject {
  readonly spec?: {
    readonly vmName: string;
    /** Default: the scheduler's choice among the other nodes. */
    readonly targetNode?: string;
    readonly mode?: MigrationModeName;
    /** Bytes a second, as a quantity. */
    readonly bandwidth?: number | string;
    /** How long the machine may stand still at the handover. */
    readonly downtimeMs?: number;
    readonly roundsMax?: number;
    readonly throttle?: boolean;
    readonly push?: boolean;
    readonly prePaging?: boolean;
    readonly compress?: boolean;
    /** It is to be ended, as far as that is possible. */
    readonly abort?: boolean;
    /** Of a stand-by: from one checkpoint to the next, and how long a silent source is waited for. */
    readonly intervalMs?: number;
    readonly takeoverMs?: number;
    /** The stand-by is to go on with the machine now. */
    readonly takeOver?: boolean;
  };
  readonly status?: VirtualMachineMigrationStatus;
}

/** What is known of a migration. */
export interface VirtualMachineMigrationStatus {
  readonly phase?: MigrationPhase;
  /** Why it failed, was aborted or waits: a word, and a sentence. */
  readonly reason?: string;
  readonly message?: string;
  readonly machineUid?: string;
  readonly sourcePod?: string;
  readonly sourceNode?: string;
  readonly targetPod?: string;
  readonly targetNode?: string;
  /** When it was begun, with microseconds: a machine has one move at a time, so that this orders them. */
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly source?: MigrationEndStatus;
  readonly target?: MigrationEndStatus;
  readonly conditions?: readonly Condition[];
}

/** Names the resource and its type. */
export const virtualMachineMigrations: ResourceRef<VirtualMachineMigration> = {
  group: 'vm.coxswain.dev',
  version: 'v1alpha1',
  resource: 'virtualmachinemigrations',
  kind: 'VirtualMachineMigration',
  namespaced: true,
};

/** Annotation of a pod that waits for a machine, or relays for one that has left: the machine is not made in it. */
export const waitsForMachine = 'vm.coxswain.dev/waits-for-machine';

/** Whether a machine is kept twice by it, and moves only where its node dies or somebody says so. */
export function isStandby({ spec }: VirtualMachineMigration): boolean {
  return spec?.mode === 'standby';
}

/** Whether nothing more comes of a migration. */
export function isMigrationOver({ status }: VirtualMachineMigration): boolean {
  const { phase } = status ?? {};
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'Aborted';
}
