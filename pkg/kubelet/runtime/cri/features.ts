/** What pods can ask of a CRI runtime: what the interface has had from its first version on, so that every runtime takes it. Pure. */
import { containerFeatures } from '../container/features.ts';
import type { RuntimeFeature } from '../runtime.ts';

/** What runtimes that do not know it pass over in silence, and, of processes, limits that the interface does not have. */
const missing: ReadonlySet<RuntimeFeature> = new Set([
  'cdi',
  'imageVolumes',
  'pidLimits',
  'recursiveReadOnly',
  'stopSignal',
]);

/** The machine, and where the node is on it. */
export interface CriPlaceFacts {
  readonly hasAppArmor: boolean;
  /** Whether the network of the node is the one that the runtime is on itself: it puts pods on no other. */
  readonly isOnNodeNetwork: boolean;
}

/** Its features: those of real containers, but for what is missing. */
export function criFeatures({ hasAppArmor, isOnNodeNetwork }: CriPlaceFacts): ReadonlySet<RuntimeFeature> {
  const features = containerFeatures({ hasBlockIo: false, hasAppArmor, hasUsers: false }).difference(missing);
  if (!isOnNodeNetwork) features.delete('hostNetwork');
  return features;
}
