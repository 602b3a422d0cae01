/**
 * A stand-by of a machine: another host that is sent a checkpoint of it again and again, and goes on from the last one when the machine's own host dies. Two ends as those of a migration, over the same
 * frames: state machines without sockets or clocks (`contract.ts`), with laws of their own.
 *
 * Laws.
 * 1. Exactly one copy runs. An arbiter outside of both, which answers a compare-and-swap, says once whose the machine is: `source` (it goes on alone, and the stand-by is over) or `target` (the stand-by
 *    has taken over). Each stand-by is another question, so an answer of an earlier one fences nobody, and whoever comes back asks about its own.
 *    a. The source runs while the stand-by echoes its heartbeats: for half of `takeoverMs` after it sent the last one that came back. Then it stands still, and goes on only after `source` was said. It
 *       asks at once when the connection is lost. Told `target`, it destroys its copy.
 *    b. The stand-by runs the machine only after `target` was said, and no sooner than `takeoverMs` after its last echo; it echoes nothing from when it has asked. It asks when it was silent around it for so long, or
 *       when somebody says that the source is dead. Told `source`, it destroys its copy.
 *    c. Clocks may run at different speeds, as far as a factor of two. A source whose host stops it within a slice of instructions finishes that slice when it is run again; what it does in it goes nowhere (3).
 *    Between (a) and the arbiter's answer nobody runs it. Before the first checkpoint there is nothing to take over, and the source asks nobody.
 * 2. The stand-by goes on from the last checkpoint that came whole, which is the last one that it acknowledged or the one after: the memory, disk, processor and devices of one moment between two instructions, byte for byte, as a
 *    digest of all pages says. A checkpoint that did not come whole changes nothing.
 * 3. What the machine gives off (frames, console) is held back until the checkpoint that knows of it is acknowledged, as Remus does. So nobody was ever told what the machine that goes on has not done; who
 *    was told nothing may find it not done, as with any server that dies. The price: answers take up to an interval longer. What comes to the machine is held by nobody.
 * 4. One checkpoint is under way at a time: a link or a host that is slow makes the intervals longer, and nothing piles up.
 * 5. What comes from the other end is checked by shape, size, order and range before anything of it is used; anything else ends the stand-by with one line, as law 1 has it.
 *
 * What it costs: the guest stands still while its written pages are copied and its devices are saved, each interval; the pages cross the link, told by what they are, as in a migration; and the stand-by's host keeps the memory.
 * Source: Cully et al., "Remus: High Availability via Asynchronous Virtual Machine Replication", NSDI 2008; Gray and Cheriton, "Leases", SOSP 1989.
 */
import type { Machine, MachineConfig } from '../machine-contract.ts';
import type { BlockStore, CreateTarget, MigrationEnd } from './contract.ts';

/** How a machine is kept twice. */
export interface StandbySettings {
  readonly mode: 'standby';
  /** Bytes a second that the host means to send. */
  readonly bandwidth: number;
  /** From one checkpoint to the next, at least. */
  readonly intervalMs: number;
  /** The stand-by takes over from a source of which it has heard nothing for so long. */
  readonly takeoverMs: number;
  readonly compress: boolean;
}

/** Makes the end of the host that has the machine. */
export type CreateStandbySource = (options: {
  readonly machine: Machine;
  readonly config: MachineConfig;
  readonly settings: StandbySettings;
  readonly disk?: BlockStore;
  /** Processor time of the host in ms, for the figures alone; without it they say 0. */
  readonly cpuMs?: () => number;
}) => MigrationEnd;

/** Makes the end of the stand-by. */
export type CreateStandbyTarget = (options: Pick<Parameters<CreateTarget>[0], 'accept' | 'makeDisk'>) => MigrationEnd;
