/** One connection to a port of a guest: the host's end of it, in TCP (`user-network.ts` has the laws). Pure. Source: RFC 9293. */
import { ACK, FIN, PSH, RST, type Segment, SYN } from './frames.ts';

/** Bytes of a segment: an Ethernet frame without its headers. */
const segmentBytes = 1460;
/** What the guest may send that nobody has taken: all that a window without scaling can say. */
const windowBytes = 65_535;
/** Without an acknowledgement for this long, all that is under way is sent again; it doubles, and after so many times the connection is given up. */
const resendMs = 500;
const resendsMax = 7;
/** One segment of the guest is acknowledged so late, unless something is said to it before; the second at once. Source: RFC 9293, 3.8.6.3. */
const acknowledgeMs = 40;
const unacknowledgedMax = 2;

/** Who a connection is for: told in the order in which things happen, and of nothing after `closed`. */
export interface ConnectionEvents {
  opened(): void;
  /** Bytes of the guest; `consumed` says when there is room for as many again. */
  data(bytes: Uint8Array): void;
  /** The guest sends no more. */
  ended(): void;
  /** Some of what was written has arrived. */
  drained(): void;
  /** Both ends are done, or with a reason it was broken off. */
  closed(reason: string | undefined): void;
}

/** A connection to a port of the guest. */
export interface GuestConnection {
  /** Bytes that were written and have not arrived. */
  readonly unsentBytes: number;
  write(bytes: Uint8Array): void;
  /** No more is written. */
  end(): void;
  /** Breaks it off. */
  destroy(): void;
  consumed(bytes: number): void;
}

interface ConnectionDeps {
  readonly events: ConnectionEvents;
  nowMs(): number;
  send(segment: Omit<Segment, 'sourcePort' | 'targetPort'>): void;
  forget(): void;
}

/** One connection. Numbers of sequence are compared as differences, of 32 bits with a sign. */
export class Connection implements GuestConnection {
  readonly #deps: ConnectionDeps;
  #state: 'closed' | 'open' | 'opening' = 'opening';
  /** What is not acknowledged, from `#unacknowledged` on: pieces as they were written. */
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #unacknowledged = 1;
  #next = 1;
  #guestWindow = 0;
  #expected = 0;
  #unconsumed = 0;
  #toldWindow = windowBytes;
  #wantsEnd = false;
  #sentEnd = false;
  #gotEnd = false;
  #resendAtMs: number | undefined;
  #resends = 0;
  /** Segments of the guest that it was not told of, and when it is. */
  #owed = 0;
  #acknowledgeAtMs: number | undefined;

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
  }

  get unsentBytes(): number {
    return this.#bytes;
  }

  open(): void {
    this.#next = 2;
    this.#send(SYN, 1, new Uint8Array(0));
    this.#arm();
  }

  write(bytes: Uint8Array): void {
    if (this.#state === 'closed' || this.#wantsEnd || bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    this.#push();
  }

  end(): void {
    if (this.#wantsEnd) return;
    this.#wantsEnd = true;
    this.#push();
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#send(RST | ACK, this.#next, new Uint8Array(0));
    this.#close(undefined, { tells: false });
  }

  consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    if (this.#state === 'open' && this.#window() - this.#toldWindow >= windowBytes / 2) this.#acknowledge();
  }

  receive(segment: Segment): void {
    if (this.#state === 'closed') return;
    if ((segment.flags & RST) !== 0) {
      this.#close(this.#state === 'opening' ? 'connection refused' : 'connection reset by the guest', { tells: true });
      return;
    }
    if ((segment.flags & ACK) === 0) return;
    if (this.#state === 'opening') this.#opened(segment);
    else if ((segment.flags & SYN) !== 0) this.#acknowledge();
    else this.#received(segment);
  }

  /** What is due is sent; returns when something is next. */
  tick(nowMs: number): number | undefined {
    if (nowMs >= (this.#acknowledgeAtMs ?? Number.POSITIVE_INFINITY)) this.#acknowledge();
    const [first, second] = [this.#resend(nowMs), this.#acknowledgeAtMs];
    return first === undefined || second === undefined ? (first ?? second) : Math.min(first, second);
  }

  #resend(nowMs: number): number | undefined {
    if (this.#resendAtMs === undefined || nowMs < this.#resendAtMs) return this.#resendAtMs;
    if (++this.#resends > resendsMax) {
      this.#close('the guest does not answer', { tells: true });
      return undefined;
    }
    if (this.#state === 'opening') this.#send(SYN, 1, new Uint8Array(0));
    else if (this.#guestWindow === 0) {
      // A closed window: one byte, so that the answer says whether it has opened.
      this.#send(ACK, this.#unacknowledged, this.#slice(0, 1));
      this.#next = difference(this.#next, this.#unacknowledged) < 1 ? add(this.#unacknowledged, 1) : this.#next;
    } else {
      this.#next = this.#unacknowledged;
      this.#sentEnd = false;
      this.#push();
    }
    this.#arm();
    return this.#resendAtMs;
  }

  #opened({ flags, acknowledged, sequence, window }: Segment): void {
    if ((flags & SYN) === 0 || acknowledged !== 2) return;
    this.#state = 'open';
    this.#unacknowledged = 2;
    this.#expected = add(sequence, 1);
    this.#guestWindow = window;
    this.#resendAtMs = undefined;
    this.#resends = 0;
    this.#acknowledge();
    this.#deps.events.opened();
    this.#push();
  }

  #received({ acknowledged, window, sequence, data, flags }: Segment): void {
    const before = this.#bytes;
    this.#settle(acknowledged);
    this.#guestWindow = window;
    const isFinal = (flags & FIN) !== 0;
    if (data.length > 0 || isFinal) this.#take(sequence, data, isFinal);
    if (this.#isClosed()) return;
    this.#push();
    if (this.#bytes < before) this.#deps.events.drained();
    if (this.#gotEnd && this.#sentEnd && this.#unacknowledged === this.#next) this.#close(undefined, { tells: true });
  }

  /** Takes what comes in order; anything else is answered with what is expected. */
  #take(sequence: number, data: Uint8Array, isFinal: boolean): void {
    const old = difference(this.#expected, sequence);
    const isDue = old >= 0 && old <= data.length && data.length - old <= this.#window() && !this.#gotEnd;
    if (!isDue) {
      this.#acknowledge();
      return;
    }
    const fresh = data.subarray(old);
    this.#expected = add(this.#expected, fresh.length + (isFinal ? 1 : 0));
    this.#unconsumed += fresh.length;
    this.#gotEnd = isFinal;
    this.#acknowledgeSoon(isFinal);
    if (fresh.length > 0) this.#deps.events.data(fresh);
    if (isFinal) this.#deps.events.ended();
  }

  /** Lets go of what the guest has. */
  #settle(acknowledged: number): void {
    let fresh = difference(acknowledged, this.#unacknowledged);
    const underWay = this.#bytes + (this.#wantsEnd ? 1 : 0);
    if (fresh <= 0 || fresh > underWay) return;
    this.#unacknowledged = acknowledged;
    if (difference(this.#next, acknowledged) < 0) this.#next = acknowledged;
    if (fresh > this.#bytes) this.#sentEnd = true;
    while (fresh > 0 && this.#pieces.length > 0) {
      const [first = new Uint8Array(0)] = this.#pieces;
      if (first.length <= fresh) this.#pieces.shift();
      else this.#pieces[0] = first.subarray(fresh);
      const gone = Math.min(first.length, fresh);
      this.#bytes -= gone;
      fresh -= gone;
    }
    this.#resends = 0;
    this.#resendAtMs = undefined;
    if (this.#next !== this.#unacknowledged) this.#arm();
  }

  /** Sends what the guest has room for. */
  #push(): void {
    if (this.#state !== 'open') return;
    while (!this.#sentEnd) {
      const at = difference(this.#next, this.#unacknowledged);
      const left = this.#bytes - at;
      const size = Math.min(left, segmentBytes, Math.max(0, this.#guestWindow - at));
      const isFinal = this.#wantsEnd && size === left;
      if (size === 0 && !isFinal) break;
      this.#send(ACK | (isFinal ? FIN : 0) | (size === left ? PSH : 0), this.#next, this.#slice(at, size));
      this.#next = add(this.#next, size + (isFinal ? 1 : 0));
      this.#sentEnd = isFinal;
    }
    if (this.#resendAtMs === undefined && (this.#bytes > 0 || this.#next !== this.#unacknowledged)) this.#arm();
  }

  #slice(start: number, length: number): Uint8Array {
    const [first] = this.#pieces;
    if (first !== undefined && start + length <= first.length) return first.subarray(start, start + length);
    const bytes = new Uint8Array(length);
    let at = -start;
    for (const piece of this.#pieces) {
      if (at >= length) break;
      const from = Math.max(0, -at);
      if (from < piece.length) bytes.set(piece.subarray(from, Math.min(piece.length, length - at)), Math.max(0, at));
      at += piece.length;
    }
    return bytes;
  }

  /** Who asks and answers over one connection has something to say before it is time, which acknowledges too: the guest is interrupted once instead of twice. */
  #acknowledgeSoon(isFinal: boolean): void {
    this.#owed++;
    if (isFinal || this.#owed >= unacknowledgedMax) this.#acknowledge();
    else this.#acknowledgeAtMs = this.#deps.nowMs() + acknowledgeMs;
  }

  #acknowledge(): void {
    this.#send(ACK, this.#next, new Uint8Array(0));
  }

  #send(flags: number, sequence: number, data: Uint8Array): void {
    this.#toldWindow = this.#window();
    this.#owed = 0;
    this.#acknowledgeAtMs = undefined;
    this.#deps.send({ sequence, acknowledged: this.#expected, flags, window: this.#toldWindow, data });
  }

  #window(): number {
    return Math.max(0, windowBytes - this.#unconsumed);
  }

  #arm(): void {
    this.#resendAtMs = this.#deps.nowMs() + resendMs * 2 ** this.#resends;
  }

  /** Not a plain comparison, as what the compiler knows of the state is from before the events. */
  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #close(reason: string | undefined, { tells }: { readonly tells: boolean }): void {
    this.#state = 'closed';
    this.#resendAtMs = undefined;
    this.#acknowledgeAtMs = undefined;
    this.#pieces = [];
    this.#bytes = 0;
    this.#deps.forget();
    if (tells) this.#deps.events.closed(reason);
  }
}

/** A number of sequence further on. */
export function add(number: number, offset: number): number {
  return (number + offset) >>> 0;
}

function difference(a: number, b: number): number {
  return (a - b) | 0;
}
