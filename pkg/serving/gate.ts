/**
 * Who is read from, of connections that are all at the same costly step, such as a handshake: all of them as long as they are few, else some at a time
 * in turn, so that thousands that come at one moment do not keep everybody else waiting for all of them. Node reads and answers whatever has come on
 * all connections before it looks at any of them again.
 * Invariants: a connection that has left the gate, or is busy, is never held; each of the others has its turn again and again.
 * Not for requests: a client whose body is held fills its window, is still sending when it is refused, and loses the answer when the connection closes.
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
}

/** How long a turn lasts in which nothing comes. With 64 at a time, two thousand have their turn six times a second so. */
const idleMs = 5;

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
  /** How many have had their turn since something came. */
  #silent = 0;

  constructor(clock: Clock, limits: GateLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#size = limits.most;
  }

  /** A connection that comes to the step. */
  add(connection: Gated): void {
    this.#members.add(connection);
    if (this.#isRunning) this.#open.push(connection);
    else if (this.#isFull) void this.#run();
  }

  /** The connection has closed, or is past the step. */
  remove(connection: Gated): void {
    this.#members.delete(connection);
    if (this.#held.delete(connection)) connection.read(true);
  }

  /** Something came from a member that is work. */
  worked(): void {
    this.#worked++;
  }

  get #isFull(): boolean {
    return this.#members.size > this.#limits.least;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#open = [...this.#members];
    // Whoever made a connection has still to begin to read from it.
    await this.#clock.yield();
    while (this.#isFull) {
      this.#worked = 0;
      this.#turn();
      await this.#clock.yield();
      this.#silent = this.#worked > 0 ? 0 : this.#silent + this.#size;
      // When all have had their turn and none said anything, there is time.
      if (this.#silent > this.#members.size) await sleep(this.#clock, idleMs);
      this.#resize();
    }
    this.#isRunning = false;
    this.#open = [];
    for (const connection of this.#held) connection.read(true);
    this.#held.clear();
  }

  /** Holds those that had their turn, and lets the next have theirs. */
  #turn(): void {
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
    let left = this.#size;
    for (const connection of this.#members) {
      if (left-- === 0) break;
      // Behind all others.
      this.#members.delete(connection);
      this.#members.add(connection);
      if (!this.#held.delete(connection)) continue;
      connection.read(true);
      open.push(connection);
    }
    this.#open = open;
  }

  #resize(): void {
    const { least, most } = this.#limits;
    if (this.#worked > least) this.#size = Math.max(least, this.#size >> 1);
    else if (this.#worked < least / 2) this.#size = Math.min(most, this.#size << 1);
  }
}
