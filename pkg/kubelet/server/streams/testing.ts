/** A kubelet's own API over one made-up pod, whose commands do what their first word says. For tests of streams. */
import { createServer, type Socket } from 'node:net';
import type { ApiHandler, UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { type Clock, SystemClock } from '#pkg/base/clock.ts';
import type { PodWorker } from '../../pods/pod-worker.ts';
import { ProbeCounts } from '../../probes/probe-counts.ts';
import { RuntimeError } from '../../runtime/runtime.ts';
import type { ExecStreamOptions, ProcessStreams, TerminalSize } from '../../runtime/streams.ts';
import { createKubeletHandler } from '../kubelet-handler.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Something that was asked of the runtime. */
export interface StreamCalls {
  readonly commands: ExecStreamOptions[];
  readonly sizes: TerminalSize[];
}

/** `cat` gives back its input; `exit N` ends so; `say TEXT…` writes to both outputs; `hang` ends when it is told to; `broken` cannot begin. */
function start(options: ExecStreamOptions, calls: StreamCalls): ProcessStreams {
  const [word, ...rest] = options.command;
  calls.commands.push(options);
  if (word === 'broken') throw new RuntimeError('failed', 'no such command');
  const [stdin, stdout, stderr] = [new BytePipe(), new BytePipe(), new BytePipe()];
  const run = async (): Promise<number> => {
    if (word === 'cat') for await (const chunk of stdin) await stdout.write(chunk);
    if (word === 'say') {
      await stdout.write(encode(`${rest.join(' ')}\n`));
      await stderr.write(encode('complaint\n'));
    }
    if (word === 'hang') {
      await new Promise((_, reject) => {
        options.signal?.addEventListener('abort', () => reject(new RuntimeError('failed', 'was cancelled')));
      });
    }
    return word === 'exit' ? Number(rest[0]) : 0;
  };
  const exitCode = run().finally(() => {
    stdout.end();
    stderr.end();
  });
  exitCode.catch(() => {});
  return {
    ...(options.stdin === true
      ? {
          stdin: {
            write: async (bytes: Uint8Array) => void (await stdin.write(bytes)),
            end: () => stdin.end(),
          },
        }
      : {}),
    stdout,
    stderr,
    exitCode,
    resize: (size) => void calls.sizes.push(size),
  };
}

/** The pod `default/pod`, with a running container `main`, one with input and a terminal `shell`, and one that has ended, `over`. */
export function streamKubelet(clock: Clock = new SystemClock()): StreamCalls & { readonly handle: ApiHandler } {
  const calls: StreamCalls = { commands: [], sizes: [] };
  const containers = [{ name: 'main' }, { name: 'shell', stdin: true, tty: true }, { name: 'over' }];
  const worker = {
    pod: { metadata: { namespace: 'default', name: 'pod', uid: 'uid-1' }, spec: { containers } },
    finished: false,
    sandbox: { id: 'sandbox', addresses: ['127.0.0.1'], attempt: 0 },
    container: (name: string) => ({ id: name, state: name === 'over' ? 'exited' : 'running' }),
    runtime: {
      capabilities: { name: 'test' },
      inspection: {
        exec: async (_: string, { command }: ExecStreamOptions) => ({
          exitCode: command[0] === 'exit' ? Number(command[1]) : 0,
          stdout: `${command.join(' ')}\n`,
          stderr: '',
        }),
      },
      streaming: {
        exec: async (_: string, options: ExecStreamOptions) => start(options, calls),
        attach: async (_: string, options: Omit<ExecStreamOptions, 'command'>) =>
          start({ ...options, command: ['cat'] }, calls),
        portForward: async (_: string, { port }: { readonly port: number }) => connectEcho(port),
      },
    },
  } as unknown as PodWorker;
  const nodeName = 'node';
  const settings = {
    nodeName,
    runtimes: {},
    defaultRuntime: 'test',
    addresses: [],
    kubeletPort: 10250,
    capacity: {},
    version: 'v1.36.0',
  };
  const probeCounts = new ProbeCounts();
  const handle = createKubeletHandler({
    clock,
    nodeName,
    settings,
    probeCounts,
    workers: () => [worker],
    volumesOf: async () => [],
  });
  return { ...calls, handle };
}

/** An echo of what is sent, until its end, for every port but 1. */
async function connectEcho(port: number): Promise<UpgradedConnection> {
  if (port === 1) throw new RuntimeError('failed', 'connection refused');
  const { connect } = await import('node:net');
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { readonly port: number };
  const socket = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.once('close', () => server.close());
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}
