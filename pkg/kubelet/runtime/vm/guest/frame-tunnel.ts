/**
 * Frames between a relay that stayed behind and the place where its machine is now, over one connection, which the place makes again where it is lost. The relay keeps what it has sent until the place
 * says that the machine has taken it, so that a machine that moves on between, or a connection that breaks, loses nothing of it: it is sent again, and TCP takes no harm from what comes twice.
 * Invariants: at most `unackedMax` frames wait for the place, further ones stay with the network, whose windows bound them; frames of a machine are told to the relay
 * in order; while there is no connection they are dropped, as on a wire. Messages: a byte that says what it is, two of length, the bytes.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '#pkg/base/clock.ts';
import { inOneWrite } from './one-write.ts';

const kinds = { frame: 1, begin: 2, taken: 3, over: 4 } as const;
/** Frames on their way to a place. */
const unackedMax = 512;
/** Frames of the machine wait for the connection in this much memory; with more they are dropped, as on a wire. */
const bufferedBytesMax = 1024 * 1024;
/** A relay that is not reached is tried again after so long; after `lostMsMax` it is taken for gone, with its connections. */
const retryMs = 200;
const lostMsMax = 30_000;
const headBytes = 3;

/** What comes over a tunnel. */
interface TunnelEvents {
  frame(bytes: Uint8Array): void;
  begin(): void;
  taken(count: number): void;
  over(): void;
  closed(): void;
}

/** One connection. */
class Tunnel {
  readonly #socket: Duplex;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Duplex, events: TunnelEvents) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => events.closed());
    socket.on('data', (chunk: Buffer) => this.#read(chunk, events));
    socket.resume();
  }

  /** False: it is not sent. Only a frame is ever too much. */
  send(kind: keyof typeof kinds, bytes: Uint8Array = new Uint8Array(0)): boolean {
    if (this.#socket.destroyed) return false;
    if (kind === 'frame' && this.#socket.writableLength > bufferedBytesMax) return false;
    inOneWrite(this.#socket);
    const message = Buffer.allocUnsafe(headBytes + bytes.length);
    message[0] = kinds[kind];
    message.writeUInt16BE(bytes.length, 1);
    message.set(bytes, headBytes);
    this.#socket.write(message);
    return true;
  }

  end(): void {
    this.#socket.end();
  }

  #read(chunk: Buffer, events: TunnelEvents): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= headBytes) {
      const end = headBytes + this.#bytes.readUInt16BE(1);
      if (this.#bytes.length < end) return;
      const kind = this.#bytes[0];
      const bytes = Uint8Array.from(this.#bytes.subarray(headBytes, end));
      this.#bytes = this.#bytes.subarray(end);
      if (kind === kinds.frame) events.frame(bytes);
      else if (kind === kinds.begin) events.begin();
      else if (kind === kinds.over) events.over();
      else if (kind === kinds.taken && bytes.length === 2) events.taken((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0));
      else this.#socket.destroy();
    }
  }
}

/** The relay's side: the way to wherever the machine is. */
export class FramesHome {
  readonly #wake: () => void;
  readonly #receive: (frame: Uint8Array) => void;
  #present: Tunnel | undefined;
  /** Where the machine was before it came here. */
  #former: Tunnel | undefined;
  /** Who has connected last: the machine goes there next, if it goes. */
  #latest: Tunnel | undefined;
  #unacked: Uint8Array[] = [];

  /** `receive` takes frames of the machine; `wake`: there is room, or a place, for frames to it. */
  constructor(receive: (frame: Uint8Array) => void, wake: () => void) {
    this.#receive = receive;
    this.#wake = wake;
  }

  /** The machine is elsewhere, or about to be. */
  get hasPlace(): boolean {
    return this.#present !== undefined;
  }

  /** Somebody who has the machine, or is about to: frames go there from when it says so, or when the machine leaves. */
  connected(socket: Duplex): void {
    const tunnel: Tunnel = new Tunnel(socket, {
      frame: (bytes) => {
        this.#receive(bytes);
        this.#wake();
      },
      begin: () => this.#goTo(tunnel),
      taken: (count) => {
        // Of a place that is no more, the next one has been given everything again.
        if (this.#present !== tunnel) return;
        this.#unacked.splice(0, count);
        this.#wake();
      },
      over: () => undefined,
      closed: () => {
        if (this.#present === tunnel) this.#present = undefined;
        if (this.#latest === tunnel) this.#latest = undefined;
      },
    });
    this.#latest = tunnel;
  }

  /** The machine stands still here to go on elsewhere: frames go where that is most likely, so that it finds them there. */
  leave(): void {
    if (this.#present === undefined && this.#latest !== undefined) this.#goTo(this.#latest);
  }

  /** Sends a frame; false: it is to be offered again later. */
  send(frame: Uint8Array): boolean {
    if (this.#present === undefined || this.#unacked.length >= unackedMax) return false;
    if (!this.#present.send('frame', frame)) return false;
    this.#unacked.push(frame);
    return true;
  }

  /** The machine is here again: what it has not taken. `over` tells where it was. */
  takeBack(): readonly Uint8Array[] {
    const frames = this.#unacked;
    this.#unacked = [];
    this.#former = this.#present;
    this.#present = undefined;
    return frames;
  }

  /** There is nothing more to relay to where the machine was last. */
  over(): void {
    for (const tunnel of [this.#present, this.#former]) {
      tunnel?.send('over');
      tunnel?.end();
    }
    this.#former = undefined;
  }

  #goTo(tunnel: Tunnel): void {
    if (this.#present === tunnel) return;
    this.#present = tunnel;
    for (const frame of this.#unacked) tunnel.send('frame', frame);
    this.#wake();
  }
}

/** What the place has of its surroundings. */
export interface FramesAwayDeps {
  readonly clock: Clock;
  /** Connects to the relay; rejects where it is not reached. */
  connect(): Promise<Duplex>;
  /** There are frames for the machine. */
  wake(): void;
  /** The relay has nothing more for it, or is not reached any more. */
  gone(): void;
}

/** The place's side: frames of one relay. */
export class FramesAway {
  readonly #deps: FramesAwayDeps;
  #tunnel: Tunnel | undefined;
  #waiting: Uint8Array[] = [];
  #isBegun = false;
  #isOver = false;
  /** Since when it is not reached. */
  #lostAtMs: number | undefined;

  constructor(deps: FramesAwayDeps) {
    this.#deps = deps;
  }

  /** Connects; resolves after the first try, and goes on trying where that was in vain. */
  async connect(): Promise<void> {
    if (this.#isOver) return;
    const { clock } = this.#deps;
    this.#lostAtMs ??= clock.monotonicMs();
    const socket = await this.#deps.connect().catch(() => undefined);
    if (socket === undefined) this.#connectLater();
    else if (this.#isOver) socket.destroy();
    else this.#connected(socket);
  }

  /** The machine is here from now on. */
  begin(): void {
    this.#isBegun = true;
    this.#tunnel?.send('begin');
  }

  send(frame: Uint8Array): void {
    this.#tunnel?.send('frame', frame);
  }

  /** Gives the machine what waits, as far as it has buffers. */
  flush(deliver: (frame: Uint8Array) => boolean): void {
    let taken = 0;
    while (taken < this.#waiting.length && deliver(this.#waiting[taken] ?? new Uint8Array(0))) taken++;
    if (taken === 0) return;
    this.#waiting = this.#waiting.slice(taken);
    this.#tunnel?.send('taken', Uint8Array.of(taken >> 8, taken & 255));
  }

  end(): void {
    this.#isOver = true;
    this.#tunnel?.end();
  }

  #connected(socket: Duplex): void {
    const { clock, wake } = this.#deps;
    const sinceMs = clock.monotonicMs();
    // What the relay has not heard of as taken comes again.
    this.#waiting = [];
    const tunnel = new Tunnel(socket, {
      frame: (bytes) => {
        this.#waiting.push(bytes);
        wake();
      },
      begin: () => undefined,
      taken: () => undefined,
      over: () => this.#gone(),
      closed: () => {
        // One who closes at once what he was asked for is not the relay any more.
        if (clock.monotonicMs() - sinceMs >= lostMsMax) this.#lostAtMs = undefined;
        this.#tunnel = undefined;
        this.#connectLater();
      },
    });
    this.#tunnel = tunnel;
    if (this.#isBegun) tunnel.send('begin');
  }

  #connectLater(): void {
    if (this.#isOver) return;
    const { clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    this.#lostAtMs ??= nowMs;
    if (nowMs - this.#lostAtMs >= lostMsMax) this.#gone();
    else clock.setTimeout(() => void this.connect(), retryMs);
  }

  #gone(): void {
    if (this.#isOver) return;
    this.end();
    this.#deps.gone();
  }
}
