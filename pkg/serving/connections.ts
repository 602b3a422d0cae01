/**
 * The connections of one server: how many there are, who is known on them, and when each has had its time. One repeating timer looks at all of
 * them, as a timer for each costs more than the connection's own share of it. Invariants: a connection is in the table from its first packet to
 * its close; none outlives a deadline of `ServingLimits` by more than a second; without connections no timer runs.
 * Upstream counterpart: the deadlines of `net/http` `server.go`; upstream has no limit on connections.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Peer } from '#pkg/apimachinery/http.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Gated } from './gate.ts';
import { Gates } from './gates.ts';
import type { ServingLimits } from './limits.ts';
import type { UnderWay } from './message.ts';
import { describePeer } from './peer.ts';

/** How often all connections are looked at. */
const sweepMs = 1_000;
/** How often those are that are about to be closed. */
const lingerSweepMs = 100;
/** Warnings of one kind are a line in so long at most. */
const warningMs = 60_000;

/** What a connection is waited for, besides what its answer is. */
export interface Awaited {
  /** Called at each sweep. */
  sweep(nowMs: number): void;
  /** The connection has closed. */
  gone(): void;
}

/** What a connection has that carries several requests at once. */
export interface Multiplexed {
  readonly isBusy: boolean;
  readonly waitingBytes: number;
  /** For how long the reader of one of its answers has taken nothing. */
  stalledMs(nowMs: number): number;
  /** Ends what has had its time, itself if need be. */
  sweep(nowMs: number, limits: ServingLimits): void;
  /** Somebody was authenticated on it. */
  known(): void;
  /** Takes no further requests, and ends when those under way are answered. */
  leave(): void;
}

/** What Node has for the socket in the kernel. */
interface Handle {
  readStart(): void;
  readStop(): void;
}

/** One connection, from its first packet on. */
export class Connection implements Gated {
  /** What the packets come by; under TLS not what is read from. */
  readonly raw: Socket;
  readonly openedMs: number;
  /** What requests are read from; undefined until a TLS handshake is done. */
  socket: Socket | undefined;
  /** The answer under way, or the last one. */
  response: UnderWay | undefined;
  /** The body that is being read. */
  body: Awaited | undefined;
  /** Its streams, where it is HTTP/2: then it is they that have answers and bodies. */
  session: Multiplexed | undefined;
  /** It is not HTTP any more. */
  isUpgraded = false;
  /** Its server takes no further requests. */
  isLeaving = false;
  readonly #table: Connections;
  #peer: Peer | undefined;
  #client = '';
  /** Waiting for a request of which something has come; the first one has its time from the start. */
  #isHead = true;
  #sinceMs: number;
  /** How much had come when the last request had. */
  #seenBytes = 0;
  #takenBytes = -1;
  #stalledSinceMs = 0;
  /** How much had come at the last look while a head was waited for. */
  #headBytes = 0;

  constructor(table: Connections, raw: Socket, openedMs: number) {
    this.#table = table;
    this.raw = raw;
    this.openedMs = openedMs;
    this.#sinceMs = openedMs;
  }

  /** Whether a request on it was authenticated. */
  get isKnown(): boolean {
    return this.#client !== '';
  }

  /** By whom what it uses is counted: the user's name, or the address. */
  get client(): string {
    return this.#client || `address ${this.peer.address}`;
  }

  /** Who is at the other end, worked out once. */
  get peer(): Peer {
    this.#peer ??= describePeer(this.socket as TLSSocket, (name) => this.#identified(name));
    return this.#peer;
  }

  /** A request has come, or all of its body: what comes from now on is of the next one. */
  cameSoFar(): void {
    this.#seenBytes = this.socket?.bytesRead ?? 0;
  }

  /** The last request has been answered, if there was one: from now on the next one is waited for. */
  answered(nowMs: number): void {
    if (this.response === undefined) return;
    this.response = undefined;
    this.#isHead = false;
    this.#sinceMs = nowMs;
  }

  /** A request is answered on it. */
  get isBusy(): boolean {
    const { response, session } = this;
    if (session !== undefined) return session.isBusy;
    return this.isUpgraded || (response !== undefined && !response.writableFinished && !response.destroyed);
  }

  read(isRead: boolean): void {
    const handle = (this.raw as Socket & { readonly _handle: Handle | null })._handle;
    if (isRead) handle?.readStart();
    else handle?.readStop();
  }

  destroy(): void {
    this.socket?.destroy();
    this.raw.destroy();
  }

  #identified(name: string): void {
    if (name === this.#client) return;
    const wasKnown = this.isKnown;
    this.#client = name;
    if (wasKnown) return;
    this.#table.known(this);
    this.session?.known();
  }

  /** Destroys it if it has had its time. */
  sweep(nowMs: number, limits: ServingLimits): void {
    const { socket } = this;
    if (socket === undefined) {
      if (nowMs - this.openedMs >= limits.handshakeMs) this.destroy();
    } else if (this.session !== undefined) {
      this.session.sweep(nowMs, limits);
    } else if (this.isBusy) {
      this.body?.sweep(nowMs);
      this.#lookAtReader(socket, nowMs);
      if (this.stalledMs(nowMs) >= (this.isKnown ? limits.stalledMs : limits.stalledUnknownMs)) this.destroy();
    } else if (this.#isLate(socket, nowMs, limits)) {
      this.destroy();
    } else if (!this.isKnown && this.#isHead) {
      const bytes = socket.bytesRead;
      if (this.#headBytes > this.#seenBytes && bytes > this.#headBytes) this.#table.slow(this);
      this.#headBytes = bytes;
    }
  }

  /** For how long the reader of an answer has taken nothing of what waits for it, at the last sweep. */
  stalledMs(nowMs: number): number {
    if (this.session !== undefined) return this.session.stalledMs(nowMs);
    return this.isBusy && this.#stalledSinceMs > 0 ? nowMs - this.#stalledSinceMs : 0;
  }

  /** Bytes that wait for the reader. */
  get waitingBytes(): number {
    return this.session?.waitingBytes ?? this.socket?.writableLength ?? 0;
  }

  #lookAtReader(socket: Socket, nowMs: number): void {
    const takenBytes = socket.bytesWritten - socket.writableLength;
    if (socket.writableLength === 0) this.#stalledSinceMs = 0;
    else if (takenBytes !== this.#takenBytes || this.#stalledSinceMs === 0) this.#stalledSinceMs = nowMs;
    this.#takenBytes = takenBytes;
  }

  /** Whether the next request is too long in coming. */
  #isLate(socket: Socket, nowMs: number, limits: ServingLimits): boolean {
    const bytes = socket.bytesRead;
    this.answered(nowMs);
    if (!this.#isHead && bytes !== this.#seenBytes) {
      this.#isHead = true;
      this.#sinceMs = nowMs;
      return false;
    }
    const isLarge = this.#isHead && !this.isKnown && bytes - this.#seenBytes > limits.slowHeadBytesMax;
    if (isLarge && nowMs - this.#sinceMs >= sweepMs) return true;
    return nowMs - this.#sinceMs >= (this.#isHead ? limits.headMs : limits.idleMs);
  }
}

/** An answered request whose connection is kept for a moment, so that its client can read the answer. */
export interface Lingering {
  readonly untilMs: number;
  /** Of a client that may not be here: one of `lingeringMax`. */
  readonly isShort: boolean;
  /** Ends the answer, and the connection with it. */
  end(): void;
}

/** What the connections of one server share. */
export interface ConnectionsOptions {
  readonly limits: ServingLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called about once a second while there are connections. */
  readonly onSweep?: (nowMs: number) => void;
}

/** The table of one server. */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** In order of arrival. */
  readonly #all = new Map<Socket, Connection>();
  readonly #unknown = new Set<Connection>();
  readonly #gates: Gates;
  /** By what requests are read from. */
  readonly #bySocket = new WeakMap<Socket, Connection>();
  /** Answered requests in order, those of clients that may not be here apart. */
  readonly #lingering = new Set<Lingering>();
  readonly #lingeringShort = new Set<Lingering>();
  #timer: Timer | undefined;
  #sweptMs = 0;
  #warnedMs = Number.NEGATIVE_INFINITY;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#gates = new Gates(options.clock);
  }

  get size(): number {
    return this.#all.size;
  }

  /** Takes a new connection in; undefined when there is no room for it, and it was closed. */
  add(raw: Socket): Connection | undefined {
    const { limits, clock } = this.#options;
    const isFull = this.#all.size >= limits.connectionsMax || this.#unknown.size >= limits.unknownMax;
    if (isFull && !this.#makeRoom()) {
      raw.destroy();
      return undefined;
    }
    const connection = new Connection(this, raw, clock.monotonicMs());
    this.#all.set(raw, connection);
    this.#unknown.add(connection);
    this.#gates.handshakes.add(connection);
    raw.once('close', () => {
      this.#remove(connection);
      connection.body?.gone();
    });
    this.#arm();
    return connection;
  }

  /** Requests may come: `socket` is `raw` itself, or the TLS socket around it once its handshake is done. */
  open(raw: Socket, socket: Socket): void {
    const connection = this.#all.get(raw);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    connection.socket = socket;
    this.#gates.shaken(connection);
    this.#bySocket.set(socket, connection);
  }

  /** A request has come, which is being answered from now on. */
  asked(connection: Connection): void {
    if (!connection.isKnown) this.#gates.asked(connection);
  }

  /** A client that is not known sends its head in parts. */
  slow(connection: Connection): void {
    this.#gates.slowHeads.add(connection);
  }

  /** The connection that requests come by from `socket`. */
  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /** A connection on which somebody was authenticated. */
  known(connection: Connection): void {
    this.#unknown.delete(connection);
    this.#gates.remove(connection);
  }

  linger(lingering: Lingering): void {
    const all = lingering.isShort ? this.#lingeringShort : this.#lingering;
    all.add(lingering);
    if (lingering.isShort && all.size > this.#options.limits.lingeringMax) {
      for (const oldest of all) {
        oldest.end();
        break;
      }
    }
    if (this.#lingering.size + this.#lingeringShort.size > 1) return;
    // The first one: from now on time is looked at more often.
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#arm();
  }

  lingered(lingering: Lingering): void {
    this.#lingering.delete(lingering);
    this.#lingeringShort.delete(lingering);
  }

  /** The server takes no further requests: destroys those that nothing is answered on, whether their handshake is done or not. */
  leave(): void {
    for (const connection of this.#all.values()) {
      connection.isLeaving = true;
      if (connection.session !== undefined) connection.session.leave();
      else if (!connection.isBusy) connection.destroy();
    }
  }

  /** Destroys what is left. */
  destroyAll(): void {
    for (const connection of this.#all.values()) connection.destroy();
  }

  /** Says what goes wrong with connections, a line a minute at most. */
  warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#warnedMs < warningMs) return;
    this.#warnedMs = nowMs;
    this.#options.log.warn(message, fields);
  }

  /** Destroys connections of stalled readers, those that have stalled longest first, until what waits for them is within its limit. */
  #relieve(nowMs: number): void {
    const { limits } = this.#options;
    const stalled: Connection[] = [];
    let bytes = 0;
    for (const connection of this.#all.values()) {
      if (connection.stalledMs(nowMs) < limits.stalledUnknownMs) continue;
      stalled.push(connection);
      bytes += connection.waitingBytes;
    }
    if (bytes <= limits.stalledBytesMax) return;
    this.warn('Readers that take nothing hold too much', { readers: stalled.length, bytes });
    stalled.sort((a, b) => b.stalledMs(nowMs) - a.stalledMs(nowMs));
    for (const connection of stalled) {
      if (bytes <= limits.stalledBytesMax) return;
      bytes -= connection.waitingBytes;
      connection.destroy();
    }
  }

  /** Closes the oldest connection on which nobody is known and nothing is answered; false when there is none. */
  #makeRoom(): boolean {
    const { connectionsMax, unknownMax } = this.#options.limits;
    this.warn('Connections are at their limit', { connections: this.#all.size, connectionsMax, unknownMax });
    for (const connection of this.#unknown) {
      if (connection.isBusy) continue;
      this.#remove(connection);
      connection.destroy();
      return true;
    }
    return false;
  }

  #remove(connection: Connection): void {
    this.#all.delete(connection.raw);
    this.#unknown.delete(connection);
    this.#gates.remove(connection);
    if (this.#all.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#all.size === 0) return;
    const delayMs = this.#lingering.size + this.#lingeringShort.size > 0 ? lingerSweepMs : sweepMs;
    this.#timer = this.#options.clock.setTimeout(this.#sweep, delayMs);
  }

  readonly #sweep = (): void => {
    this.#timer = undefined;
    const { clock, limits, onSweep } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const lingering of this.#lingeringShort) if (lingering.untilMs <= nowMs) lingering.end();
    for (const lingering of this.#lingering) if (lingering.untilMs <= nowMs) lingering.end();
    if (nowMs - this.#sweptMs >= sweepMs) {
      this.#sweptMs = nowMs;
      for (const connection of this.#all.values()) connection.sweep(nowMs, limits);
      this.#relieve(nowMs);
      onSweep?.(nowMs);
    }
    this.#arm();
  };
}
