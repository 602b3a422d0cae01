/** The freezer of cgroups of both versions, in the kernel: version 2's is there in every such mount, whatever limits it keeps. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { canFreeze, freeze, thaw } from '#pkg/kubelet/runtime/container/freezer.ts';
import { type CgroupMounts, cgroupMounts } from '#pkg/kubelet/runtime/container/machine.ts';
import { noContainers } from './real-containers.ts';

const mounts = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
const clock = new SystemClock();
/** For what comes at once, on machines that may be many times slower. */
const patience = { timeout: 120_000 };

/** Where a version is mounted on this machine, as a machine that has it alone would say. */
const first = mounts?.version === 'v2' ? undefined : mounts?.folders['freezer'];
const second = mounts?.version === 'v2' ? mounts.folders['freezer'] : mounts?.folders['unified'];
const versions: readonly (readonly [name: string, cgroups: CgroupMounts | undefined])[] = [
  ['1', first === undefined ? undefined : { version: 'v1', folders: { freezer: first } }],
  ['2', second === undefined ? undefined : { version: 'v2', folders: { memory: second } }],
];

/** A program in a cgroup of its own, below that of the test, which says a number after the other. */
async function start(folder: string): Promise<{ readonly child: ChildProcess; readonly lines: () => number }> {
  const inner = join(folder, 'inner');
  mkdirSync(inner, { recursive: true });
  const child = spawn('sh', ['-c', 'read go; n=0; while :; do n=$((n + 1)); echo $n; sleep 0.01; done'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  writeFileSync(join(inner, 'cgroup.procs'), String(child.pid));
  child.stdin?.write('go\n');
  onTestFinished(async () => {
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    for (const path of [inner, folder]) await expect.poll(() => removed(path), { timeout: 30_000 }).toBe(true);
  });
  return { child, lines: () => text.split('\n').length };
}

function removed(path: string): boolean {
  try {
    if (existsSync(path)) rmdirSync(path);
    return true;
  } catch {
    // Its last process is just ending.
    return false;
  }
}

/** Resolves once another program has done much more than the time in which the first would have said something. */
async function meanwhile(): Promise<void> {
  const child = spawn('sh', ['-c', 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.02; done']);
  await once(child, 'close');
}

describe.skipIf(noContainers !== undefined).each(versions)('cgroups of version %s', (version, cgroups) => {
  test.skipIf(cgroups === undefined)('stop all that is below one, and let it go on', async () => {
    if (cgroups === undefined) return;
    const path = `coxswain-freezer-${process.pid}-${version}`;
    const [root = ''] = Object.values(cgroups.folders);
    expect(canFreeze(cgroups, path)).toBe(false);
    await expect(freeze(cgroups, path, clock)).rejects.toThrow('that can be frozen');
    const { lines } = await start(join(root, path));
    await expect.poll(lines, patience).toBeGreaterThan(3);
    expect(canFreeze(cgroups, path)).toBe(true);
    for (const _ of ['once', 'again']) await freeze(cgroups, path, clock);
    await meanwhile();
    const before = lines();
    await meanwhile();
    expect(lines()).toBe(before);
    for (const _ of ['once', 'again']) await thaw(cgroups, path);
    await expect.poll(lines, patience).toBeGreaterThan(before);
  });
});
