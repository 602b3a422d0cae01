/**
 * A connection to one server: gRPC over HTTP/2 (`http2/`), opened by the first call and again by the first after it was lost. The gRPC package that
 * etcd3 brings takes many times the processor time of this for a call, names members in TLS by what Node refuses, and waits longer after each
 * failure; so none of it is used.
 *
 * Invariant: every call ends, with its answer or a `GrpcError`, within its time. Nothing is repeated here; beyond as many calls at a time as the server takes
 * (etcd: no limit) they wait. Over a network, a connection with something under way is asked for a sign of life, so one that is cut or
 * paused is given up; a Unix socket ends with its server, and is not asked: servers end connections that ask more often than they like.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { endedWell, GrpcError, lostError } from './grpc-error.ts';
import { FrameReader } from './grpc-frames.ts';
import { ClientSession } from './http2/client-session.ts';
import type { ClientStream, StreamSink } from './http2/client-stream.ts';
import { type HeaderFields, requestBlock } from './http2/header-block.ts';
import { type ClientTls, type ConnectingSocket, openSocket } from './http2/open-socket.ts';

/** PEM texts for `https`: the authority of the server (default: those that Node trusts), and the certificate and key to show it. */
export type GrpcTls = ClientTls;

/** Calls whose headers are kept; a service has few. */
const blocksMax = 64;

/** The server, and how it is reached. */
export interface GrpcConnectionOptions {
  /** `http://127.0.0.1:2379`. */
  readonly endpoint: string;
  readonly tls?: GrpcTls | undefined;
  /** A Unix socket to connect to, in place of the endpoint's address. */
  readonly socketPath?: string;
  /** Longest message that is taken. Default: 512 MiB. */
  readonly messageBytesMax?: number;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

/** A call, and in whose name it is made. */
export interface GrpcCall {
  /** `/etcdserverpb.KV/Range`. */
  readonly path: string;
  /** A token of etcd's, where it wants one. */
  readonly token?: string | undefined;
}

/** What is said in a call, and how long it may take; `signal` gives it up. */
export interface GrpcQuestion {
  /** With its frame. */
  readonly message: Uint8Array;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a stream says; `onEnd` is called once, and nothing after it. */
export interface GrpcStreamSink {
  onMessage(message: Buffer): void;
  onEnd(error: Error): void;
}

/** A stream that has begun. */
export interface GrpcStream {
  /** A message with its frame. */
  write(message: Uint8Array): void;
  /** Ends it: its sink is not called again. */
  close(): void;
}

/** One server. */
export class GrpcConnection {
  readonly #options: GrpcConnectionOptions;
  /** All that have not ended: those that take no new calls still answer the old ones. */
  readonly #sessions = new Set<ClientSession>();
  /** Headers by path and token. */
  readonly #blocks = new Map<string, Buffer>();
  #session: ClientSession | undefined;
  #isClosed = false;

  constructor(options: GrpcConnectionOptions) {
    this.#options = options;
  }

  /** The answer to one message, which has its frame already. Rejects with `GrpcError`. */
  call({ path, token }: GrpcCall, { message, timeoutMs, signal }: GrpcQuestion): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      const giveUp = (why: string): void => {
        timer.cancel();
        signal?.removeEventListener('abort', cancel);
        stream?.close();
        reject(lostError(why, true));
      };
      const cancel = (): void => giveUp('the call was cancelled');
      const sink: GrpcStreamSink = {
        onMessage: (whole) => {
          answer = whole;
        },
        onEnd: (error) => {
          timer.cancel();
          signal?.removeEventListener('abort', cancel);
          if (error === endedWell && answer !== undefined) resolve(answer);
          else reject(error);
        },
      };
      const late = (): void => giveUp(`no answer within ${timeoutMs / 1000} s`);
      const timer = this.#options.clock.setTimeout(late, timeoutMs);
      const stream = this.#start({ path, token }, sink);
      stream?.writeLast(message);
      if (signal?.aborted === true) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** A stream of messages in both directions. */
  open(call: GrpcCall, sink: GrpcStreamSink): GrpcStream | undefined {
    return this.#start(call, sink);
  }

  /** Asks once, with a message that has its frame already, for a stream of answers. */
  follow(call: GrpcCall, message: Uint8Array, sink: GrpcStreamSink): Pick<GrpcStream, 'close'> | undefined {
    const stream = this.#start(call, sink);
    stream?.writeLast(message);
    return stream;
  }

  /** Ends the connection and what is under way on it. */
  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions) session.end(lostError('the connection was closed', true));
  }

  #start(call: GrpcCall, sink: GrpcStreamSink): ClientStream | undefined {
    if (this.#isClosed) {
      sink.onEnd(lostError('the connection was closed', false));
      return undefined;
    }
    let stream: ClientStream | undefined;
    const answer = new Answer({ sink, close: () => stream?.close(), messageBytesMax: this.#options.messageBytesMax });
    try {
      const block = this.#blockOf(call);
      stream = this.#usable().start(block, answer);
    } catch (error) {
      sink.onEnd(error instanceof Error ? error : lostError(errorText(error), false));
    }
    return stream;
  }

  #usable(): ClientSession {
    if (this.#session?.isUsable === true) return this.#session;
    for (const session of this.#sessions) if (session.isOver) this.#sessions.delete(session);
    const { endpoint, tls, socketPath, clock } = this.#options;
    const connect = (onChunk: (chunk: Buffer) => void): ConnectingSocket =>
      openSocket({ endpoint, tls, socketPath, onChunk });
    this.#session = new ClientSession({ connect, clock, pings: socketPath === undefined });
    this.#sessions.add(this.#session);
    return this.#session;
  }

  #blockOf({ path, token }: GrpcCall): Buffer {
    const name = token === undefined ? path : `${path} ${token}`;
    let block = this.#blocks.get(name);
    if (block === undefined) {
      const { protocol, host } = new URL(this.#options.endpoint);
      block = requestBlock(
        { isSecure: protocol === 'https:', authority: host, path },
        {
          'content-type': 'application/grpc',
          te: 'trailers',
          ...this.#options.headers,
          ...(token === undefined ? {} : { token }),
        },
      );
      if (this.#blocks.size >= blocksMax) this.#blocks.clear();
      this.#blocks.set(name, block);
    }
    return block;
  }
}

interface AnswerOptions {
  readonly sink: GrpcStreamSink;
  close(): void;
  readonly messageBytesMax: number | undefined;
}

/** What comes of a call: messages, and a status behind them or in their place. */
class Answer implements StreamSink {
  readonly #sink: GrpcStreamSink;
  readonly #close: () => void;
  readonly #reader: FrameReader;
  #status: GrpcError | undefined;

  constructor({ sink, close, messageBytesMax }: AnswerOptions) {
    this.#sink = sink;
    this.#close = close;
    this.#reader = new FrameReader(messageBytesMax);
  }

  onHeaders(fields: HeaderFields): void {
    const code = fields.get('grpc-status');
    const status = fields.get(':status');
    if (code === '0') this.#status = endedWell;
    else if (code !== undefined) {
      const message = decodeMessage(fields.get('grpc-message') ?? '');
      this.#status = new GrpcError(message, { code: Number(code), wasSent: true });
    } else if (status !== undefined && status !== '200') {
      this.#status = lostError(`it answers with HTTP status ${status}`, true);
    }
  }

  onData(bytes: Buffer): void {
    try {
      for (const message of this.#reader.push(bytes)) this.#sink.onMessage(message);
    } catch (error) {
      this.#close();
      this.#sink.onEnd(error instanceof Error ? error : lostError(errorText(error), true));
    }
  }

  onEnd(error: GrpcError | undefined): void {
    this.#sink.onEnd(error ?? this.#status ?? lostError('the answer was cut off', true));
  }
}

/** Texts have what is not ASCII as %XX. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
