/**
 * A connection to one server: gRPC over Node's HTTP/2, opened by the first call and again by the first after it was lost. The gRPC package that
 * etcd3 brings takes twice the processor time of this for a write, names members in TLS by what Node refuses, and waits longer after each
 * failure; so none of it is used.
 *
 * Invariant: every call ends, with its answer or a `GrpcError`, within its time. Nothing is repeated here, and nothing queued: that many calls at a time
 * as the server takes streams (etcd: no limit). Over a network, a connection with something under way is asked for a sign of life, so one that is cut or
 * paused is given up; a Unix socket ends with its server, and is not asked: servers end connections that ask more often than they like.
 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { getBuiltinModule } from 'node:process';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { GrpcError, lostError } from './grpc-error.ts';
import { FrameReader } from './grpc-frames.ts';

/** How long a connection may take to be there: a server that is not may have a sound one beside it. */
const connectTimeoutMs = 2_000;
/** How often a sign of life is asked for, and how long it may take. Source: etcd ends connections that ask more often than each 5 s. */
const pingPeriodMs = 6_000;
const pingTimeoutMs = 3_000;
/** Bytes that a server may send before they are taken: what a slow reader of a watch holds up in this process. */
const windowBytes = 8 * 1024 * 1024;

/** PEM texts for `https`: the authority of the server (default: those that Node trusts), and the certificate and key to show it. */
export interface GrpcTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The server, and how it is reached. */
export interface GrpcConnectionOptions {
  /** `http://127.0.0.1:2379`. */
  readonly endpoint: string;
  readonly tls?: GrpcTls | undefined;
  /** A Unix socket to connect to, in place of the endpoint's address. */
  readonly socketPath?: string;
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
  #session: ServerSession | undefined;
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
          if (error instanceof GrpcError && error.code === 0 && answer !== undefined) resolve(answer);
          else reject(error);
        },
      };
      const late = (): void => giveUp(`no answer within ${timeoutMs / 1000} s`);
      const timer = this.#options.clock.setTimeout(late, timeoutMs);
      const stream = this.#start({ path, token }, sink);
      stream?.end(message);
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
    stream?.end(message);
    return stream;
  }

  /** Ends the connection and what is under way on it. */
  close(): void {
    this.#isClosed = true;
    this.#session?.end(lostError('the connection was closed', true));
  }

  #start({ path, token }: GrpcCall, sink: GrpcStreamSink): ServerStream | undefined {
    if (this.#isClosed) {
      sink.onEnd(lostError('the connection was closed', false));
      return undefined;
    }
    if (this.#session === undefined || !this.#session.isUsable) this.#session = new ServerSession(this.#options);
    return this.#session.start({ path, token }, sink);
  }
}

/** One HTTP/2 session. */
class ServerSession {
  readonly #http: ClientHttp2Session;
  readonly #clock: Clock;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #pings: boolean;
  readonly #open = new Set<ServerStream>();
  #timer: Timer;
  #isConnected = false;
  #error: GrpcError | undefined;

  constructor({ endpoint, tls, socketPath, headers = {}, clock }: GrpcConnectionOptions) {
    this.#clock = clock;
    this.#headers = headers;
    this.#pings = socketPath === undefined;
    // Loaded by the first session: clusters without etcd have no use for it.
    const { connect } = getBuiltinModule('node:http2');
    this.#http = connect(endpoint, {
      ...tls,
      ...(socketPath === undefined
        ? {}
        : { createConnection: () => getBuiltinModule('node:net').connect({ path: socketPath }) }),
      settings: { enablePush: false, initialWindowSize: windowBytes },
      maxSendHeaderBlockLength: 16_384,
    });
    this.#timer = clock.setTimeout(() => this.end(lostError('no connection within 2 s', false)), connectTimeoutMs);
    this.#http.on('connect', () => {
      this.#isConnected = true;
      this.#http.setLocalWindowSize(windowBytes);
      this.#timer.cancel();
      this.#armPing();
    });
    this.#http.on('error', (error) => this.end(lostError(errorText(error), this.#isConnected)));
    this.#http.on('close', () => this.end(lostError('the server closed the connection', this.#isConnected)));
  }

  get isUsable(): boolean {
    return this.#error === undefined && !this.#http.closed && !this.#http.destroyed;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  start({ path, token }: GrpcCall, sink: GrpcStreamSink): ServerStream | undefined {
    try {
      const http = this.#http.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...this.#headers,
        ...(token === undefined ? {} : { token }),
      });
      const stream: ServerStream = new ServerStream(http, {
        sink,
        isConnected: () => this.#isConnected,
        forget: () => void this.#open.delete(stream),
      });
      this.#open.add(stream);
      return stream;
    } catch (error) {
      sink.onEnd(lostError(errorText(error), false));
      return undefined;
    }
  }

  /** Gives the session up, with all that is under way on it. */
  end(error: GrpcError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#timer.cancel();
    this.#http.destroy();
    for (const stream of [...this.#open]) stream.fail(lostError(error.message, this.#isConnected));
  }

  #armPing(): void {
    if (!this.#pings || this.#error !== undefined) return;
    this.#timer = this.#clock.setTimeout(() => {
      if (this.#open.size > 0 && this.isUsable) this.#ping();
      else this.#armPing();
    }, pingPeriodMs);
  }

  #ping(): void {
    const silent = (): void => this.end(lostError('the server gives no sign of life', true));
    this.#timer = this.#clock.setTimeout(silent, pingTimeoutMs);
    this.#http.ping((error) => {
      if (error !== null) return;
      this.#timer.cancel();
      this.#armPing();
    });
  }
}

interface StreamPart {
  readonly sink: GrpcStreamSink;
  readonly isConnected: () => boolean;
  readonly forget: () => void;
}

/** One call of a session. */
class ServerStream implements GrpcStream {
  readonly #http: ClientHttp2Stream;
  readonly #part: StreamPart;
  readonly #reader = new FrameReader();
  #status: GrpcError | undefined;
  #isOver = false;

  constructor(http: ClientHttp2Stream, part: StreamPart) {
    this.#http = http;
    this.#part = part;
    http.on('response', (headers) => this.#note(headers));
    http.on('trailers', (headers) => this.#note(headers));
    http.on('data', (chunk: Buffer) => this.#take(chunk));
    http.on('end', () => this.#finish());
    http.on('error', (error) => this.fail(lostError(errorText(error), this.#mayHaveArrived(http.rstCode))));
    http.on('close', () => this.#finish());
  }

  write(message: Uint8Array): void {
    this.#http.write(message);
  }

  end(message: Uint8Array): void {
    this.#http.end(message);
  }

  close(): void {
    if (this.#isOver) return;
    this.#over();
    this.#http.close(cancelled);
  }

  /** Says that it is over. */
  fail(error: Error): void {
    if (this.#isOver) return;
    this.#over();
    this.#part.sink.onEnd(error);
  }

  #over(): void {
    this.#isOver = true;
    this.#part.forget();
  }

  #note(headers: IncomingHttpHeaders): void {
    const code = headers['grpc-status'];
    if (code !== undefined) {
      const message = decodeMessage(String(headers['grpc-message'] ?? ''));
      this.#status = new GrpcError(message, { code: Number(code), wasSent: true });
    } else if (headers[':status'] !== undefined && Number(headers[':status']) !== 200) {
      this.#status = lostError(`it answers with HTTP status ${headers[':status']}`, true);
    }
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const message of this.#reader.push(chunk)) if (!this.#isOver) this.#part.sink.onMessage(message);
    } catch (error) {
      this.#http.close(cancelled);
      this.fail(error instanceof Error ? error : lostError(errorText(error), true));
    }
  }

  #finish(): void {
    this.fail(this.#status ?? lostError('the answer was cut off', this.#mayHaveArrived(this.#http.rstCode)));
  }

  #mayHaveArrived(rstCode: number | undefined): boolean {
    return this.#part.isConnected() && rstCode !== refused;
  }
}

/** Codes of HTTP/2: a stream that is no longer wanted, and one that was not looked at. */
const cancelled = 8;
const refused = 7;

/** Texts have what is not ASCII as %XX. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
