/**
 * A command, or the program of a container, with its input and output at a client somewhere: what all protocols that carry it have in common.
 * Invariants: the client is told how it ended after all of its output; a client that goes away leaves no command behind.
 * Upstream counterpart: `k8s.io/kubelet` `cri/streaming/remotecommand`.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { ProcessStreams, TerminalSize } from '../../runtime/streams.ts';
import { type CommandEnd, endOf } from './command-end.ts';

/** How long a command whose client has gone may go on with what it was given: some protocols have no other way to say that the input ends. */
const orphanMsMax = 10_000;

/** The two outputs of a program. */
export type OutputName = 'stderr' | 'stdout';

/** Which streams a client wants. Source: kubelet `remotecommand.Options`. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The client's side of a command, whatever protocol it speaks. */
export interface RemoteSession {
  /** What the client sends, until it says that no more comes or goes away. Absent when it was not asked for. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly resizes?: AsyncIterable<TerminalSize>;
  /** Resolves when the client has gone. */
  readonly gone: Promise<void>;
  /** Resolves when there is room for more. What nobody asked for, or nobody is there for, is thrown away. */
  write(stream: OutputName, bytes: Uint8Array): Promise<void> | undefined;
  /** Says how it ended, and ends the connection. Resolves when it is over. */
  finish(end: CommandEnd): Promise<void>;
}

/** What is run, and how it is spoken of. */
export interface RemoteCommandOptions {
  readonly clock: Clock;
  /** What is done, for errors: `executing command in` or `attaching to`. */
  readonly doing: string;
  /** The command, for its exit code; absent for the program of a container, whose exit code is not the client's. */
  readonly command?: readonly string[];
  /** Starts it. `signal` is aborted when nobody is interested any more. */
  start(signal: AbortSignal): Promise<ProcessStreams>;
}

/** Runs it to its end; resolves when the connection is over. Never rejects. */
export async function runRemoteCommand(session: RemoteSession, options: RemoteCommandOptions): Promise<void> {
  const leaving = new AbortController();
  let orphaned: Timer | undefined;
  const hasInput = session.stdin !== undefined && options.command !== undefined;
  void session.gone.then(() => {
    if (!hasInput) leaving.abort();
    else orphaned = options.clock.setTimeout(() => leaving.abort(), orphanMsMax);
  });
  let end: CommandEnd;
  try {
    end = endOf(await carry(session, await options.start(leaving.signal)), options);
  } catch (error) {
    end = endOf(error, options);
  }
  orphaned?.cancel();
  await session.finish(end).catch(() => {});
}

/** Carries bytes until the process has ended and all of its output is told; resolves with its exit code. */
async function carry(session: RemoteSession, running: ProcessStreams): Promise<number> {
  const output = async (name: OutputName): Promise<void> => {
    for await (const bytes of running[name]) {
      const room = session.write(name, bytes);
      if (room !== undefined) await room;
    }
  };
  const outputs = Promise.all([output('stdout'), output('stderr')]);
  // Told by the exit code.
  outputs.catch(() => {});
  void feed(session, running).catch(() => {});
  void resize(session, running).catch(() => {});
  const exitCode = await running.exitCode;
  await outputs;
  return exitCode;
}

async function feed({ stdin }: RemoteSession, running: ProcessStreams): Promise<void> {
  if (stdin === undefined || running.stdin === undefined) return;
  try {
    for await (const bytes of stdin) await running.stdin.write(bytes);
  } finally {
    running.stdin.end();
  }
}

async function resize({ resizes }: RemoteSession, running: ProcessStreams): Promise<void> {
  if (resizes === undefined) return;
  for await (const size of resizes) running.resize(size);
}
