/** A container's commands without a container: a folder of its own, and what they read and write as text. For tests. */
import { Buffer } from 'node:buffer';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import type { ProgramContext } from '../program.ts';
import { findCommand } from './commands/table.ts';
import { ContainerFiles, type FilesMount } from './files.ts';
import { BrokenPipe, bytesSource, Cancelled, type Sink } from './io.ts';
import { runUtility } from './shell.ts';
import type { ContainerView } from './utility.ts';

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunInput {
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal;
  readonly cwd?: string;
}

export interface TestContainer {
  /** The container's own folder on this machine. */
  readonly root: string;
  run(words: readonly string[], input?: RunInput): Promise<Ran>;
  /** What a command writes to its standard output, as bytes. */
  bytes(words: readonly string[], input?: RunInput): Promise<Buffer>;
  remove(): void;
}

export function testContainer(mounts: readonly FilesMount[] = []): TestContainer {
  const root = mkdtempSync(join(tmpdir(), 'coxswain-shell-'));
  const program = { hostname: 'pod', ip: '127.0.0.1', clock: new SystemClock() } as ProgramContext;
  const container: ContainerView = {
    program,
    files: new ContainerFiles({ root, mounts, hostname: 'pod' }),
    workingDir: '/',
    processes: () => [],
    find: (name) => findCommand(name.slice(name.lastIndexOf('/') + 1)),
  };
  const sink = (chunks: Uint8Array[]): Sink => ({
    write: (bytes) => {
      chunks.push(Uint8Array.from(bytes));
      return true;
    },
    end() {},
  });
  const start = async (words: readonly string[], { stdin = '', signal, cwd = '/' }: RunInput) => {
    const [stdout, stderr]: [Uint8Array[], Uint8Array[]] = [[], []];
    const [name = '', ...args] = words;
    const utility = container.find(name);
    if (utility === undefined) throw new Error(`no command ${name}`);
    const invocation = {
      container,
      args,
      env: { HOME: '/root', WHO: 'world' },
      cwd,
      stdin: bytesSource(Buffer.from(stdin)),
      stdout: sink(stdout),
      stderr: sink(stderr),
      signal: signal ?? new AbortController().signal,
      run: async (inner: readonly string[]) => (await start(inner, {})).exitCode,
    };
    await container.files.fill();
    const exitCode = await runUtility(utility, name, invocation).catch((error: unknown) => {
      if (error instanceof Cancelled) return 143;
      if (error instanceof BrokenPipe) return 141;
      throw error;
    });
    return { exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
  };
  return {
    root,
    run: async (words, input = {}) => {
      const { exitCode, stdout, stderr } = await start(words, input);
      return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
    },
    bytes: async (words, input = {}) => (await start(words, input)).stdout,
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
