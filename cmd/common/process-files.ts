/**
 * What a running process leaves in the data folder so that others find it: one JSON file per process, which is also the lock that keeps a
 * second process of that name out. A file whose process has died counts for nothing.
 *
 * Invariant: at most one living process holds a name in a folder. The file is made whole under another name and then linked, so a reader never
 * sees half of it.
 */

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';

/** One running process. */
export interface ProcessRecord {
  readonly name: string;
  readonly pid: number;
  /** Tells this process from a later one with the same pid. */
  readonly identity: string;
  readonly startedAt: string;
  /** Where it answers `/healthz`, once it does. */
  readonly healthz?: string;
  /** How to start it again by hand. */
  readonly command?: readonly string[];
  /** Of the one that starts others again: what it knows of each of them. */
  readonly looksAfter?: Readonly<
    Record<string, { readonly restarts: number; readonly lastEnd?: string; readonly problem?: string }>
  >;
}

/** A name is held by another process that is alive. */
export class HeldError extends Error {
  readonly holder: ProcessRecord;

  constructor(holder: ProcessRecord, path: string) {
    super(`Cannot take ${path} as process ${holder.pid} (${holder.name}) holds it`);
    this.name = 'HeldError';
    this.holder = holder;
  }
}

/** Attempts to take over the file of a dead process before giving up: each failure means that another one was faster. */
const attemptsMax = 5;

/** The file of this process, which is its alone until it is released or the process ends. */
export interface HeldFile {
  /** Replaces what the file says about this process. */
  update(change: Partial<ProcessRecord>): Promise<void>;
  /** Removes the file. */
  release(): Promise<void>;
}

/** Takes the name for this process, or throws `HeldError`. */
export async function holdProcessFile(path: string, record: ProcessRecord): Promise<HeldFile> {
  await makeFolder(dirname(path));
  let current = record;
  /** One after the other, so that the file has the newest. */
  let writing: Promise<void> = Promise.resolve();
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      await writeFile(temporary, render(record), { mode: 0o600, flag: 'wx' });
      await link(temporary, path);
      return {
        update: (change) => {
          current = { ...current, ...change };
          const text = render(current);
          const written = writing.then(async () => {
            await writeFile(temporary, text, { mode: 0o600 });
            await rename(temporary, path);
          });
          writing = written.catch(() => {});
          return written;
        },
        release: async () => {
          await writing;
          await rm(path, { force: true });
        },
      };
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    } finally {
      await rm(temporary, { force: true });
    }
    const holder = await readProcessFile(path);
    if (holder !== undefined && stateOf(holder) !== 'gone') throw new HeldError(holder, path);
    await setAside(path, holder);
  }
  throw new Error(`Cannot take ${path} as others keep taking it`);
}

/** Removes the file of a dead process, unless someone replaced it meanwhile. */
async function setAside(path: string, dead: ProcessRecord | undefined): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
    const moved = await readProcessFile(aside);
    if (moved !== undefined && moved.identity !== dead?.identity) await link(aside, path);
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** The record in a file; undefined when there is none or it cannot be understood. */
export async function readProcessFile(path: string): Promise<ProcessRecord | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<ProcessRecord> | null;
    return value !== null && typeof value.pid === 'number' && typeof value.name === 'string'
      ? (value as ProcessRecord)
      : undefined;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The living processes that have a file in `folder`, by name. */
export async function runningProcesses(folder: string): Promise<readonly ProcessRecord[]> {
  return (await recordedProcesses(folder)).filter(isAlive);
}

/** All processes that have a file in `folder`, alive or not, by name. */
export async function recordedProcesses(folder: string): Promise<readonly ProcessRecord[]> {
  let files: string[];
  try {
    files = await readdir(folder);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
  const records = await Promise.all(
    files.filter((file) => file.endsWith('.json')).map((file) => readProcessFile(join(folder, file))),
  );
  return records.filter((record) => record !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether the very process of a record still runs. */
export function isAlive(record: ProcessRecord): boolean {
  return stateOf(record) === 'alive';
}

/**
 * What became of the very process of a record. `dying`: it was killed, but the system has not yet taken from it what it holds, such as its ports
 * and its locks; `gone`: all of that is free.
 */
export function stateOf(record: ProcessRecord): 'alive' | 'dying' | 'gone' {
  try {
    process.kill(record.pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return 'gone';
  }
  if (record.identity !== '' && processIdentity(record.pid) !== record.identity) return 'gone';
  return isKilled(record.pid) ? threadsOf(record.pid) : 'alive';
}

/** What tells a process from every other that ever had its pid; `''` where the system does not say. */
export function processIdentity(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${fields[19]}`;
  } catch {
    return '';
  }
}

/** The bit of SIGKILL in a mask of signals. */
const killBit = 1n << 8n;

/** Whether a process has ended but for its traces, or is about to as it was killed. False where the system does not say. */
function isKilled(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    if (/^State:\s+[ZX]/m.test(status)) return true;
    const pending = [...status.matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)$/gm)].map((match) =>
      BigInt(`0x${match[1]}`),
    );
    return pending.some((mask) => (mask & killBit) !== 0n);
  } catch {
    return false;
  }
}

/** Whether a process is stopped by a signal, until another lets it go on. False where the system does not say. */
export function isStopped(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

/** A process that was killed is gone once its first thread, which waits for the others, is all that is left. */
function threadsOf(pid: number): 'dying' | 'gone' {
  try {
    const isZombie = /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return isZombie && readdirSync(`/proc/${pid}/task`).length <= 1 ? 'gone' : 'dying';
  } catch {
    return 'gone';
  }
}

function render(record: ProcessRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}
