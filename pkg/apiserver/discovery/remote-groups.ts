/** Groups of other servers among those of this one, by their priorities. Source: kube-aggregator `apis/apiregistration/v1/helper` `SortedByGroupAndVersion`. */
import type { RemoteVersion } from '../aggregation.ts';
import { compareVersions } from '../conversion.ts';
import { isBuiltInGroup, type ServedGroup, type ServedVersion } from './documents.ts';

/** That of custom resources. Source: `pkg/controlplane/controller/crdregistration`. */
const customPriority = 1_000;

/** The groups with those of other servers; a version that another server answers for is that one's alone. */
export function withRemotes(groups: readonly ServedGroup[], remotes: readonly RemoteVersion[]): readonly ServedGroup[] {
  if (remotes.length === 0) return groups;
  const byGroup = new Map(groups.map((one) => [one.group, one.versions]));
  const priorities = new Map<string, number>();
  for (const remote of remotes) {
    const { group, version } = remote;
    const others = (byGroup.get(group) ?? []).filter((one) => one.version !== version);
    byGroup.set(group, [...others, { version, resources: [], remote }]);
    priorities.set(group, Math.max(priorities.get(group) ?? 0, remote.groupPriority));
  }
  const all = [...byGroup].map(([group, versions]) => ({ group, versions: versions.toSorted(byVersion) }));
  const priorityOf = (group: string): number => priorities.get(group) ?? customPriority;
  const own = all.filter(({ group }) => isBuiltInGroup(group));
  const further = all.filter(({ group }) => !isBuiltInGroup(group));
  return [...own, ...further.sort((a, b) => priorityOf(b.group) - priorityOf(a.group) || (a.group < b.group ? -1 : 1))];
}

function byVersion(a: ServedVersion, b: ServedVersion): number {
  const [first, second] = [a.remote?.versionPriority, b.remote?.versionPriority];
  const byPriority = first === undefined || second === undefined ? 0 : second - first;
  return byPriority || compareVersions(b.version, a.version);
}
