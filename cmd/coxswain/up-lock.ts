/**
 * One start of a cluster at a time: whoever starts it holds a lock until it is ready, and who comes second waits for that, to find the cluster
 * running. The lock is a socket in Linux' abstract name space, named by the data folder: it leaves no file, and ends with the process that
 * holds it. It keeps out nobody who means harm: anybody on the machine can take a name.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** The lock of one start; disposing of it lets the next one in. */
export interface UpLock extends Disposable {
  /** Whether another start was under way and has ended since. */
  readonly waited: boolean;
}

/** How long to wait for another start, and who hears of it. */
export interface UpLockOptions {
  /** Called when another start is under way, before waiting for it. */
  readonly onWait: () => void;
  /** Ends the waiting: its reason is thrown. */
  readonly signal: AbortSignal;
}

/** Takes the lock of a data folder, which need not exist yet, waiting for whoever has it. */
export async function lockForUp(folder: string, { onWait, signal }: UpLockOptions): Promise<UpLock> {
  const digest = createHash('sha256')
    .update(await resolved(folder))
    .digest('hex');
  const path = `\0coxswain-up-${digest.slice(0, 32)}`;
  let waited = false;
  for (;;) {
    signal.throwIfAborted();
    const lock = await tryLock(path);
    if (lock !== undefined) return { waited, [Symbol.dispose]: lock };
    if (!waited) onWait();
    waited = true;
    signal.throwIfAborted();
    await holderGone(path, signal);
  }
}

/** Keeps others from starting the cluster meanwhile. Throws `UserError`, which says that `purpose` cannot be, where somebody does so now. */
export async function lockOrRefuse(folder: { readonly path: string }, purpose: string): Promise<Disposable> {
  const late = new AbortController();
  const busy = new UserError(
    `Cannot ${purpose} ${folder.path} as a cluster is being started, or its store exchanged, there: try again once that is done`,
  );
  return lockForUp(folder.path, { onWait: () => late.abort(busy), signal: late.signal });
}

/** Gives what releases the lock; undefined when another process has it. */
async function tryLock(path: string): Promise<(() => void) | undefined> {
  // Those who wait keep their connections open until it is released; nothing is ever read from them.
  const waiting = new Set<{ destroy(): unknown }>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.unref();
    waiting.add(socket);
    socket.on('close', () => waiting.delete(socket));
  });
  try {
    server.listen(path);
    await once(server, 'listening');
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') return undefined;
    // Where there is no such name space, starts at the same moment are told apart later, less kindly.
    return () => {};
  }
  server.unref();
  return () => {
    server.close();
    for (const socket of waiting) socket.destroy();
  };
}

/** Resolves when the process that has the lock releases it or ends. */
async function holderGone(path: string, signal: AbortSignal): Promise<void> {
  const socket = connect(path);
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await new Promise<void>((resolve) => {
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      socket.resume();
    });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** The path without symbolic links, as far as it exists: one folder has one name. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return dirname(path) === path ? path : join(await resolved(dirname(path)), basename(path));
  }
}
