/** What a guest's worker and the runtime say to each other. */
import type { PodBandwidth } from '#pkg/network/pod-network.ts';
import type { TapHandle } from '#pkg/network/tap/taps.ts';
import type { PageUse, SeatParts } from '#pkg/vmm/frames/seat.ts';
import type { MigrationFigures, MigrationSettings, Owner } from '#pkg/vmm/migration/contract.ts';
import type { StandbySettings } from '#pkg/vmm/migration/standby.ts';
import type { MonitoredStart } from '#pkg/vmm/monitor/monitored-machine.ts';
import type { DiskLimits } from './disk-service.ts';
import type { LinkAddress, LinkIdentity } from './link.ts';

/** The link of a machine that has an address of its own among others. */
export interface GuestTap {
  readonly handle: TapHandle;
  /** Who it is to them. */
  readonly mac: Uint8Array;
  readonly address: string;
  /** By whom all others are reached; absent: nothing leads out. */
  readonly gateway?: string;
}

/** What a guest is started with. */
export interface GuestStart {
  readonly kernel: Uint8Array;
  /** What a boot image begins on, and an initial file system. */
  readonly firmware?: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly memoryBytes: number;
  readonly commandLine: string;
  /** Contents of its disk, a private copy; absent: no disk. */
  readonly disk?: Uint8Array;
  readonly mac: Uint8Array;
  /** What the guest knows as its address. Default: that of user networks. */
  readonly ownAddress?: string;
  /** Absent: its host is alone on its wire. */
  readonly tap?: GuestTap;
  /** Where its ports are relayed, and which. */
  readonly address: string;
  readonly ports: readonly number[];
  /** What its wire and its disk carry at most. */
  readonly bandwidth?: PodBandwidth;
  readonly diskLimits?: DiskLimits;
  /** Part of the instructions that a whole processor runs, above 0; absent: all that it gets. */
  readonly share?: number;
  /** A saved machine, of the same kernel and memory: it begins as that, in place of the kernel's first instruction. */
  readonly image?: Uint8Array;
  /** Where its pages are, beside those of other machines. Default: in a buffer of its own. */
  readonly seat?: SeatParts;
  /** A monitor that the guest runs under; absent: none. */
  readonly monitor?: MonitoredStart;
  /** Folder in which the node keeps pieces of suspended machines; absent: it keeps none. */
  readonly pieces?: string;
  /** No machine is made: one comes from another node. */
  readonly waits?: true;
}

/** Figures of a guest. */
export interface GuestFigures {
  readonly memoryBytes: number;
  /** Bytes of pages that the guest has given to the node. */
  readonly balloonBytes: number;
  /** What its pages take of the node; none where it is not here. */
  readonly pages: PageUse | undefined;
  readonly cpuNanoseconds: number;
  /** What its harts and devices did, `exits.` with each reason for which a monitor was called, and `monitor.` with what else was counted of one; none before it is made. */
  readonly counters: Readonly<Record<string, number>>;
  readonly isPaused: boolean;
}

/** A machine as it is, for who keeps it. */
export interface SavedGuest {
  readonly memoryBytes: number;
  readonly mac: Uint8Array;
  /** What the guest knows as its address. */
  readonly address: string;
  readonly image: Uint8Array;
  readonly disk?: Uint8Array;
}

/** A machine that comes: from whom, and where it is waited for. */
export interface Arrival {
  /** Which migration: its uid. */
  readonly migration: string;
  readonly sourceNode: string;
  /** Checkpoints come, and the machine only if its source dies. */
  readonly isStandby: boolean;
  /** The name of this node, and the address at which others reach it. */
  readonly node: string;
  readonly host: string;
  readonly identity: LinkIdentity;
}

/** A machine that goes. */
export interface Departure {
  readonly migration: string;
  readonly target: LinkAddress;
  readonly node: string;
  readonly host: string;
  readonly identity: LinkIdentity;
  readonly settings: MigrationSettings | StandbySettings;
}

/** Which end of a migration a guest's thread is. */
export type MigrationSide = 'source' | 'target';

/** What a guest's thread is made with, besides what it runs. */
export interface ThreadData {
  /** It is made before there is a machine for it, and boots this meanwhile, for nobody. */
  readonly rehearsal?: GuestStart;
  /** Machines run beside it, which are not to wait for that. */
  readonly isCalm?: boolean;
}

/** To the worker. */
export type ToGuest =
  /** The first message: what the thread is for. */
  | { readonly type: 'begin'; readonly start: GuestStart }
  | { readonly type: 'input'; readonly bytes: Uint8Array }
  /** Asks for a connection to a port of the guest: a port of this machine that takes one. */
  | { readonly type: 'forward'; readonly id: number; readonly port: number }
  | { readonly type: 'figures'; readonly id: number }
  /** Has the guest stand still, or go on, for who runs it; answered with `done`. */
  | { readonly type: 'pause'; readonly id: number; readonly isPaused: boolean }
  /** So many of its pages are wanted of the guest. */
  | { readonly type: 'inflate'; readonly pages: number }
  /** Asks for the machine as it is; answered with `saved`. */
  | { readonly type: 'save'; readonly id: number }
  /** A relay ends with its last connection, and waits for no other. */
  | { readonly type: 'retire' }
  /** Waits for a machine; answered with `waiting`. */
  | { readonly type: 'receive'; readonly id: number; readonly arrival: Arrival }
  | { readonly type: 'migrate'; readonly departure: Departure }
  | { readonly type: 'abort'; readonly reason: string }
  | { readonly type: 'take-over'; readonly reason: string }
  /** Who has the machine: the answer to `claim`. */
  | { readonly type: 'claimed'; readonly owner: Owner | 'unknown' };

/** From the worker. */
export type FromGuest =
  | { readonly type: 'started' }
  | { readonly type: 'console'; readonly bytes: Uint8Array }
  /** So much input was taken. */
  | { readonly type: 'taken'; readonly bytes: number }
  | { readonly type: 'forwarded'; readonly id: number; readonly port?: number; readonly problem?: string }
  | { readonly type: 'figures'; readonly id: number; readonly figures: GuestFigures }
  | { readonly type: 'done'; readonly id: number; readonly problem?: string }
  | { readonly type: 'saved'; readonly id: number; readonly saved?: SavedGuest; readonly problem?: string }
  /** Where it waits for a machine. */
  | { readonly type: 'waiting'; readonly id: number; readonly port?: number; readonly problem?: string }
  /** Asks whose the machine is, and that it be this one's if it is nobody's. */
  | { readonly type: 'claim'; readonly migration: string; readonly side: MigrationSide; readonly owner: Owner }
  /** How a migration goes; with an outcome, its last news. */
  | {
      readonly type: 'migration';
      readonly migration: string;
      readonly side: MigrationSide;
      readonly figures: MigrationFigures;
      readonly outcome?: 'aborted' | 'completed';
      readonly reason?: string;
    }
  /** Whether the machine is here: a thread without it relays, or waits. */
  | { readonly type: 'presence'; readonly isHere: boolean }
  /** The last message. */
  | { readonly type: 'ended'; readonly exitCode: number; readonly message: string };
