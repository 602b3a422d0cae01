/** The cgroups of pods and their classes, by the files that are written: in a folder that stands for a hierarchy, so that both versions are seen on any machine. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { CgroupMounts } from './machine.ts';
import { PodCgroups, type PodOfClass } from './pod-cgroups.ts';

const root = '/node';

function hierarchy(version: CgroupMounts['version']) {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-cgroups-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => {
    const path = join(folder, version === 'v2' ? 'unified' : name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const folders = { cpu: at('cpu'), memory: at('memory'), pids: at('pids') };
  if (version === 'v2') {
    // The kernel makes these files in each of them.
    for (const path of ['', 'node', 'node/kubepods', 'node/kubepods/burstable', 'node/kubepods/besteffort']) {
      mkdirSync(join(folders.cpu, path), { recursive: true });
      writeFileSync(join(folders.cpu, path, 'cgroup.controllers'), 'cpu memory\n');
    }
  }
  const cgroups = new PodCgroups({
    mounts: { version, folders },
    root,
    node: { cpuShares: 2048, memoryLimitBytes: 2 ** 32 },
    podPidsMax: 4096,
  });
  const read = (controller: keyof typeof folders, path: string): string =>
    readFileSync(join(folders[controller], 'node', path), 'latin1');
  const pods = (path: string): readonly string[] =>
    readdirSync(join(folders.cpu, 'node/kubepods', path)).filter((name) => name.startsWith('pod'));
  return { cgroups, folders, read, pods };
}

const web: PodOfClass = {
  podUid: 'web',
  qosClass: 'burstable',
  resources: { cpuShares: 512, cpuPeriodUs: 100_000, cpuQuotaUs: 50_000, memoryLimitBytes: 2 ** 28 },
};
const idle: PodOfClass = { podUid: 'idle', qosClass: 'burstable', resources: { cpuShares: 2 } };
const sure: PodOfClass = { podUid: 'sure', qosClass: 'guaranteed', resources: { cpuShares: 1024 } };
const least: PodOfClass = { podUid: 'least', qosClass: 'besteffort', resources: { cpuShares: 2 } };

test('version 1 has shares, quotas and limits where upstream has them', () => {
  const { cgroups, read, pods } = hierarchy('v1');
  for (const pod of [web, sure, least]) cgroups.add(pod);
  cgroups.weigh([web, sure, least]);
  expect([
    read('cpu', 'kubepods/cpu.shares'),
    read('memory', 'kubepods/memory.limit_in_bytes'),
    read('cpu', 'kubepods/burstable/cpu.shares'),
    read('cpu', 'kubepods/besteffort/cpu.shares'),
    read('cpu', 'kubepods/burstable/podweb/cpu.cfs_quota_us'),
    read('cpu', 'kubepods/burstable/podweb/cpu.cfs_period_us'),
    read('memory', 'kubepods/burstable/podweb/memory.limit_in_bytes'),
    read('pids', 'kubepods/besteffort/podleast/pids.max'),
  ]).toEqual(['2048', String(2 ** 32), '512', '2', '50000', '100000', String(2 ** 28), '4096']);
  expect([pods(''), pods('burstable'), pods('besteffort')]).toEqual([['podsure'], ['podweb'], ['podleast']]);
});

test('version 2 has weights and limits, and each cgroup passes its controllers on', () => {
  const { cgroups, folders, read } = hierarchy('v2');
  cgroups.add(web);
  cgroups.weigh([web]);
  expect([
    read('cpu', 'kubepods/cpu.weight'),
    read('memory', 'kubepods/memory.max'),
    read('cpu', 'kubepods/burstable/podweb/cpu.weight'),
    read('cpu', 'kubepods/burstable/podweb/cpu.max'),
    read('memory', 'kubepods/burstable/podweb/memory.max'),
    readFileSync(join(folders.cpu, 'cgroup.subtree_control'), 'latin1'),
    read('cpu', 'kubepods/burstable/cgroup.subtree_control'),
  ]).toEqual(['79', String(2 ** 32), '20', '50000 100000', String(2 ** 28), '+memory', '+memory']);
  cgroups.change({ ...web, resources: { cpuShares: 512 } });
  expect([
    read('cpu', 'kubepods/burstable/podweb/cpu.max'),
    read('memory', 'kubepods/burstable/podweb/memory.max'),
  ]).toEqual(['max 100000', 'max']);
});

test('a class weighs as much as those of its pods that ask for something, and follows them', () => {
  const { cgroups, read } = hierarchy('v1');
  const shares = (): string => read('cpu', 'kubepods/burstable/cpu.shares');
  cgroups.add(web);
  cgroups.add(idle);
  // A pod whose sandbox was made again is there twice.
  cgroups.weigh([web, web, idle, sure]);
  expect(shares()).toBe('512');
  cgroups.weigh([idle]);
  expect(shares()).toBe('2');
});

test('limits that are no longer named are none', () => {
  const { cgroups, read } = hierarchy('v1');
  cgroups.add(web);
  cgroups.change({ ...web, resources: { cpuShares: 256 } });
  expect([
    read('cpu', 'kubepods/burstable/podweb/cpu.shares'),
    read('cpu', 'kubepods/burstable/podweb/cpu.cfs_quota_us'),
    read('memory', 'kubepods/burstable/podweb/memory.limit_in_bytes'),
  ]).toEqual(['256', '-1', '-1']);
});

test('a pod of no class has no place of its own among them', () => {
  const { cgroups, folders } = hierarchy('v1');
  cgroups.add({ podUid: 'plain' });
  cgroups.change({ podUid: 'plain', resources: { cpuShares: 2 } });
  expect(existsSync(join(folders.cpu, 'node'))).toBe(false);
});
