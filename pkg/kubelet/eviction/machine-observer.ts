/** What this machine has left for its pods. Source: proc(5), statfs(2); kubelet `stats/summary`, `eviction/helpers.go` `makeSignalObservations`. */
import { readFile, statfs } from 'node:fs/promises';
import type { EvictionSignal, Observation, Observations } from './thresholds.ts';

/** Looks once. `folder` is where the node's volumes and containers are; what cannot be read is left out. */
export async function observeMachine(folder: string): Promise<Observations> {
  const [memory, disk, kernelMax, load] = await Promise.all([
    readFile('/proc/meminfo', 'latin1').catch(() => ''),
    statfs(folder).catch(() => undefined),
    readFile('/proc/sys/kernel/pid_max', 'latin1').catch(() => ''),
    readFile('/proc/loadavg', 'latin1').catch(() => ''),
  ]);
  const found = new Map<EvictionSignal, Observation>();
  const kilobytes = (name: string): number | undefined => {
    const text = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(memory)?.[1];
    return text === undefined ? undefined : Number(text);
  };
  const [available, total] = [kilobytes('MemAvailable'), kilobytes('MemTotal')];
  if (available !== undefined && total !== undefined)
    found.set('memory.available', { available: available * 1024, capacity: total * 1024 });
  if (disk !== undefined) {
    const { bavail, blocks, bsize, ffree, files } = disk;
    found.set('nodefs.available', { available: bavail * bsize, capacity: blocks * bsize });
    // Some file systems make them as they go, and count none.
    if (files > 0) found.set('nodefs.inodesFree', { available: ffree, capacity: files });
  }
  const [, threads] = /\d+\/(\d+)/.exec(load) ?? [];
  if (threads !== undefined && kernelMax !== '')
    found.set('pid.available', { available: Number(kernelMax) - Number(threads), capacity: Number(kernelMax) });
  return found;
}

/** The disk that a folder is on; undefined where it cannot be read. */
export async function observeDisk(folder: string): Promise<Observation | undefined> {
  return (await observeMachine(folder)).get('nodefs.available');
}
