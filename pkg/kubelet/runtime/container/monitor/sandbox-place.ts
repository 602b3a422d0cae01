/** What a pod's containers share: namespaces that no process needs to be in, kept by mounts in a folder, and a file system for shared memory. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxCall } from './protocol.ts';
import {
  makeNamespace,
  mountSharedMemory,
  raiseLoopback,
  type SharedNamespace,
  setHostname,
  unmount,
} from './system-calls.ts';

/** Of each pod. Source: containerd's default `/dev/shm`. */
const sharedMemoryBytes = 64 * 1024 * 1024;

const places: readonly (SharedNamespace | 'shm')[] = ['net', 'ipc', 'uts', 'shm'];

/** Makes them. What is there already, of a call that was not answered, is made anew. */
export function makeSandboxPlace({ folder, hostname, ownNetwork, ownIpc }: SandboxCall): void {
  removeSandboxPlace(folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const make = (kind: SharedNamespace, inside: () => void): void => {
    writeFileSync(join(folder, kind), '', { mode: 0o600 });
    makeNamespace(kind, join(folder, kind), inside);
  };
  try {
    if (ownNetwork) make('net', raiseLoopback);
    make('uts', () => setHostname(hostname));
    if (!ownIpc) return;
    make('ipc', () => {});
    mkdirSync(join(folder, 'shm'));
    mountSharedMemory(join(folder, 'shm'), sharedMemoryBytes);
  } catch (error) {
    removeSandboxPlace(folder);
    throw error;
  }
}

/** Takes them away; nothing where there are none. */
export function removeSandboxPlace(folder: string): void {
  if (!existsSync(folder)) return;
  for (const place of places) unmount(join(folder, place));
  rmSync(folder, { recursive: true, force: true });
}
