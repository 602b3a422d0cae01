/** `matchLabelKeys` and `mismatchLabelKeys`: requirements whose values are the pod's own. Source: KEP-3633, KEP-3243. */
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';

type Labels = Readonly<Record<string, string>>;

/** The selector with a requirement for each key that the pod has a label for. A selector that is absent stays absent: it matches nothing. */
export function selectorWithLabelKeys(
  selector: LabelSelector | undefined,
  labels: Labels | undefined,
  keys: { readonly match?: readonly string[] | undefined; readonly mismatch?: readonly string[] | undefined },
): LabelSelector | undefined {
  if (selector === undefined || (!keys.match?.length && !keys.mismatch?.length)) return selector;
  const requirementsOf = (names: readonly string[] | undefined, operator: 'In' | 'NotIn') =>
    (names ?? []).flatMap((key) => (labels?.[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]));
  const added = [...requirementsOf(keys.match, 'In'), ...requirementsOf(keys.mismatch, 'NotIn')];
  return { ...selector, matchExpressions: [...(selector.matchExpressions ?? []), ...added] };
}
