/** The OCI runtime as a command: runs it to its end, and says in one sentence why it failed. Upstream counterpart: containerd's `go-runc`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import type { Reaper } from './reaper.ts';

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
  readonly input?: string;
}

/** The command. */
export class Runc {
  readonly #options: RuncOptions;

  constructor(options: RuncOptions) {
    this.#options = options;
  }

  /** Resolves when it has ended well; rejects with what it says otherwise. */
  async run({ args, logPath, stdio, input }: RuncCall): Promise<void> {
    const { path, stateFolder, reaper } = this.#options;
    const [stdin = 'ignore', stdout = 'ignore', stderr = 'ignore'] = stdio ?? [];
    const child = spawn(path, ['--root', stateFolder, '--log', logPath, '--log-format', 'json', ...args], {
      cwd: '/',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: [input === undefined ? stdin : 'pipe', stdout, stderr],
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const code = await ended(child, reaper);
    try {
      if (code !== 0) throw new Error(lastError(logPath) ?? `${path} ended with exit code ${code}`);
    } finally {
      rmSync(logPath, { force: true });
    }
  }
}

function ended(child: ChildProcess, reaper: Reaper): Promise<number | null> {
  const { pid } = child;
  if (pid !== undefined) reaper.own(pid, true);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      if (pid !== undefined) reaper.own(pid, false);
      resolve(code);
    });
  });
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
