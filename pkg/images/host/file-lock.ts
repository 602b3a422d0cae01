/**
 * Locks between processes that share a folder: a file that is locked while somebody holds it. The system lets go of it when the process ends, however it
 * does. Within a process the same lock excludes its holders from each other too, as each opens the file anew.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { SystemCalls } from './system-calls.ts';

/** How often a lock that somebody else has is asked for: what is done under it takes some milliseconds. */
const periodMs = 10;

/** A lock that is held; disposing of it lets the next one in. */
export interface HeldLock extends AsyncDisposable {
  /** The file that is locked, open for reading and for writing at its end. */
  readonly file: FileHandle;
}

/** Takes the lock of a file, which is made when it is not there; undefined when somebody else has it. */
export async function tryLockFile(path: string, calls: SystemCalls): Promise<HeldLock | undefined> {
  const file = await open(path, 'a+', 0o600);
  try {
    if (calls.tryLock(file.fd) && (await isStillAt(path, file)))
      return { file, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

/** Takes the lock of a file, waiting for whoever has it. Throws the signal's reason when it is aborted. */
export async function lockFile(
  path: string,
  { calls, clock, signal }: { readonly calls: SystemCalls; readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<HeldLock> {
  for (;;) {
    signal?.throwIfAborted();
    const lock = await tryLockFile(path, calls);
    if (lock !== undefined) return lock;
    await sleep(clock, periodMs, signal);
  }
}

/** Who had the lock may have moved or removed the file between the opening and the locking. */
async function isStillAt(path: string, file: FileHandle): Promise<boolean> {
  const [there, own] = await Promise.all([stat(path).catch(() => undefined), file.stat()]);
  return there?.ino === own.ino && there.dev === own.dev;
}
