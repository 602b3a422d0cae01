/** What pods can ask of a CRI runtime: what the interface has had from its first version on, so that every runtime takes it. Pure. */
import { containerFeatures } from '../container/features.ts';
import type { RuntimeFeature } from '../runtime.ts';

/** What runtimes that do not know it pass over in silence, and, of processes, limits that the interface does not have. */
const missing: ReadonlySet<RuntimeFeature> = new Set(['imageVolumes', 'pidLimits', 'recursiveReadOnly', 'stopSignal']);

/** Its features: those of real containers, but for what is missing. */
export function criFeatures(machine: { readonly hasAppArmor: boolean }): ReadonlySet<RuntimeFeature> {
  return containerFeatures(machine).difference(missing);
}
