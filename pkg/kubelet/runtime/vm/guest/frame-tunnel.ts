/**
 * Frames between a relay that stayed behind and the place where its machine is now, over one connection. The relay keeps what it has sent until the place says that
 * the machine has taken it, so that a machine that moves on between loses nothing: the next place gets it again, and TCP takes no harm from what comes twice.
 * Invariants: at most `unackedMax` frames wait for the place, further ones stay with the network, whose windows bound them; frames of a machine are told to the relay
 * in order. Messages: a byte that says what it is, two of length, the bytes.
 */
import type { TLSSocket } from 'node:tls';

const kinds = { frame: 1, begin: 2, taken: 3, over: 4 } as const;
/** Frames on their way to a place. */
const unackedMax = 512;
/** Frames of the machine wait for the connection in this much memory; with more they are dropped, as on a wire. */
const bufferedBytesMax = 1024 * 1024;
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
  readonly #socket: TLSSocket;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: TLSSocket, events: TunnelEvents) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => events.closed());
    socket.on('data', (chunk: Buffer) => this.#read(chunk, events));
    socket.resume();
  }

  send(kind: keyof typeof kinds, bytes: Uint8Array = new Uint8Array(0)): boolean {
    if (this.#socket.writableLength > bufferedBytesMax || this.#socket.destroyed) return false;
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
  #unacked: Uint8Array[] = [];

  /** `receive` takes frames of the machine; `wake`: there is room, or a place, for frames to it. */
  constructor(receive: (frame: Uint8Array) => void, wake: () => void) {
    this.#receive = receive;
    this.#wake = wake;
  }

  /** Somebody has said that the machine is there. */
  get hasPlace(): boolean {
    return this.#present !== undefined;
  }

  /** Somebody who has the machine, or is about to: from when it says so, frames go there. */
  connected(socket: TLSSocket): void {
    const tunnel: Tunnel = new Tunnel(socket, {
      frame: (bytes) => {
        this.#receive(bytes);
        this.#wake();
      },
      begin: () => this.#begin(tunnel),
      taken: (count) => {
        // Of a place that is no more, the next one has been given everything again.
        if (this.#present !== tunnel) return;
        this.#unacked.splice(0, count);
        this.#wake();
      },
      over: () => undefined,
      closed: () => {
        if (this.#present === tunnel) this.#present = undefined;
      },
    });
  }

  /** Sends a frame; false: it is to be offered again later. */
  send(frame: Uint8Array): boolean {
    if (this.#present === undefined || this.#unacked.length >= unackedMax) return false;
    if (!this.#present.send('frame', frame)) return false;
    this.#unacked.push(frame);
    return true;
  }

  /** The machine is here again: what it has not taken. */
  takeBack(): readonly Uint8Array[] {
    const frames = this.#unacked;
    this.#unacked = [];
    this.#present?.end();
    this.#present = undefined;
    return frames;
  }

  /** There is nothing more to relay. */
  over(): void {
    this.#present?.send('over');
    this.#present?.end();
  }

  #begin(tunnel: Tunnel): void {
    this.#present = tunnel;
    for (const frame of this.#unacked) tunnel.send('frame', frame);
    this.#wake();
  }
}

/** The place's side: frames of one relay. */
export class FramesAway {
  readonly #tunnel: Tunnel;
  #waiting: Uint8Array[] = [];

  /** `wake`: there are frames for the machine. `gone`: the relay has nothing more for it. */
  constructor(socket: TLSSocket, { wake, gone }: { wake(): void; gone(): void }) {
    this.#tunnel = new Tunnel(socket, {
      frame: (bytes) => {
        this.#waiting.push(bytes);
        wake();
      },
      begin: () => undefined,
      taken: () => undefined,
      over: gone,
      closed: gone,
    });
  }

  /** The machine is here from now on. */
  begin(): void {
    this.#tunnel.send('begin');
  }

  send(frame: Uint8Array): void {
    this.#tunnel.send('frame', frame);
  }

  /** Gives the machine what waits, as far as it has buffers. */
  flush(deliver: (frame: Uint8Array) => boolean): void {
    let taken = 0;
    while (taken < this.#waiting.length && deliver(this.#waiting[taken] ?? new Uint8Array(0))) taken++;
    if (taken === 0) return;
    this.#waiting = this.#waiting.slice(taken);
    this.#tunnel.send('taken', Uint8Array.of(taken >> 8, taken & 255));
  }

  end(): void {
    this.#tunnel.end();
  }
}
