/**
 * The two ends of a migration of a simulated machine, as pure state machines: no sockets, no timers, no clock of their own. A host (the kubelet's guest
 * thread; in tests a simulated link on virtual time) gives events in order and does the effects that come back, in order.
 *
 * Laws.
 * 1. Exactly one copy runs. An end runs its machine only while it owns it. Who owns it is written down at one place, an arbiter outside of both ends that answers a
 *    compare-and-swap (the VirtualMachine's status at the API server): `claim`. The source pauses before it offers to let go (`state` sent); from then on it resumes only
 *    after its own claim `source` has won. Who loses a claim destroys its copy. Who gets no answer asks again, and changes nothing until then.
 *    The arbiter knows nothing, then perhaps `handover`, then `source` or `target`, which stays.
 *    a. Live modes: while the machine still runs at the source, the target claims `handover`, and acknowledges no round before it has it. From then on whose the machine is
 *       is the target's alone to say, and the two ends agree about it over their connection without asking anybody: a target that has `handover` and all of `state` activates at once, and
 *       claims `target` a little later, which the arbiter then writes down.
 *    b. A target that has claimed `handover` and will not activate says so: it destroys its copy for good and claims `source`, until it is told that it is. It gives up like this when the
 *       source gives up, when the connection is lost before all of `state` is here, and when nothing at all came for `silentMs`.
 *    c. Over `handover` the arbiter lets `source` win from the target; from the source only when the target is known to be dead. A source that has not let go needs no word of
 *       the arbiter: it goes on, and what it says of its end is enough for others to close the record.
 *    d. Without `handover` (suspend and cold, which acknowledge no round) the target activates only after its claim `target` has won.
 *    Whatever dies or is cut off where: before `state` is sent the source runs. Then, if all of it arrives, the target runs; if not, the target says `source` (b), or is dead and
 *    the source's claim wins (c); in between the machine stands still. An arbiter that cannot be reached delays the record, and not the handover. A target that is cut off from everything but has not died
 *    keeps the source waiting in between: that is the price of (a).
 * 2. Nothing the source has not sent is made up: the target's memory at activation (pre-copy) or after its last page (post-copy) is the source's at the pause, byte for byte.
 * 3. What comes from the other end is checked by shape, size, order and range before anything of it is used; anything else ends the migration with one line.
 * 4. An end holds at most `windowBytes` of unsent data; it makes more when `sent` says that there is room. So the host alone decides the bandwidth.
 * 5. The same events in the same order give the same effects.
 * 6. A round is acknowledged when all of it is in the target's memory and the code that the source has compiled is compiled there too; what a source says of its code changes nothing but time.
 */
import type { ModuleShelf } from '../compile/module-shelf.ts';
import type { Discard, SeatParts } from '../frames/seat.ts';
import type { Machine, MachineConfig, MachineShape } from '../machine-contract.ts';
import type { PieceStore } from './piece-tree.ts';

/** pre-copy, post-copy and hybrid are live; suspend saves, moves and resumes; cold moves what is off (disk and settings). */
export type MigrationMode = 'pre-copy' | 'post-copy' | 'hybrid' | 'suspend' | 'cold';

/** What crosses a link: a move, or the checkpoints of a stand-by, which has laws of its own (`standby.ts`). */
export type LinkMode = MigrationMode | 'standby';

/** How a machine is to be moved. */
export interface MigrationSettings {
  readonly mode: MigrationMode;
  /** Bytes a second that the host means to send; what downtime is reckoned by until enough was measured. */
  readonly bandwidth: number;
  /** How long the machine may stand still at the handover. */
  readonly downtimeMs: number;
  /** Rounds after which a pre-copy that does not converge throttles (then fails, or with `hybrid` goes over to post-copy). */
  readonly roundsMax: number;
  /** Whether a guest that writes faster than the link may be slowed down (to 20 % in steps). */
  readonly throttle: boolean;
  /** How post-copy fetches: on demand always; these besides. */
  readonly push: boolean;
  readonly prePaging: boolean;
  readonly compress: boolean;
}

/** A disk that moves block by block (64 KiB) while it changes; absent for none or a shared one. */
export interface BlockStore {
  readonly blocks: number;
  read(block: number): Uint8Array;
  write(block: number, bytes: Uint8Array): void;
  startDirtyLog(): void;
  takeDirty(): readonly number[];
  stopDirtyLog(): void;
}

/** Where a migration is; which of them an end sees depends on its mode. */
export type Phase =
  | 'reserving'
  | 'copying'
  | 'checkpointing'
  | 'stopping'
  | 'committing'
  | 'paging'
  | 'completed'
  | 'aborted';

/** Whose a machine is, as the arbiter has it; `handover`: the target's to say. */
export type Owner = 'handover' | 'source' | 'target';

/** What happens to an end. `nowMs` is the host's monotonic clock. */
export type MigrationEvent =
  | { readonly type: 'start'; readonly nowMs: number }
  | { readonly type: 'received'; readonly bytes: Uint8Array; readonly nowMs: number }
  /** So many bytes of the effects' `send` still wait at the host. */
  | { readonly type: 'sent'; readonly waitingBytes: number; readonly nowMs: number }
  /** Called between slices of the running guest, and while nothing else happens every 10 ms. */
  | { readonly type: 'tick'; readonly nowMs: number }
  /** Post-copy: the guest at the target stopped with `page`. */
  | { readonly type: 'fault'; readonly page: number; readonly nowMs: number }
  /**
   * The arbiter's answer. With owner `target`, `isWhole: false` says that the target has not completed as far as is known: a source that was given up in
   * post-copy then keeps its pages and asks again; otherwise it destroys its copy.
   */
  | {
      readonly type: 'claimed';
      readonly owner: Owner | 'unknown';
      readonly isWhole?: boolean;
      readonly nowMs: number;
    }
  /** The connection is gone, and the host has thrown away what waited for it (it may be made again: `reconnected`). */
  | { readonly type: 'lost'; readonly reason: string; readonly nowMs: number }
  | { readonly type: 'reconnected'; readonly nowMs: number }
  /** A stand-by is to go on with the machine, as somebody knows that its source is dead, or wants it so. */
  | { readonly type: 'take-over'; readonly reason: string; readonly nowMs: number }
  /** Somebody wants it ended. */
  | { readonly type: 'abort'; readonly reason: string; readonly nowMs: number };

/** What an end asks of its host. */
export type MigrationEffect =
  | { readonly type: 'send'; readonly bytes: Uint8Array; readonly urgent: boolean }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  /** Source: let the guest run at this share of its own, 1 to 0.2. */
  | { readonly type: 'throttle'; readonly share: number }
  /** Target: the machine is made and holds what was sent; `activate` it (run it) only on this. */
  | { readonly type: 'activate'; readonly machine: Machine }
  /**
   * Asks the arbiter. `handover` by the target and `source` by the source win where nothing was decided, `target` by the target there and over its `handover`; `source` also when the target
   * is known to be dead. `source` by the target, after it has destroyed its copy, always wins: it gives the machine back.
   */
  | { readonly type: 'claim'; readonly owner: Owner }
  /** The guest may go on: its missing page is there. */
  | { readonly type: 'page'; readonly page: number }
  /** The copy at this end is to be destroyed (it does not own the machine), or, at the source, is kept as it is. */
  | { readonly type: 'destroy' }
  /**
   * Source of a stand-by: what the machine gives off is held back from `hold` on; `mark`: what was held so far is of this checkpoint; `release`: all up to that mark may leave; `free`: everything may, now and
   * from now on; `drop`: what is held never leaves.
   */
  | { readonly type: 'output'; readonly act: 'drop' | 'free' | 'hold' }
  | { readonly type: 'output'; readonly act: 'mark' | 'release'; readonly checkpoint: number }
  | { readonly type: 'close' }
  | { readonly type: 'ended'; readonly outcome: 'completed' | 'aborted'; readonly reason: string };

/** One round of pre-copy, or all of post-copy. */
export interface RoundFigures {
  readonly round: number;
  readonly pages: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Pages that were written while it was sent. */
  readonly dirtied: number;
}

/** What pages of one class came to, and what they cost in processor time. */
export interface ClassFigures {
  readonly pages: number;
  readonly rawBytes: number;
  readonly sentBytes: number;
  readonly cpuMs: number;
}

/** What is known of the checkpoints of a stand-by. */
export interface StandbyFigures {
  /** Checkpoints that were taken, and the last one that the stand-by has whole. */
  readonly taken: number;
  readonly acknowledged: number;
  /** How much of the machine's time would be lost now: since the last acknowledged checkpoint. */
  readonly lagMs: number;
  /** Of the last checkpoint: pages that were written since the one before. */
  readonly pages: number;
  /** Processor time for which the guest stood still for the last checkpoint. */
  readonly stoodMs: number;
}

/** What is known of a migration while it runs and after; plain data. */
export interface MigrationFigures {
  readonly mode: LinkMode;
  readonly phase: Phase;
  readonly rounds: readonly RoundFigures[];
  readonly sentBytes: number;
  readonly bandwidth: number;
  readonly throttle: number;
  /** Pause to activation as the ends know it (the client's view is measured outside). */
  readonly downtimeMs?: number;
  readonly usedBytes: number;
  readonly classes: Readonly<Record<'zero' | 'repeated' | 'similar' | 'dictionary' | 'plain', ClassFigures>>;
  /** Post-copy: pages by how they came. */
  readonly faults: number;
  readonly pushed: number;
  readonly prePaged: number;
  readonly standby?: StandbyFigures;
}

/** One end: a state machine that is given events and answers with effects. */
export interface MigrationEnd {
  readonly figures: MigrationFigures;
  /** It has something to do that takes a while, a piece with each tick: ticks may come sooner, and had better not come at once. */
  readonly isBusy?: boolean;
  on(event: MigrationEvent): readonly MigrationEffect[];
}

/** Makes the source's end of a machine that runs (or, for `cold`, is off). */
export type CreateSource = (options: {
  readonly machine: Machine;
  readonly config: MachineConfig;
  readonly settings: MigrationSettings;
  readonly disk?: BlockStore;
  /** Where the host keeps pieces of saved machines, so that one that comes back sends little. */
  readonly pieces?: PieceStore;
  /** Processor time of the host in ms, for the figures alone; without it they say 0. */
  readonly cpuMs?: () => number;
}) => MigrationEnd;

/** Makes the target's end. `accept` says whether the host has room for such a machine: undefined, or why not; `seat` is where its pages are then (default: in a buffer of its own), `discard` by what frames that it gives back there go to the system, `modules` what was compiled for machines before. */
export type CreateTarget = (options: {
  readonly accept: (config: MachineShape) => string | undefined;
  readonly seat?: SeatParts;
  readonly discard?: Discard | undefined;
  readonly modules?: ModuleShelf;
  readonly pieces?: PieceStore;
  readonly makeDisk?: (blocks: number) => BlockStore;
}) => MigrationEnd;
