/**
 * A remote command over SPDY: a stream each for input, output, errors, the end, and sizes, named by a header. Invariants: a command begins once all
 * streams that were asked for are there; others are refused.
 * Source: `k8s.io/kubelet` `cri/streaming/remotecommand/httpstream.go`.
 */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import type { SpdyStream } from '#pkg/serving/spdy/stream.ts';
import type { TerminalSize } from '../../runtime/streams.ts';
import { sizesOf } from './channel-session.ts';
import { type CommandEnd, endBytes } from './command-end.ts';
import type { OutputName, RemoteSession, WantedStreams } from './remote-command.ts';
import { streamIdleMs } from './stream-idle.ts';

/** How long a client may take to open its streams. Source: kubelet `DefaultStreamCreationTimeout`. */
const creationMs = 30_000;
/** The header that names a stream, and its names. Source: core/v1 `StreamType`. */
const typeHeader = 'streamtype';

/** Which version of the protocol, and which streams the client wants. */
export interface SpdySessionOptions {
  readonly clock: Clock;
  /** Such as `v4.channel.k8s.io`. */
  readonly version: string;
  readonly wanted: WantedStreams;
}

type StreamType = 'error' | 'resize' | 'stderr' | 'stdin' | 'stdout';

/** One command over one connection. */
export class SpdySession implements RemoteSession {
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly resizes?: AsyncIterable<TerminalSize>;
  readonly gone: Promise<void>;
  readonly #connection: SpdyConnection;
  readonly #streams: ReadonlyMap<string, SpdyStream>;
  readonly #hasStatus: boolean;

  private constructor(connection: SpdyConnection, streams: ReadonlyMap<string, SpdyStream>, version: string) {
    this.#connection = connection;
    this.#streams = streams;
    this.#hasStatus = version === 'v4.channel.k8s.io';
    this.gone = connection.ended;
    const stdin = streams.get('stdin');
    if (stdin !== undefined) this.stdin = stdin.input;
    const resize = streams.get('resize');
    if (resize !== undefined) this.resizes = sizesOf(resize.input);
    // The first version had no input that could be ended by the client, and ends its direction of it at once.
    if (version === 'channel.k8s.io') stdin?.end();
  }

  /** Resolves once the streams are there; undefined when they did not come in time, and the connection was ended. */
  static async open(
    upgraded: UpgradedConnection,
    { clock, version, wanted }: SpdySessionOptions,
  ): Promise<SpdySession | undefined> {
    const missing = new Set<string>(typesOf(wanted, version));
    const streams = new Map<string, SpdyStream>();
    const all = Promise.withResolvers<boolean>();
    const connection = new SpdyConnection(upgraded, {
      clock,
      role: 'server',
      idleMs: streamIdleMs,
      onStream: (stream) => {
        const type = stream.headers[typeHeader] ?? '';
        if (!missing.delete(type)) {
          stream.refuse();
          return;
        }
        stream.accept();
        streams.set(type, stream);
        if (missing.size === 0) all.resolve(true);
      },
    });
    const late = clock.setTimeout(() => all.resolve(false), creationMs);
    void connection.ended.then(() => all.resolve(false));
    const areThere = await all.promise;
    late.cancel();
    if (areThere) return new SpdySession(connection, streams, version);
    await connection.close();
    return undefined;
  }

  write(stream: OutputName, bytes: Uint8Array): Promise<void> | undefined {
    return this.#streams.get(stream)?.write(bytes);
  }

  async finish(end: CommandEnd): Promise<void> {
    const errors = this.#streams.get('error');
    const bytes = endBytes(end, { hasStatus: this.#hasStatus });
    if (bytes.length > 0) void errors?.write(bytes);
    for (const stream of this.#streams.values()) stream.end();
    await this.#connection.close();
  }
}

/** The streams that a client opens. */
function typesOf({ stdin, stdout, stderr, tty }: WantedStreams, version: string): readonly StreamType[] {
  const hasSizes = tty && (version.startsWith('v4') || version.startsWith('v3'));
  return [
    'error',
    ...(stdin ? (['stdin'] as const) : []),
    ...(stdout ? (['stdout'] as const) : []),
    ...(stderr ? (['stderr'] as const) : []),
    ...(hasSizes ? (['resize'] as const) : []),
  ];
}
