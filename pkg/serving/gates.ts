/** The gates of one server: at which steps clients that nobody knows yet are read from in turn, and how many at a time. */
import type { Clock } from '#pkg/base/clock.ts';
import { Gate, type Gated, type GateLimits } from './gate.ts';

/** Handshakes: one takes some half a millisecond, for which all others wait. */
const handshakesAtOnce: GateLimits = { least: 4, most: 64 };
/**
 * Requests of clients that nobody knows yet: each costs a third of a millisecond with its connection's end, so that others wait for two of them, and its
 * connection memory that the next one's can have after it. A burst after a pause is of as many as were read from then.
 */
const strangersAtOnce: GateLimits = { least: 2, most: 16, waitsForWork: true };

/**
 * Heads of clients that nobody knows yet, of which a part has come and the next a second later: thousands of them can send their next byte at one
 * moment, and each costs a record to decrypt. They are in no hurry: two thousand have
 * their turn once a second, and nobody is read from more often than they send.
 */
const slowHeadsAtOnce: GateLimits = { least: 16, most: 64, restMs: 30 };

/** What connections of one server pass until somebody is known on them. */
export class Gates {
  /** Those whose handshake is not done. */
  readonly handshakes: Gate;
  /** Those whose handshake is. */
  readonly strangers: Gate;
  /** Those of them whose head comes in small parts. */
  readonly slowHeads: Gate;

  constructor(clock: Clock) {
    this.handshakes = new Gate(clock, handshakesAtOnce);
    this.strangers = new Gate(clock, strangersAtOnce);
    this.slowHeads = new Gate(clock, slowHeadsAtOnce);
  }

  /** The handshake of a connection is done. */
  shaken(connection: Gated): void {
    this.handshakes.worked();
    this.handshakes.remove(connection);
    this.strangers.add(connection);
  }

  /** A request has come whole. */
  asked(connection: Gated): void {
    this.slowHeads.remove(connection);
    this.strangers.worked();
  }

  /** Somebody is known on a connection, or it has closed. */
  remove(connection: Gated): void {
    this.handshakes.remove(connection);
    this.strangers.remove(connection);
    this.slowHeads.remove(connection);
  }
}
