/**
 * `/exec` and `/attach`: commands in containers, and their programs, with input and output at the client; `/run`: a command with its output as an
 * answer. Source: kubelet `server.go` `getExec`, `getAttach`, `getRun`, `kubelet_pods.go` `GetExec`.
 */
import { Buffer } from 'node:buffer';
import type { ApiRequest, ApiResponse, UpgradedConnection } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { allContainers } from '../../model/pod-view.ts';
import type { PodWorker } from '../../pods/pod-worker.ts';
import type { ProcessStreams } from '../../runtime/streams.ts';
import { decodedParts, text, workerOf } from '../pod-path.ts';
import { type ChannelProtocol, ChannelSession, channelProtocols, chooseProtocol } from './channel-session.ts';
import { internalEnd } from './command-end.ts';
import { channelAnswer, spdyAnswer } from './handshake.ts';
import { runRemoteCommand, type WantedStreams } from './remote-command.ts';

/** Source: kubelet `remotecommand.SupportedStreamingProtocols`. */
const spdyVersions = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'];

/** Whose containers there are. */
export interface StreamDeps {
  readonly clock: Clock;
  workers(): readonly PodWorker[];
}

type Start = (wanted: WantedStreams, signal: AbortSignal) => Promise<ProcessStreams>;

/** What a request asks to run. */
interface Target {
  readonly doing: string;
  readonly command?: readonly string[];
  readonly wanted: WantedStreams;
  readonly start: Start;
}

/** Answers `/exec/<namespace>/<pod>[/<uid>]/<container>` and `/attach/…`. */
export async function serveCommand(request: ApiRequest, deps: StreamDeps): Promise<ApiResponse> {
  const query = new URLSearchParams(request.query);
  const wanted = wantedOf(query);
  if (wanted === undefined)
    return refuse(request, deps, text(400, 'you must specify at least 1 of stdin, stdout, stderr'));
  const target = targetOf(request, wanted, query, deps);
  if ('status' in target) return refuse(request, deps, target);
  if (request.upgrade === 'websocket') {
    return channelAnswer(request, channelProtocols, (connection, protocol) =>
      overChannels(connection, protocol, target, deps),
    );
  }
  if (request.upgrade === 'spdy/3.1') {
    return spdyAnswer(request, spdyVersions, async (connection, version) => {
      const { SpdySession } = await import('./spdy-session.ts');
      const session = await SpdySession.open(connection, { clock: deps.clock, version, wanted: target.wanted });
      if (session !== undefined) await runTarget(session, target, deps);
    });
  }
  return text(500, 'Upgrade request required\n');
}

/** Source: kubelet `remotecommand.NewOptions`; a terminal has no errors of its own. */
function wantedOf(query: URLSearchParams): WantedStreams | undefined {
  const isWanted = (name: string): boolean => query.get(name) === '1';
  const tty = isWanted('tty');
  const wanted = { stdin: isWanted('input'), stdout: isWanted('output'), stderr: isWanted('error') && !tty, tty };
  return wanted.stdin || wanted.stdout || wanted.stderr ? wanted : undefined;
}

/** What the path names, or the refusal. */
function targetOf(
  { path }: ApiRequest,
  wanted: WantedStreams,
  query: URLSearchParams,
  { workers }: StreamDeps,
): ApiResponse | Target {
  const found = containerAt(path, workers());
  if ('status' in found) return found;
  const { kind, worker, containerName, fullName } = found;
  const container = worker.container(containerName, { previous: false });
  const isRunning = container?.state === 'running';
  const { streaming } = worker.runtime;
  if (kind === 'exec') {
    if (!isRunning) return text(500, `container not found ("${containerName}")`);
    const command = query.getAll('command');
    return {
      doing: 'executing command in',
      command,
      wanted,
      start: ({ stdin, tty }, signal) => streaming.exec(container.id, { command, stdin, tty, signal }),
    };
  }
  const spec = allContainers(worker.pod).find(({ name }) => name === containerName);
  if (!isRunning || spec === undefined) return text(500, `container ${containerName} not found in pod ${fullName}`);
  const tty = spec.tty === true;
  return {
    doing: 'attaching to',
    wanted: { ...wanted, tty, stderr: wanted.stderr && !tty },
    // Whether a program has a terminal was settled when it began, and an input that it has not can be asked for all the same.
    start: ({ stdin }, signal) => streaming.attach(container.id, { stdin: stdin && spec.stdin === true, tty, signal }),
  };
}

interface FoundContainer {
  readonly kind: string;
  readonly worker: PodWorker;
  readonly containerName: string;
  /** As kubelets name pods. */
  readonly fullName: string;
}

function containerAt(path: string, workers: readonly PodWorker[]): ApiResponse | FoundContainer {
  const [, kind = '', namespace, name, ...rest] = decodedParts(path);
  const uid = rest.length > 1 ? rest[0] : undefined;
  const containerName = rest.at(-1);
  if (!namespace || !name || !containerName || rest.length > 2) return text(404, '404 page not found');
  const worker = workerOf(workers, { namespace, name });
  if (worker === undefined) return text(404, 'pod does not exist');
  const fullName = `${name}_${namespace}`;
  if (uid !== undefined && worker.pod.metadata?.uid !== uid) return text(500, `pod ${fullName} not found`);
  return { kind, worker, containerName, fullName };
}

function overChannels(
  connection: UpgradedConnection,
  protocol: ChannelProtocol,
  target: Target,
  deps: StreamDeps,
): Promise<void> {
  return runTarget(
    new ChannelSession(connection, { clock: deps.clock, protocol, wanted: target.wanted }),
    target,
    deps,
  );
}

function runTarget(
  session: Parameters<typeof runRemoteCommand>[0],
  { doing, command, wanted, start }: Target,
  { clock }: StreamDeps,
): Promise<void> {
  return runRemoteCommand(session, {
    clock,
    doing,
    ...(command === undefined ? {} : { command }),
    start: (signal) => start(wanted, signal),
  });
}

/**
 * A refusal. Who speaks version 5 over a WebSocket is told in the words and the place that upstream's API server uses, which has taken the
 * connection by the time that it asks the kubelet. Source: apiserver `util/proxy/streamtranslator.go`, streaming `httpstream/spdy/roundtripper.go`.
 */
function refuse(request: ApiRequest, { clock }: StreamDeps, refusal: ApiResponse): ApiResponse {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const protocol = request.upgrade === 'websocket' ? channelProtocols[chooseProtocol(offered) ?? ''] : undefined;
  if (protocol?.hasClose !== true || refusal.body.kind !== 'bytes') return refusal;
  const why = Buffer.from(refusal.body.bytes).toString();
  return channelAnswer(request, channelProtocols, async (connection, chosen) => {
    const wanted = { stdin: false, stdout: false, stderr: false, tty: false };
    const session = new ChannelSession(connection, { clock, protocol: chosen, wanted });
    await session.finish(internalEnd(`unable to upgrade connection: ${why}`));
  });
}

/** Answers `/run/<namespace>/<pod>[/<uid>]/<container>?cmd=…`: what the command has written. */
export async function runCommand(request: ApiRequest, { workers }: StreamDeps): Promise<ApiResponse> {
  const found = containerAt(request.path, workers());
  if ('status' in found) return found;
  const container = found.worker.container(found.containerName, { previous: false });
  if (container?.state !== 'running') return text(500, `container not found ("${found.containerName}")`);
  const command = (new URLSearchParams(request.query).get('cmd') ?? '').split(' ');
  try {
    const { inspection } = found.worker.runtime;
    const { exitCode, stdout, stderr } = await inspection.exec(container.id, { command, signal: request.signal });
    if (exitCode === 0) return { ...text(200, stdout + stderr), headers: { 'content-type': 'application/json' } };
    return text(500, `command '${command.join(' ')}' exited with ${exitCode}: ${stderr}`);
  } catch (error) {
    return text(500, errorText(error));
  }
}
