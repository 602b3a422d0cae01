/**
 * The body of a request from the network, which stays with its client until the handler wants it: see the laws of `UnreadBody`. Invariant: room
 * that was taken for it is given back once its request has been answered, however that went.
 */
import type { BodyLimit, UnreadBody } from '#pkg/apimachinery/http.ts';
import { badRequest, StatusError, tooLarge } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { type BodyBudget, noRoom } from './body-budget.ts';
import type { Awaited } from './connections.ts';
import type { ServingLimits } from './limits.ts';
import type { Incoming, Outgoing } from './message.ts';

/** What bodies of one server share. */
export interface BodyRoom {
  readonly budget: BodyBudget;
  readonly limits: ServingLimits;
  readonly clock: Clock;
}

/** What a body comes by: a connection, or a stream of one. */
export interface BodyCarrier {
  /** By whom the room that it takes is counted. */
  readonly client: string;
  /** The body that is being read: it is looked at each second, and told when its carrier has gone. */
  body: Awaited | undefined;
  /** All of a body has come. */
  cameSoFar(): void;
}

/** The request that a body is of. */
export interface BodyOwner {
  readonly request: Incoming;
  readonly response: Outgoing;
  readonly carrier: BodyCarrier;
  readonly signal: AbortSignal;
}

/** Read by whoever handles its request; released by whoever sends the answer. */
export class IncomingBody implements UnreadBody {
  readonly kind = 'unread';
  readonly lengthBytes?: number;
  /** It is read as it comes, which may go on while it is answered. */
  isStreamed = false;
  readonly #owner: BodyOwner;
  readonly #room: BodyRoom;
  readonly #waitsForContinue: boolean;
  #isTaken = false;
  #isReleased = false;
  /** Room that was taken, for `#client`. */
  #heldBytes = 0;
  /** Room that was taken among the small bodies. */
  #smallBytes = 0;
  #client = '';
  /** Set by the first sweep that sees it being read: most bodies are read before. */
  #sinceMs = 0;
  /** Of unknown length, and longer than a small one. */
  #isLong = false;
  /** The rest is not read until there is room. */
  #isWaiting = false;
  #limitBytes = 0;
  #chunks: Buffer[] = [];
  #length = 0;
  #reject: (error: Error) => void = () => {};

  constructor(owner: BodyOwner, room: BodyRoom, { waitsForContinue }: { readonly waitsForContinue: boolean }) {
    this.#owner = owner;
    this.#room = room;
    this.#waitsForContinue = waitsForContinue;
    const length = owner.request.headers['content-length'];
    if (length !== undefined) this.lengthBytes = Number(length);
  }

  /** Waits until there is room for the body; undefined when there is at once. A body of unknown length is a small one until it is longer. */
  #admit(): Promise<void> | undefined {
    const { budget, limits } = this.#room;
    const length = this.lengthBytes ?? limits.smallBodyBytes;
    if (length <= limits.smallBodyBytes && budget.takeSmall(length)) {
      this.#smallBytes = length;
      return undefined;
    }
    return this.#takeRoom(length);
  }

  #takeRoom(bytes: number): Promise<void> | undefined {
    const { budget, clock } = this.#room;
    const { client } = this.#owner.carrier;
    const waiting = budget.take(client, bytes, { nowMs: clock.monotonicMs(), signal: () => this.#owner.signal });
    if (waiting !== undefined) return waiting.then(() => this.#hold(client, bytes));
    this.#hold(client, bytes);
    return undefined;
  }

  #hold(client: string, bytes: number): void {
    if (this.#isReleased) {
      this.#room.budget.give(client, bytes);
      throw gone();
    }
    this.#client = client;
    this.#heldBytes += bytes;
  }

  /** The request is answered: room that was taken is given back, and what has not come yet is not read any more. */
  release(): void {
    this.#isReleased = true;
    if (this.#owner.carrier.body === this) this.gone();
    this.#releaseSmall();
    if (this.#heldBytes === 0) return;
    this.#room.budget.give(this.#client, this.#heldBytes);
    this.#heldBytes = 0;
  }

  #releaseSmall(): void {
    if (this.#smallBytes === 0) return;
    this.#room.budget.giveSmall(this.#smallBytes);
    this.#smallBytes = 0;
  }

  read(limit: BodyLimit): Promise<Uint8Array> {
    this.#take();
    if (this.lengthBytes !== undefined && this.lengthBytes > limit.limitBytes) {
      return Promise.reject(overLimit(limit.limitBytes));
    }
    const waiting = this.#admit();
    if (waiting === undefined) return this.#collect(limit.limitBytes);
    return waiting.then(() => this.#collect(limit.limitBytes));
  }

  chunks(): AsyncIterable<Uint8Array> {
    this.#take();
    this.isStreamed = true;
    this.#begin();
    return this.#owner.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  }

  #take(): void {
    if (this.#isTaken) throw new Error('Cannot read a body twice');
    this.#isTaken = true;
  }

  /** Tells a client that waits to be told that its body is wanted. */
  #begin(): void {
    if (this.#waitsForContinue) this.#owner.response.writeContinue();
  }

  #collect(limitBytes: number): Promise<Uint8Array> {
    const { request, carrier } = this.#owner;
    const { whole } = request;
    if (whole !== undefined) {
      carrier.cameSoFar();
      return Promise.resolve(whole);
    }
    this.#limitBytes = limitBytes;
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      carrier.body = this;
      request.on('data', (chunk: Buffer) => this.#add(chunk));
      request.on('end', () => {
        if (carrier.body !== this) return;
        if (request.aborted) {
          this.gone();
          return;
        }
        carrier.body = undefined;
        carrier.cameSoFar();
        const chunks = this.#chunks;
        this.#chunks = [];
        this.#giveSurplus();
        resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#length));
      });
      if (request.destroyed) this.gone();
      this.#begin();
    });
  }

  #add(chunk: Buffer): void {
    // Refused already, and thrown away.
    if (this.#owner.carrier.body !== this) return;
    this.#length += chunk.length;
    if (this.#length > this.#limitBytes) {
      this.#fail(overLimit(this.#limitBytes));
      return;
    }
    this.#chunks.push(chunk);
    const isLong = this.lengthBytes === undefined && this.#length > this.#room.limits.smallBodyBytes;
    if (isLong && !this.#isLong) this.#beginLong();
  }

  /** A body of unknown length turns out not to be small: the rest waits with its client until there is room for all that it may be. */
  #beginLong(): void {
    this.#isLong = true;
    const { request, carrier } = this.#owner;
    const goOn = (): void => {
      this.#isWaiting = false;
      this.#sinceMs = 0;
      this.#releaseSmall();
      request.resume();
    };
    try {
      const waiting = this.#takeRoom(this.#limitBytes - this.#heldBytes);
      if (waiting === undefined) {
        this.#releaseSmall();
        return;
      }
      this.#isWaiting = true;
      request.pause();
      waiting.then(goOn, (error: Error) => {
        if (carrier.body === this) this.#fail(error);
      });
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #giveSurplus(): void {
    const surplus = this.#heldBytes - this.#length;
    if (surplus <= 0) return;
    this.#room.budget.give(this.#client, surplus);
    this.#heldBytes -= surplus;
  }

  #fail(error: Error): void {
    const { request, carrier } = this.#owner;
    carrier.body = undefined;
    this.#chunks = [];
    request.pause();
    this.#reject(error);
  }

  gone(): void {
    this.#fail(gone());
  }

  /** Takes room for so much of the body as for a large one, instead of what it has of the small ones'. */
  #grow(bytes: number): boolean {
    const { client } = this.#owner.carrier;
    const more = bytes - this.#heldBytes;
    if (more > 0) {
      if (!this.#room.budget.grow(client, more)) return false;
      this.#hold(client, more);
    }
    this.#releaseSmall();
    return true;
  }

  sweep(nowMs: number): void {
    // It is not its client that is slow.
    if (this.#isWaiting) return;
    if (this.#sinceMs === 0) {
      this.#sinceMs = nowMs;
      // It was not there at once.
      if (!this.#grow(this.lengthBytes ?? this.#length)) this.#fail(noRoom());
    } else if (nowMs - this.#sinceMs >= this.#allowedMs()) this.#fail(tooLate());
  }

  #allowedMs(): number {
    const { bodyMs, bodyLeastMs, bodyBytesPerSecond } = this.#room.limits;
    return Math.min(bodyMs, bodyLeastMs + ((this.lengthBytes ?? this.#length) / bodyBytesPerSecond) * 1_000);
  }
}

/** Source: apiserver `endpoints/handlers/rest.go` `limitedReadBody`. */
function overLimit(limitBytes: number): StatusError {
  return tooLarge(`Request entity too large: limit is ${limitBytes}`);
}

function tooLate(): StatusError {
  const message = 'the body of the request did not arrive in time';
  return new StatusError({ code: 408, reason: 'Timeout', message, details: {} });
}

/** Nobody sees this one: it ends the handler. Source: Go `io.ErrUnexpectedEOF`. */
function gone(): StatusError {
  return badRequest('unexpected EOF');
}
