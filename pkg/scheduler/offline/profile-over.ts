/** For tests: the profile of a table where nothing but some objects are in the API, and nothing can be written. */
import type { PluginEntry, Scheduling } from '../framework/plugin-context.ts';
import type { Profile } from '../framework/profile.ts';
import { ObjectSet } from './object-set.ts';
import { offlineProfile } from './offline-profile.ts';

/** What the profile is made over. */
interface TestedProfile {
  /** Default: none. */
  readonly objects?: ObjectSet;
  /** Default: packing. */
  readonly scheduling?: Scheduling;
}

/** Makes the profile. */
export function profileOver(
  table: readonly PluginEntry[],
  { objects = new ObjectSet(), scheduling = 'packing' }: TestedProfile = {},
): Profile {
  const spec = { schedulerName: 'test' };
  return offlineProfile({ table, scheduling, spec, lister: (ref) => objects.lister(ref) });
}
