/**
 * `/portForward`: connections to ports of a pod, over SPDY, SPDY in a WebSocket, or channels of a WebSocket. Invariants: the other connections of a
 * client go on when one fails; each direction ends by itself; when the client goes, so does every connection.
 * Source: `k8s.io/kubelet` `cri/streaming/portforward`; KEP-4006 for SPDY in a WebSocket.
 */
import type { ApiRequest, ApiResponse, UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import type { SpdyStream } from '#pkg/serving/spdy/stream.ts';
import { TunnelConnection } from '#pkg/serving/websocket/tunnel.ts';
import type { PodWorker } from '../../pods/pod-worker.ts';
import { decodedParts, text, workerOf } from '../pod-path.ts';
import { channelProtocols } from './channel-session.ts';
import type { StreamDeps } from './exec.ts';
import { channelAnswer, spdyAnswer } from './handshake.ts';
import { forwardChannels } from './port-channels.ts';
import { carryBoth, type Target } from './port-target.ts';
import { streamIdleMs } from './stream-idle.ts';

/** Source: `portforward.ProtocolV1Name`. */
const spdyVersion = 'portforward.k8s.io';
/** A WebSocket that carries SPDY. Source: apimachinery `util/portforward` `WebsocketsSPDYTunnelingPortForwardV1`. */
const tunnelProtocol = `SPDY/3.1+${spdyVersion}`;
/** How long the second stream of a connection may take. Source: kubelet `DefaultStreamCreationTimeout`. */
const creationMs = 30_000;

/** Answers `/portForward/<namespace>/<pod>[/<uid>]`. */
export async function servePortForward(request: ApiRequest, deps: StreamDeps): Promise<ApiResponse> {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const isTunnel = request.upgrade === 'websocket' && offered.includes(tunnelProtocol);
  const hasChannels = request.upgrade === 'websocket' && !isTunnel;
  const ports = hasChannels ? portsOf(new URLSearchParams(request.query)) : [];
  if (typeof ports === 'string') return text(400, ports);
  const found = podAt(request.path, deps.workers());
  if ('status' in found) return found;
  const target = targetOf(found);
  if (typeof target === 'string') return text(500, target);
  if (request.upgrade === 'spdy/3.1') {
    return spdyAnswer(request, [spdyVersion], (connection) => forwardStreams(connection, target, deps));
  }
  if (isTunnel) {
    const { webSocketAnswer } = await import('#pkg/serving/websocket/handshake.ts');
    return webSocketAnswer(request, {
      choose: () => tunnelProtocol,
      accept: (connection) => forwardStreams(new TunnelConnection(connection, deps), target, deps),
    });
  }
  if (hasChannels) {
    return channelAnswer(request, channelProtocols, (connection, protocol) =>
      forwardChannels(connection, { protocol, ports, target, clock: deps.clock }),
    );
  }
  return text(500, 'Upgrade request required\n');
}

/** The ports in a query, or what is wrong with them. Source: kubelet `portforward.NewV4Options`. */
function portsOf(query: URLSearchParams): readonly number[] | string {
  const values = query.getAll('port');
  if (values.length === 0) return 'query parameter "port" is required';
  const ports: number[] = [];
  for (const value of values) {
    if (value === '') return 'query parameter "port" cannot be empty';
    for (const part of value.split(',')) {
      const port = parsePort(part);
      if (typeof port === 'string') return port;
      ports.push(port);
    }
  }
  return ports;
}

function parsePort(value: string): number | string {
  const port = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(port <= 65_535)) {
    const why = Number.isNaN(port) ? 'invalid syntax' : 'value out of range';
    return `unable to parse ${JSON.stringify(value)} as a port: strconv.ParseUint: parsing ${JSON.stringify(value)}: ${why}`;
  }
  return port < 1 ? `port ${JSON.stringify(value)} must be > 0` : port;
}

function podAt(path: string, workers: readonly PodWorker[]): ApiResponse | PodWorker {
  const [, , namespace, name, uid, ...rest] = decodedParts(path);
  if (!namespace || !name || rest.length > 0) return text(404, '404 page not found');
  const worker = workerOf(workers, { namespace, name });
  if (worker === undefined) return text(404, 'pod does not exist');
  if (uid !== undefined && worker.pod.metadata?.uid !== uid) return text(404, 'pod not found');
  return worker;
}

/** Where ports of a pod are, or why there are none. */
function targetOf({ pod: { metadata }, sandbox, runtime, finished }: PodWorker): string | Target {
  if (sandbox === undefined || sandbox.stopped === true || finished) {
    return `pod not found ("${metadata?.name}_${metadata?.namespace}")`;
  }
  const { id, addresses } = sandbox;
  return {
    describe: (port) => `error forwarding port ${port} to pod ${id}, uid ${metadata?.uid}`,
    connect: (port, signal) => runtime.streaming.portForward(id, { port, addresses, signal }),
  };
}

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  complete(): void;
}

/** Pairs of streams, one for bytes and one for what goes wrong. Resolves when the connection is over. */
async function forwardStreams(upgraded: UpgradedConnection, target: Target, { clock }: StreamDeps): Promise<void> {
  const pairs = new Map<string, Pair>();
  const leaving = new AbortController();
  const begin = (key: string): Pair => {
    const late = clock.setTimeout(() => {
      pairs.delete(key);
      pair.data?.reset();
      void pair.error?.write(Buffer.from(`(request=${key}) timed out waiting for streams`));
      pair.error?.end();
    }, creationMs);
    const pair: Pair = {
      complete() {
        late.cancel();
        pairs.delete(key);
      },
    };
    pairs.set(key, pair);
    return pair;
  };
  const connection = new SpdyConnection(upgraded, {
    clock,
    role: 'server',
    idleMs: streamIdleMs,
    onStream: (stream) => {
      const { port, streamtype: type = '' } = stream.headers;
      if (port === undefined || typeof parsePort(port) === 'string' || (type !== 'data' && type !== 'error')) {
        stream.refuse();
        return;
      }
      stream.accept();
      const key = keyOf(stream);
      const pair = pairs.get(key) ?? begin(key);
      if (pair[type] !== undefined) {
        stream.reset();
        void pair.error?.write(
          Buffer.from(`error processing stream for request ${key}: ${type} stream already assigned`),
        );
        return;
      }
      pair[type] = stream;
      const { data, error } = pair;
      if (data === undefined || error === undefined) return;
      pair.complete();
      const hasTaken = (): boolean => connection.hasSentAll;
      void forwardPair({ data, error, port: Number(port), hasTaken }, target, leaving.signal);
    },
  });
  await connection.ended;
  leaving.abort();
  for (const pair of [...pairs.values()]) pair.complete();
  await connection.close();
}

/** Old clients name no request: their two streams follow each other. Source: `httpStreamHandler.requestID`. */
function keyOf({ id, headers }: SpdyStream): string {
  return headers.requestid ?? String(headers.streamtype === 'data' ? id - 2 : id);
}

interface StreamPair {
  readonly data: SpdyStream;
  readonly error: SpdyStream;
  readonly port: number;
  hasTaken(): boolean;
}

async function forwardPair(
  { data, error, port, hasTaken }: StreamPair,
  target: Target,
  signal: AbortSignal,
): Promise<void> {
  const end = new AbortController();
  const stop = (): void => end.abort();
  signal.addEventListener('abort', stop, { once: true });
  // The client has enough of it.
  void data.over.then(stop);
  try {
    const socket = await target.connect(port, end.signal);
    await carryBoth(socket, {
      input: data.input,
      write: (bytes) => data.write(bytes),
      hasTaken,
      end: () => data.end(),
    });
  } catch (problem) {
    if (!end.signal.aborted) void error.write(Buffer.from(`${target.describe(port)}: ${errorText(problem)}`));
  } finally {
    signal.removeEventListener('abort', stop);
    data.end();
    error.end();
  }
}
