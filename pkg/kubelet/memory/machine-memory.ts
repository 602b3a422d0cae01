/** The memory of this machine's NUMA nodes, huge pages by their size. Source: kernel `admin-guide/mm/numaperf.rst`, `admin-guide/mm/hugetlbpage.rst`. */
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { namesIn, textOf } from '../topology/system-files.ts';

const nodesFolder = '/sys/devices/system/node';
const kibibyte = 1024;

/** What one has, in bytes by kind. */
export interface MachineMemory {
  readonly id: number;
  readonly total: Readonly<Record<string, number>>;
}

/** They, in their order. A machine that does not say is one node. */
export function machineMemory(folder = nodesFolder): readonly MachineMemory[] {
  const ids = namesIn(folder).flatMap((name) => (/^node\d+$/.test(name) ? [Number(name.slice(4))] : []));
  if (ids.length === 0) return [{ id: 0, total: { memory: totalmem() } }];
  return ids.sort((a, b) => a - b).map((id) => ({ id, total: totalOf(join(folder, `node${id}`)) }));
}

function totalOf(folder: string): Readonly<Record<string, number>> {
  const kilobytes = Number(/MemTotal:\s*(\d+) kB/.exec(textOf(join(folder, 'meminfo')))?.[1] ?? 0);
  const pages = namesIn(join(folder, 'hugepages')).flatMap((name) => {
    const size = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    const count = Number(textOf(join(folder, 'hugepages', name, 'nr_hugepages')));
    return size > 0 ? [[`hugepages-${sizeText(size)}`, size * kibibyte * count] as const] : [];
  });
  return { memory: kilobytes * kibibyte, ...Object.fromEntries(pages) };
}

/** `2Mi` of 2048. */
function sizeText(kilobytes: number): string {
  if (kilobytes % (kibibyte * kibibyte) === 0) return `${kilobytes / kibibyte / kibibyte}Gi`;
  return kilobytes % kibibyte === 0 ? `${kilobytes / kibibyte}Mi` : `${kilobytes}Ki`;
}
