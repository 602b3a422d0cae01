/** Label selectors of the API as predicates. */
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/** Whether labels satisfy a selector. An absent selector matches nothing, an empty one everything. */
export function matchesSelector(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (selector === undefined) return false;
  if (!matchesLabels(selector.matchLabels ?? {}, labels)) return false;
  return (selector.matchExpressions ?? []).every((requirement) => {
    const value = labels?.[requirement.key];
    const values = requirement.values ?? [];
    switch (requirement.operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });
}

/** Whether labels hold every pair of `wanted`. */
export function matchesLabels(wanted: Readonly<Record<string, string>>, labels: Labels): boolean {
  for (const name of Object.keys(wanted)) if (labels?.[name] !== wanted[name]) return false;
  return true;
}

/** Whether a selector selects everything: controllers refuse to act on one, as upstream does. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  if (selector === undefined) return true;
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}
