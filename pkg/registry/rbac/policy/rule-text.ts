/**
 * Rules of the default policy as lines of text: `verbs groups resources [names]`, or `verbs - urls`, lists with commas. The group `core` is the one
 * whose name is empty. Lists are in order, as upstream stores them.
 */
import type { PolicyRule } from '#pkg/api/types/rbac-v1.ts';

/** A rule as it is stored. Throws for a line that has no three parts, which is a fault of the table. */
export function ruleFromText(line: string): PolicyRule {
  const [verbs, groups, targets, names] = line.split(' ').map((part) => part.split(','));
  if (verbs === undefined || groups === undefined || targets === undefined)
    throw new Error(`Cannot read the rule as it has no verbs, groups and resources: ${line}`);
  if (groups[0] === '-') return { nonResourceURLs: targets, verbs };
  return {
    apiGroups: groups.map((group) => (group === 'core' ? '' : group)),
    ...(names === undefined ? {} : { resourceNames: names }),
    resources: targets,
    verbs,
  };
}

/** What most components may do with events. */
export const eventsRule = 'create,patch,update core,events.k8s.io events';
