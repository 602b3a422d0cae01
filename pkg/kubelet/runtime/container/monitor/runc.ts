/** The OCI runtime as a command: runs it to its end, and says in one sentence why it failed. Upstream counterpart: containerd's `go-runc`. */
import { readFileSync, rmSync } from 'node:fs';
import type { Reaper } from './reaper.ts';
import { startProcess } from './start-process.ts';

const environment = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];

/** Where it is, and the folder of what it knows. */
export interface RuncOptions {
  readonly path: string;
  readonly stateFolder: string;
  readonly reaper: Reaper;
}

/** One call of it. */
export interface RuncCall {
  readonly args: readonly string[];
  /** File for what goes wrong; removed afterwards. */
  readonly logPath: string;
  /** Descriptors of the process that it starts; default nothing. */
  readonly stdio?: readonly number[] | undefined;
}

/** The command. */
export class Runc {
  readonly #options: RuncOptions;

  constructor(options: RuncOptions) {
    this.#options = options;
  }

  /** Resolves when it has ended well; rejects with what it says otherwise. */
  async run({ args, logPath, stdio = [] }: RuncCall): Promise<void> {
    const { path, stateFolder, reaper } = this.#options;
    const own = ['--root', stateFolder, '--log', logPath, '--log-format', 'json'];
    const code = await reaper.wait(startProcess({ path, args: [...own, ...args], environment, stdio }));
    try {
      if (code !== 0) throw new Error(lastError(logPath) ?? `${path} ended with exit code ${code}`);
    } finally {
      rmSync(logPath, { force: true });
    }
  }
}

/** The last error of the log. */
function lastError(logPath: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(logPath, 'utf8');
  } catch {
    return undefined;
  }
  const errors = text.split('\n').flatMap((line) => {
    try {
      const entry: { readonly level?: string; readonly msg?: string } = JSON.parse(line);
      return entry.level === 'error' && entry.msg !== undefined ? [entry.msg] : [];
    } catch {
      return [];
    }
  });
  return errors.at(-1);
}
