/** What simulated containers use: what their pod's annotations say; nothing is made up where they do not. */
import { type ContainerStats, RuntimeError } from '../runtime.ts';
import { type ContainerScript, usageAt } from './script.ts';

/** What a container uses `sinceMs` after its start. Throws `RuntimeError` where its script does not say. */
export function fakeStats({ cpu, memory }: ContainerScript, sinceMs: number): ContainerStats {
  if (cpu === undefined && memory === undefined)
    throw new RuntimeError('unsupported', 'what simulated containers use is not known');
  return {
    cpuNanoseconds: Math.round(usageAt(cpu ?? [], sinceMs).total * 1e9),
    memoryBytes: usageAt(memory ?? [], sinceMs).now,
  };
}
