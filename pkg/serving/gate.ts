/**
 * Who is read from, of connections that are all at the same costly step, such as a handshake: all of them as long as they are few, else some at a time
 * in turn, so that thousands that come at one moment do not keep everybody else waiting for all of them. Node reads and answers whatever has come on
 * all connections before it looks at any of them again.
 * Invariants: a connection that has left the gate, or is busy, is never held; each of the others has its turn again and again.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';

/** A connection as the gate sees it. */
export interface Gated {
  /** It is at work, and goes on with it. */
  readonly isBusy: boolean;
  /** Reads from it, or does not. */
  read(isRead: boolean): void;
}

/** Connections that are read from at once. */
export interface GateLimits {
  /** So many are always read from; and of more, at least so many at a time. */
  readonly least: number;
  /** Of more, at most so many at a time: how many it is depends on how many of them send something. */
  readonly most: number;
  /**
   * How many there are says nothing: turns begin when more than `least` have said something before the machine looked at its connections again,
   * and end when nothing has come for a while. Default: they are taken for as long as there are many.
   */
  readonly waitsForWork?: boolean;
  /** How long a turn lasts in which nothing comes. Default: `idleMs`. */
  readonly restMs?: number;
}

/** How long a turn lasts in which nothing comes. With 64 at a time, two thousand have their turn six times a second so. */
const idleMs = 5;

/** After so long without a word all are read from again, where turns wait for work: a client that sends in several parts makes shorter pauses. */
const patienceMs = 500;

/** Lets the connections of one server be read from in turn. */
export class Gate {
  readonly #clock: Clock;
  readonly #limits: GateLimits;
  /** In the order of their turns. */
  readonly #members = new Set<Gated>();
  readonly #held = new Set<Gated>();
  /** Members that are read from, while there are many. */
  #open: Gated[] = [];
  #isRunning = false;
  /** How many have their turn at a time, and how many of those of this turn had something to say. */
  #size: number;
  #worked = 0;
  /** How many have had their turn since something came, and when that was. */
  #silent = 0;
  #workedMs = 0;

  constructor(clock: Clock, limits: GateLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#size = limits.least;
  }

  /** A connection that comes to the step. */
  add(connection: Gated): void {
    this.#members.add(connection);
    if (this.#isRunning) this.#open.push(connection);
    else if (this.#isFull && this.#limits.waitsForWork !== true) void this.#run();
  }

  /** The connection has closed, or is past the step. */
  remove(connection: Gated): void {
    this.#members.delete(connection);
    if (this.#held.delete(connection)) connection.read(true);
  }

  /** Something came from a member that is work. */
  worked(): void {
    this.#worked++;
    if (this.#isRunning || this.#limits.waitsForWork !== true) return;
    if (this.#worked === 1) void this.#forget();
    if (this.#worked > this.#limits.least && this.#isFull) void this.#run();
  }

  /** What was said in this round of the machine's loop does not count in the next. */
  async #forget(): Promise<void> {
    await this.#clock.yield();
    if (!this.#isRunning) this.#worked = 0;
  }

  get #isFull(): boolean {
    return this.#members.size > this.#limits.least;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#open = [...this.#members];
    this.#silent = 0;
    this.#workedMs = this.#clock.monotonicMs();
    // How many have something to say is found out from few on: others would wait for all of many.
    this.#size = this.#limits.least;
    // What else has come in this round waits.
    if (this.#limits.waitsForWork === true) this.#hold();
    // Whoever made a connection has still to begin to read from it.
    await this.#clock.yield();
    while (this.#isFull && !this.#isOver) {
      this.#worked = 0;
      this.#hold();
      this.#turn();
      await this.#clock.yield();
      await this.#rest();
      this.#resize();
    }
    this.#isRunning = false;
    this.#open = [];
    this.#worked = 0;
    for (const connection of this.#held) connection.read(true);
    this.#held.clear();
  }

  get #isOver(): boolean {
    return this.#limits.waitsForWork === true && this.#clock.monotonicMs() - this.#workedMs > patienceMs;
  }

  /** When all have had their turn and none said anything, there is time. */
  async #rest(): Promise<void> {
    if (this.#worked > 0) {
      this.#silent = 0;
      this.#workedMs = this.#clock.monotonicMs();
    } else this.#silent += this.#size;
    if (this.#silent > this.#members.size) await sleep(this.#clock, this.#limits.restMs ?? idleMs);
  }

  /** Holds those that had their turn. */
  #hold(): void {
    const open: Gated[] = [];
    for (const connection of this.#open) {
      if (!this.#members.has(connection)) continue;
      if (connection.isBusy) {
        open.push(connection);
        continue;
      }
      this.#held.add(connection);
      connection.read(false);
    }
    this.#open = open;
  }

  /** Lets the next have their turn. */
  #turn(): void {
    let left = this.#size;
    for (const connection of this.#members) {
      if (left-- === 0) break;
      // Behind all others.
      this.#members.delete(connection);
      this.#members.add(connection);
      if (!this.#held.delete(connection)) continue;
      connection.read(true);
      this.#open.push(connection);
    }
  }

  #resize(): void {
    const { least, most } = this.#limits;
    if (this.#worked > least) this.#size = Math.max(least, this.#size >> 1);
    else if (this.#worked < least / 2) this.#size = Math.min(most, this.#size << 1);
  }
}
