/** What a pod's containers share: namespaces that no process needs to be in, kept by mounts in a folder, and a file system for shared memory. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxCall } from './protocol.ts';
import type { Reaper } from './reaper.ts';
import {
  bindMount,
  insideNamespace,
  makeNamespace,
  mountSharedMemory,
  raiseLoopback,
  type SharedNamespace,
  setHostname,
  unmount,
} from './system-calls.ts';
import { withUserNamespace } from './user-namespace.ts';

/** Of each pod. Source: containerd's default `/dev/shm`. */
const sharedMemoryBytes = 64 * 1024 * 1024;

const places: readonly (SharedNamespace | 'shm' | 'user')[] = ['net', 'ipc', 'uts', 'user', 'shm'];

/** Makes them. What is there already, of a call that was not answered, is made anew. */
export async function makeSandboxPlace(call: SandboxCall, reaper: Reaper): Promise<void> {
  const { folder, hostname, ownNetwork, ownIpc, userBase } = call;
  removeSandboxPlace(folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const kinds: readonly SharedNamespace[] = [
    ...(ownNetwork ? (['net'] as const) : []),
    ...(ownIpc ? (['ipc'] as const) : []),
    'uts',
  ];
  const inside: Readonly<Record<SharedNamespace, () => void>> = {
    net: raiseLoopback,
    uts: () => setHostname(hostname),
    ipc: () => {},
  };
  try {
    if (userBase === undefined) {
      for (const kind of kinds) makeNamespace(kind, made(folder, kind), inside[kind]);
    } else {
      await withUserNamespace({ kinds, userBase, reaper }, (pid) => {
        for (const kind of ['user', ...kinds] as const) bindMount(`/proc/${pid}/ns/${kind}`, made(folder, kind));
      });
      for (const kind of kinds) insideNamespace(kind, join(folder, kind), inside[kind]);
    }
    if (!ownIpc) return;
    mkdirSync(join(folder, 'shm'));
    mountSharedMemory(join(folder, 'shm'), sharedMemoryBytes, userBase ?? 0);
  } catch (error) {
    removeSandboxPlace(folder);
    throw error;
  }
}

/** A file at which a namespace can be kept. */
function made(folder: string, kind: string): string {
  const path = join(folder, kind);
  writeFileSync(path, '', { mode: 0o600 });
  return path;
}

/** Takes them away; nothing where there are none. */
export function removeSandboxPlace(folder: string): void {
  if (!existsSync(folder)) return;
  for (const place of places) unmount(join(folder, place));
  rmSync(folder, { recursive: true, force: true });
}
