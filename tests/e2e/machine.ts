/** What a test looks at on the machine itself: files that are left, processes that run, ports that are taken, and who it runs as. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { root } from '#tests/tidy/source-files.ts';
import type { CommandResult } from './running-cluster.ts';

/** Every path below a folder with what it holds, so that two looks can be compared; empty when there is no such folder. */
export function filesOf(folder: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = (path: string): void => {
    const info = lstatSync(path, { throwIfNoEntry: false });
    if (info === undefined) return;
    const mode = (info.mode & 0o777).toString(8);
    if (info.isDirectory()) {
      found[path] = `folder ${mode}`;
      for (const name of readdirSync(path)) visit(join(path, name));
    } else
      found[path] = info.isSymbolicLink() ? `link ${readlinkSync(path)}` : `${mode} ${readFileSync(path, 'base64')}`;
  };
  visit(folder);
  return found;
}

/** Command lines of living processes that name `text`, without this one and its parents. */
export function processesWith(text: string): readonly string[] {
  return pidsWith(text).map(commandLineOf);
}

/** The numbers of the same processes. */
export function pidsWith(text: string): readonly number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandLineOf(pid).includes(text));
}

/** The letter by which the system says what a process does, such as `T` for one that is stopped; `''` for none. */
export function processState(pid: number): string {
  try {
    return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '';
  } catch {
    return '';
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Listens on a port of 127.0.0.1 until closed. */
export function takePort(): Promise<{ readonly port: number; close(): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server: Server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      resolve({ port, close: () => new Promise((done) => server.close(() => done())) });
    });
  });
}

export const isRoot = process.getuid?.() === 0;

/** Nobody, to whom permissions mean something; undefined when the tests do not run as root, so that they do already. */
export const unprivileged = isRoot ? { uid: 65_534, gid: 65_534 } : undefined;

/** Why nobody cannot run Coxswain here; undefined when they can, or when the tests do not run as root. */
export const noOtherUser: string | undefined = (() => {
  if (unprivileged === undefined) return undefined;
  const script = `require('node:fs').accessSync(${JSON.stringify(join(root, 'cmd/coxswain/main.ts'))})`;
  const tried = spawnSync(process.execPath, ['-e', script], { ...unprivileged, cwd: '/' });
  return tried.status === 0 ? undefined : 'the checkout cannot be read by another user';
})();

/** Why there can be no mounts of our own here; undefined when there can. */
export const noMounts: string | undefined = (() => {
  if (!isRoot) return 'needs root for mounts of its own';
  const tried = spawnSync('unshare', ['-m', 'true']);
  return tried.status === 0 ? undefined : 'unshare -m does not work here';
})();

/** The `coxswain` command as arguments of node. */
export const coxswainMain = join(root, 'cmd/coxswain/main.ts');

export interface Started {
  readonly child: ChildProcess;
  /** All that it has written so far. */
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<CommandResult & { readonly signal: NodeJS.Signals | null }>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** Starts a program and leaves it running. */
export function start(command: string, args: readonly string[], options: StartOptions = {}): Started {
  const child = spawn(command, [...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options.user,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<CommandResult & { readonly signal: NodeJS.Signals | null }>((resolve) => {
    child.on('error', (error) => resolve({ code: 127, signal: null, stdout, stderr: stderr + error.message }));
    child.on('close', (code, signal) => resolve({ code: code ?? 128, signal, stdout, stderr }));
  });
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}
