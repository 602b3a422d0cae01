/** Starts a process by the OCI runtime and keeps its streams: the program of a container or a command in one. The process is this one's child afterwards. */
import { closeSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessIo, type Sink } from './process-io.ts';
import type { Reaper } from './reaper.ts';
import type { Runc } from './runc.ts';

/** What starts it, and whom it speaks to. */
export interface LaunchOptions {
  readonly runc: Runc;
  readonly reaper: Reaper;
  /** Its own, for pipes and files; made here. */
  readonly folder: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Whose its pipes are; absent: root's, as which the OCI runtime gives them away itself. */
  readonly owner?: number | undefined;
  /** Arguments of the OCI runtime before and after those that are about streams. */
  readonly args: readonly [before: readonly string[], after: readonly string[]];
  readonly sink: Sink;
}

/** A process that runs. */
export interface Launched {
  readonly pid: number;
  readonly io: ProcessIo;
  /** Resolves with the exit code; its output is in the sink by then. */
  readonly exited: Promise<number>;
}

/** Starts it. Rejects with one sentence when it cannot be; nothing is left then. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { runc, reaper, folder, tty, stdin, owner, sink } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const io = new ProcessIo({ folder, tty, stdin, owner, sink });
  const pidPath = join(folder, 'pid');
  const stdio = io.open();
  const [before, after] = options.args;
  const terminal = tty ? ['--console-socket', io.socketPath] : [];
  const args = [...before, '--pid-file', pidPath, ...terminal, ...after];
  try {
    return await reaper.while(async () => {
      try {
        await runc.run({ args, logPath: join(folder, 'log'), stdio: tty ? undefined : stdio });
      } finally {
        for (const descriptor of stdio) closeSync(descriptor);
      }
      io.receiveTerminal();
      const pid = Number(readFileSync(pidPath, 'latin1'));
      rmSync(pidPath);
      const exited = reaper.wait(pid).then((exitCode) => {
        io.finish();
        return exitCode;
      });
      return { pid, io, exited };
    });
  } catch (error) {
    io.finish();
    throw error;
  }
}
