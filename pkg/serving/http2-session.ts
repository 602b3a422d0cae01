/**
 * A connection of HTTP/2: each of its streams is a request, answered by the same handler as one of HTTP/1.1, and each has the deadlines that a
 * connection has there. Invariants: whoever is not known has one request at a time and one in all, so that a connection of a stranger costs no more
 * than with HTTP/1.1; a stream counts until its handler is done, so that resetting it frees no place; a session that is left takes no more streams.
 * Upstream counterpart: Go `net/http` `h2_bundle.go` `http2serverConn`; apiserver `server/secure_serving.go`,
 * `endpoints/filters/authentication.go` (`UnauthenticatedHTTP2DOSMitigation`).
 */
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { getBuiltinModule } from 'node:process';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '#pkg/base/clock.ts';
import { answerExchange, type Serving } from './answer-exchange.ts';
import type { Awaited, Connection, Multiplexed } from './connections.ts';
import { Exchange, type StreamCarrier } from './exchange.ts';
import type { ServingLimits } from './limits.ts';
import { lingerOn } from './linger.ts';
import { StreamRequest, StreamResponse, streamCodes } from './stream-message.ts';

/** What one session may hold outside of the streams' own bytes: tables of headers, frames that wait, in millions of bytes. Then streams are refused. */
const sessionMegabytesMax = 10;

/** Headers of one request; clients send some ten, and one for each value of who they act as. */
const headersMax = 1_000;

/** Frames that break the protocol, and streams beyond those that are allowed, before the session is ended. */
const invalidFramesMax = 100;

/** Resets in one go, and a second for long: a client may give up all that it asked for a few times, not go on with it. */
const resets = { streamResetBurst: 300, streamResetRate: 33 };

/** Requests of one connection that are begun in one round of the loop: some milliseconds of small ones. A new round has begun after so long anyway. */
const startedAtOnce = 16;
const roundMs = 2;

/** Rounds of the machine's loop in which the end of an answer is waited for, which takes a few; then it is looked at with the deadlines. */
const letGoTurns = 16;

/** Goes on with HTTP/2 on a connection whose handshake chose it. */
export function beginSession(socket: TLSSocket, connection: Connection, serving: Serving): void {
  const { streamsMax, headBytesMax } = serving.limits;
  // A server of HTTP/1.1 answers whoever has ended its side already; a session is over with either side.
  socket.allowHalfOpen = false;
  // Loaded by the first connection that wants it.
  const session = getBuiltinModule('node:http2').performServerHandshake(socket, {
    maxSessionMemory: sessionMegabytesMax,
    maxHeaderListPairs: headersMax,
    maxSessionInvalidFrames: invalidFramesMax,
    maxSessionRejectedStreams: invalidFramesMax,
    ...resets,
    settings: { maxConcurrentStreams: streamsMax, maxHeaderListSize: headBytesMax, enablePush: false },
  });
  connection.session = new Http2Session(session, connection, serving);
}

interface Arrived {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
}

class Http2Session implements Multiplexed {
  readonly #session: ServerHttp2Session;
  readonly #connection: Connection;
  readonly #serving: Serving;
  /** Being answered. */
  readonly #open = new Set<OpenStream>();
  /** In order, until they have their turn. At most `streamsMax` with those that are open. */
  #waiting: Arrived[] = [];
  /** How many of them had it since then, in this round of the loop or in a short time. */
  #started = 0;
  #roundMs = 0;
  #isResting = false;
  #isLeaving = false;
  /** Since when nothing is open. */
  #quietSinceMs: number;

  constructor(session: ServerHttp2Session, connection: Connection, serving: Serving) {
    this.#session = session;
    this.#connection = connection;
    this.#serving = serving;
    this.#quietSinceMs = serving.clock.monotonicMs();
    session.on('stream', (stream, headers) => this.#arrive({ stream, headers }));
    session.on('error', (error) => serving.log.debug('An HTTP/2 connection failed', { error }));
  }

  get isBusy(): boolean {
    return this.#open.size > 0;
  }

  get waitingBytes(): number {
    let bytes = this.#connection.socket?.writableLength ?? 0;
    for (const { stream } of this.#open) bytes += stream.writableLength;
    return bytes;
  }

  stalledMs(nowMs: number): number {
    let most = 0;
    for (const one of this.#open) most = Math.max(most, one.stalledMs(nowMs));
    return most;
  }

  sweep(nowMs: number, limits: ServingLimits): void {
    const { isKnown } = this.#connection;
    for (const one of this.#open) one.sweep(nowMs, isKnown ? limits.stalledMs : limits.stalledUnknownMs);
    if (this.isBusy) return;
    const quietMs = nowMs - this.#quietSinceMs;
    const isLarge = !isKnown && (this.#connection.socket?.bytesRead ?? 0) > limits.slowHeadBytesMax;
    if (isLarge && quietMs >= limits.lingerMs) this.#connection.destroy();
    else if (quietMs >= (isKnown ? limits.idleMs : limits.headMs)) this.#expire();
  }

  known(): void {
    this.#startNext();
  }

  leave(): void {
    this.#refuseAll();
    if (!this.#session.closed) this.#session.close();
  }

  /** Says goodbye first; whoever does not take even that is cut off the next time. */
  #expire(): void {
    if (this.#session.closed) this.#connection.destroy();
    else this.leave();
  }

  #refuseAll(): void {
    this.#isLeaving = true;
    for (const { stream } of this.#waiting) stream.close(streamCodes.refusedStream);
    this.#waiting = [];
  }

  #arrive(arrived: Arrived): void {
    const { stream } = arrived;
    stream.on('error', ignored);
    const isFull = this.#open.size + this.#waiting.length >= this.#serving.limits.streamsMax;
    // The client asks again: nothing was done.
    if (this.#isLeaving || isFull) {
      stream.close(streamCodes.refusedStream);
      return;
    }
    this.#serving.connections.asked(this.#connection);
    this.#waiting.push(arrived);
    this.#startNext();
  }

  #startNext(): void {
    while (this.#mayStart) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      // Reset while it waited: that has cost nothing.
      if (!next.stream.closed) this.#start(next);
    }
  }

  get #mayStart(): boolean {
    if (!this.#connection.isKnown) return !this.isBusy;
    const nowMs = this.#serving.clock.monotonicMs();
    if (nowMs - this.#roundMs >= roundMs) {
      this.#roundMs = nowMs;
      this.#started = 0;
    }
    if (this.#started < startedAtOnce) return true;
    if (!this.#isResting && this.#waiting.length > 0) void this.#rest();
    return false;
  }

  /** What has come is not all of it begun in one round of the loop: a client can send a thousand requests at a time. */
  async #rest(): Promise<void> {
    this.#isResting = true;
    await this.#serving.clock.yield();
    this.#isResting = false;
    this.#started = 0;
    this.#startNext();
  }

  #start({ stream, headers }: Arrived): void {
    this.#started++;
    const { room, clock } = this.#serving;
    const one = new OpenStream(stream, this.#connection, clock);
    this.#open.add(one);
    const exchange = new Exchange(new StreamRequest(stream, headers), new StreamResponse(stream), room, {
      connection: this.#connection,
      waitsForContinue: headers.expect?.toLowerCase() === '100-continue',
      stream: one,
    });
    // Both have to be over.
    let left = 2;
    const over = (): void => {
      if (--left === 0) this.#done(one);
    };
    stream.once('close', () => {
      one.body?.gone();
      over();
    });
    void answerExchange(exchange, this.#serving).then(over);
  }

  #done(one: OpenStream): void {
    this.#open.delete(one);
    if (!this.#connection.isKnown) this.#dismiss();
    if (this.#open.size === 0) this.#quietSinceMs = this.#serving.clock.monotonicMs();
  }

  /** A stranger has had an answer. */
  #dismiss(): void {
    if (this.#session.destroyed || this.#isLeaving) return;
    const { connections, clock, limits } = this.#serving;
    this.#refuseAll();
    // With all streams ended, what the client still sends is thrown away from now on.
    this.#session.close();
    lingerOn(this.#connection.raw, connections, clock.monotonicMs() + limits.lingerMs);
  }
}

/**
 * A request that is being answered. Its client need not send what nobody has read once the answer is there (RFC 9113 section 8.1): then the stream is
 * closed, but not before the end of the answer has left, which Node takes for sent as soon as it is queued, and would be lost then.
 */
class OpenStream implements StreamCarrier {
  readonly stream: ServerHttp2Stream;
  readonly isBodiless: boolean;
  body: Awaited | undefined;
  readonly #connection: Connection;
  #stalledSinceMs = 0;
  #waitingBytes = 0;
  #isWatched = false;
  #isAnswered = false;

  constructor(stream: ServerHttp2Stream, connection: Connection, clock: Clock) {
    this.stream = stream;
    this.isBodiless = stream.endAfterHeaders;
    this.#connection = connection;
    // Node closes by itself, and too early, what is neither read nor paused.
    if (this.isBodiless) stream.resume();
    else stream.pause();
    stream.once('finish', () => {
      if (stream.readableEnded) return;
      this.#isAnswered = true;
      // What there is of it holds the stream open.
      stream.resume();
      void this.#letGoSoon(clock);
    });
  }

  async #letGoSoon(clock: Clock): Promise<void> {
    for (let turn = 0; turn < letGoTurns && !this.stream.closed; turn++) {
      this.#letGo();
      await clock.yield();
    }
  }

  #letGo(): void {
    const { stream } = this;
    if (this.#isAnswered && !stream.closed && stream.state.localClose === 1) stream.close(streamCodes.noError);
  }

  get client(): string {
    return this.#connection.client;
  }

  cameSoFar(): void {}

  stalledMs(nowMs: number): number {
    return this.#stalledSinceMs === 0 ? 0 : nowMs - this.#stalledSinceMs;
  }

  sweep(nowMs: number, stalledMs: number): void {
    this.body?.sweep(nowMs);
    this.#letGo();
    const { writableLength } = this.stream;
    if (writableLength === 0) this.#stalledSinceMs = 0;
    else if (this.#stalledSinceMs === 0 || writableLength !== this.#waitingBytes) this.#stalledSinceMs = nowMs;
    this.#waitingBytes = writableLength;
    if (writableLength > 0 && !this.#isWatched) {
      this.#isWatched = true;
      // As many bytes may wait as before, and not be the same.
      this.stream.on('drain', () => {
        this.#stalledSinceMs = 0;
      });
    }
    if (this.stalledMs(nowMs) >= stalledMs) this.stream.close(streamCodes.internalError);
  }
}

function ignored(): void {}
