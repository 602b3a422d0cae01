/**
 * Stops all processes of a cgroup, with those below it, where they are, and lets them go on: unlike a stop signal none of them can see it, and what they start meanwhile is stopped too.
 * Source: kernel `admin-guide/cgroup-v1/freezer-subsystem.rst`, `cgroup-v2.rst` (`cgroup.freeze`).
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { CgroupMounts } from './machine.ts';

/** Longest wait for all of them to stop: one that waits for a disk stops once it has. */
const freezeMsMax = 10_000;
const lookMs = 5;

/** The files of one cgroup by which it is done, of either version. */
interface FreezerFiles {
  readonly switch: string;
  readonly frozen: string;
  readonly thawed: string;
  /** Says whether all are stopped. */
  readonly state: string;
  readonly isFrozen: RegExp;
}

/** Whether a cgroup, by its path from the root of each hierarchy, is there and can be frozen. */
export function canFreeze(cgroups: CgroupMounts, path: string): boolean {
  return filesOf(cgroups, path) !== undefined;
}

/** Resolves once all processes are stopped; they go on again where that does not come to be, and it rejects. */
export async function freeze(cgroups: CgroupMounts, path: string, clock: Clock): Promise<void> {
  const files = filesOf(cgroups, path);
  if (files === undefined) throw new Error(`there is no cgroup ${path} that can be frozen`);
  const endMs = clock.monotonicMs() + freezeMsMax;
  for (;;) {
    // Version 1 wants to be told again where processes were being started.
    await writeFile(files.switch, files.frozen);
    if (files.isFrozen.test(await readFile(files.state, 'latin1'))) return;
    if (clock.monotonicMs() >= endMs) break;
    await sleep(clock, lookMs);
  }
  await writeFile(files.switch, files.thawed);
  throw new Error(`processes of the cgroup ${path} do not stop within ${freezeMsMax / 1000} s`);
}

/** Lets the processes go on; nothing where they do, or there are none. */
export async function thaw(cgroups: CgroupMounts, path: string): Promise<void> {
  const files = filesOf(cgroups, path);
  // Who ends it meanwhile lets it go on, too.
  if (files !== undefined) await writeFile(files.switch, files.thawed).catch(() => {});
}

function filesOf({ folders }: CgroupMounts, path: string): FreezerFiles | undefined {
  const first = join(folders['freezer'] ?? '', path, 'freezer.state');
  if (folders['freezer'] !== undefined && existsSync(first))
    return { switch: first, frozen: 'FROZEN', thawed: 'THAWED', state: first, isFrozen: /^FROZEN$/m };
  const unified = Object.values(folders).find((folder) => existsSync(join(folder, path, 'cgroup.freeze')));
  if (unified === undefined) return undefined;
  const folder = join(unified, path);
  return {
    switch: join(folder, 'cgroup.freeze'),
    frozen: '1',
    thawed: '0',
    state: join(folder, 'cgroup.events'),
    isFrozen: /^frozen 1$/m,
  };
}
