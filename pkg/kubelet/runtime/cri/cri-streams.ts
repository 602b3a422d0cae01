/** Commands in containers, their own streams, and ports of pods, by the runtime's streaming server. See the laws of `streams.ts`. */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import type { SpdyStream } from '#pkg/serving/spdy/stream.ts';
import { connectTo } from '../port-forward.ts';
import { RuntimeError } from '../runtime.ts';
import type {
  AttachOptions,
  ExecStreamOptions,
  PortForwardOptions,
  ProcessStreams,
  StreamingService,
} from '../streams.ts';
import { stringOf } from './answers.ts';
import type { CriClient } from './cri-client.ts';
import type { CriContainers } from './cri-containers.ts';
import type { CriSandboxes } from './cri-sandboxes.ts';
import type { ExitWatch } from './exit-watch.ts';
import { forwardedPort } from './forwarded-port.ts';
import { attachRequest, execRequest, portForwardRequest, type WantedStreams } from './requests.ts';
import { openSpdySession } from './spdy-client.ts';

const commandProtocol = 'v4.channel.k8s.io';
const portProtocol = 'portforward.k8s.io';
/** What a program that was killed exits with. */
const killedExitCode = 137;

/** What they are made with. */
export interface CriStreamsOptions {
  readonly client: CriClient;
  readonly clock: Clock;
  readonly containers: CriContainers;
  readonly sandboxes: CriSandboxes;
  readonly exits: ExitWatch;
}

/** The service. */
export class CriStreams implements StreamingService {
  readonly #options: CriStreamsOptions;

  constructor(options: CriStreamsOptions) {
    this.#options = options;
  }

  async exec(id: string, options: ExecStreamOptions): Promise<ProcessStreams> {
    const { command, stdin = false, tty = false, signal } = options;
    await this.#options.containers.running(id);
    const wanted = { stdin, tty };
    const { client } = this.#options;
    const url = await client.runtime('Exec', { message: execRequest(id, command, wanted), read: stringOf });
    const streams = await this.#open(url, wanted, signal);
    const exitCode = exitCodeOf(streams, signal, `command "${command.join(' ')}" was cancelled`);
    return processStreams(streams, this.#ofContainer(id, exitCode));
  }

  async attach(id: string, { stdin = false, signal }: AttachOptions): Promise<ProcessStreams> {
    const { kept } = await this.#options.containers.running(id);
    const { client, exits } = this.#options;
    const tty = kept.tty === true;
    const wanted = { stdin: stdin && (kept.stdin === true || tty), tty };
    const url = await client.runtime('Attach', { message: attachRequest(id, wanted), read: stringOf });
    const streams = await this.#open(url, wanted, signal);
    const ended = exits.end(id).then((container) => {
      if (container?.exitCode === undefined) throw new RuntimeError('failed', 'the container was removed');
      return container.exitCode;
    });
    return processStreams(streams, untilAborted(ended, signal, { streams, what: 'attaching was cancelled' }));
  }

  async portForward(sandboxId: string, options: PortForwardOptions): Promise<UpgradedConnection> {
    const { client, clock, sandboxes } = this.#options;
    const sandbox = await sandboxes.ready(sandboxId);
    if (!sandboxes.hasOwnNetwork(sandbox.config)) return connectTo(options);
    const { port, signal } = options;
    const pid = await sandboxes.pid(sandboxId);
    const url = await client.runtime('PortForward', { message: portForwardRequest(sandboxId, port), read: stringOf });
    const session = await openSpdySession({ url, protocol: portProtocol, clock, signal });
    return forwardedPort(session, { port, pid, signal });
  }

  /** A program that ends as its container does is no result of the program's own. */
  async #ofContainer(id: string, running: Promise<number>): Promise<number> {
    const exitCode = await running;
    if (exitCode === killedExitCode) await this.#options.containers.running(id);
    return exitCode;
  }

  async #open(url: string, { stdin, tty }: WantedStreams, signal: AbortSignal | undefined): Promise<OpenStreams> {
    const { clock } = this.#options;
    const session = await openSpdySession({ url, protocol: commandProtocol, clock, signal });
    const open = (streamtype: string): SpdyStream => session.open({ streamtype });
    // In upstream's order; the server begins once all are there.
    const streams: OpenStreams = {
      session,
      error: open('error'),
      ...(stdin ? { stdin: open('stdin') } : {}),
      stdout: open('stdout'),
      ...(tty ? { resize: open('resize') } : { stderr: open('stderr') }),
    };
    const all = [streams.error, streams.stdout, streams.stdin, streams.stderr, streams.resize];
    const accepted = await Promise.all(all.map((stream) => stream?.accepted ?? true));
    if (accepted.every((isAccepted) => isAccepted)) return streams;
    void session.close();
    throw new RuntimeError('failed', 'the container runtime refuses the streams');
  }
}

interface OpenStreams {
  readonly session: SpdyConnection;
  readonly error: SpdyStream;
  readonly stdin?: SpdyStream;
  readonly stdout: SpdyStream;
  readonly stderr?: SpdyStream;
  readonly resize?: SpdyStream;
}

function processStreams(
  { session, stdin, stdout, stderr, resize }: OpenStreams,
  exitCode: Promise<number>,
): ProcessStreams {
  // Whoever reads the output alone is told by that. What was not read yet stays readable.
  const leave = (): void => void session.close();
  const outputs = [stdout, ...(stderr === undefined ? [] : [stderr])];
  const whole = async (): Promise<void> => {
    for (const output of outputs) output.end();
    await Promise.all(outputs.map((output) => output.over));
    leave();
  };
  exitCode.then(whole, leave);
  return {
    ...(stdin === undefined ? {} : { stdin: { write: async (bytes) => stdin.write(bytes), end: () => stdin.end() } }),
    stdout: stdout.input,
    stderr: stderr?.input ?? none(),
    exitCode,
    resize: ({ columns, rows }) => {
      void resize?.write(Buffer.from(JSON.stringify({ Width: columns, Height: rows })));
    },
  };
}

async function* none(): AsyncGenerator<Uint8Array> {}

/** How a command has ended, as the stream of errors says once it has. */
function exitCodeOf(streams: OpenStreams, signal: AbortSignal | undefined, what: string): Promise<number> {
  const said = (async () => {
    let text = '';
    for await (const bytes of streams.error.input) text += Buffer.from(bytes).toString('utf8');
    return statusExitCode(text);
  })();
  return untilAborted(said, signal, { streams, what });
}

/** Source: `remotecommand` protocol v4: a `Status` whose causes have the exit code. */
function statusExitCode(text: string): number {
  const status = parsed(text);
  if (status?.['status'] === 'Success') return 0;
  const { details, message } = status ?? {};
  const causes = isObject(details) && Array.isArray(details['causes']) ? details['causes'] : [];
  for (const cause of causes) if (isObject(cause) && cause['reason'] === 'ExitCode') return Number(cause['message']);
  throw new RuntimeError('failed', typeof message === 'string' ? message : 'the container runtime cut the command off');
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `work`, given up when `signal` is aborted. */
async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  { streams, what }: { readonly streams: OpenStreams; readonly what: string },
): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const cancel = (): void => {
    aborted.reject(new RuntimeError('failed', what));
    void streams.session.close();
  };
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
  // Whoever reads the output alone is told by that.
  work.catch(() => {});
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}
