/**
 * Makes sure that one process at a time has a folder open. A file in the folder names the process that holds it and when that process
 * started, so that the file of a process that was killed, even if its id was given to another since, is known to be stale.
 */
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
// Who holds the folder is a fact of the system like the folder itself, not a setting that could be passed in.
import { kill, pid as ownPid, platform } from 'node:process';
import { StoreUnavailableError } from '../../store.ts';

/** A held lock. */
export interface FolderLock {
  /** Lets other processes have the folder. */
  release(): void;
}

interface Holder {
  readonly pid: number;
  /** When the process started, in whatever the system counts; `''` where it does not tell. */
  readonly started: string;
}

/** How often taking the lock is tried when others let go of it or take it meanwhile. */
const attemptsMax = 10;

/** Folders that this process holds. */
const heldHere = new Set<string>();

/** Takes the lock of a folder, or throws a `StoreUnavailableError` that names the process that holds it. */
export function lockFolder(directory: string): FolderLock {
  const file = join(directory, 'lock');
  const self: Holder = { pid: ownPid, started: startOf(ownPid) ?? '' };
  const own = `${file}.${self.pid}`;
  writeFileSync(own, JSON.stringify(self), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (tryLink(own, file)) {
        heldHere.add(file);
        return { release: () => release(file) };
      }
      const holder = readHolder(file);
      if (holder === undefined) continue;
      if (isAlive(holder, file)) throw heldError(directory, holder.pid);
      // Moved aside rather than removed: of two processes that find it stale only one succeeds.
      removeStale(file, `${own}.stale`);
    }
  } finally {
    rmSync(own, { force: true });
  }
  throw new StoreUnavailableError(`Cannot open ${directory} as its lock changes hands all the time: try again`);
}

/** The same; undefined where another process holds it. */
export function tryLockFolder(directory: string): FolderLock | undefined {
  try {
    return lockFolder(directory);
  } catch (error) {
    if (error instanceof FolderHeldError) return undefined;
    throw error;
  }
}

class FolderHeldError extends StoreUnavailableError {}

function heldError(directory: string, pid: number): FolderHeldError {
  return new FolderHeldError(
    `Cannot open ${directory} as process ${pid} holds it: stop it or choose another data folder`,
  );
}

/** Creates the lock with its content in one step, so that nobody reads it half-written. */
function tryLink(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function readHolder(file: string): Holder | undefined {
  try {
    const holder: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof holder === 'object' && holder !== null && 'pid' in holder && typeof holder.pid === 'number') {
      return {
        pid: holder.pid,
        started: 'started' in holder && typeof holder.started === 'string' ? holder.started : '',
      };
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { pid: 0, started: '' };
}

function isAlive(holder: Holder, file: string): boolean {
  if (holder.pid === ownPid && holder.started === (startOf(ownPid) ?? '')) return heldHere.has(file);
  if (holder.pid <= 0) return false;
  const started = startOf(holder.pid);
  return started !== undefined && started === holder.started;
}

/** When a process started; undefined when there is no such process, or only what is left of one that has ended. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields after the name, which is in brackets and may hold anything; the start is field 22 of all.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : fields[18];
  } catch {
    if (platform === 'linux') return undefined;
    return signalReaches(pid) ? '' : undefined;
  }
}

function signalReaches(pid: number): boolean {
  try {
    kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function removeStale(file: string, aside: string): void {
  try {
    renameSync(file, aside);
    unlinkSync(aside);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function release(file: string): void {
  if (!heldHere.delete(file)) return;
  rmSync(file, { force: true });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
