/**
 * Node selectors and node affinity, as functions of labels and the name of a node: what the scheduler and the kubelet must agree on.
 * Requirements that are not valid match nothing. Upstream counterpart: component-helpers `scheduling/corev1/nodeaffinity`.
 */
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '#pkg/api/types/core-v1.ts';

type Labels = Readonly<Record<string, string>>;

/** What a selector looks at. */
export interface SelectableNode {
  readonly name: string;
  readonly labels: Labels;
}

const integerPattern = /^[+-]?\d+$/;

/** Whether the node satisfies one of the terms. A selector without terms, and a term without requirements, matches nothing. */
export function matchesNodeSelector(selector: NodeSelector, node: SelectableNode): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesNodeSelectorTerm(term, node));
}

/** Whether the node satisfies every requirement of the term. */
export function matchesNodeSelectorTerm(term: NodeSelectorTerm, node: SelectableNode): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  return (
    expressions.every((requirement) => matchesRequirement(requirement, labelOf(node.labels, requirement.key))) &&
    fields.every(
      (requirement) =>
        requirement.key === 'metadata.name' &&
        (requirement.operator === 'In' || requirement.operator === 'NotIn') &&
        matchesRequirement(requirement, node.name),
    )
  );
}

/** Whether the node has what `spec.nodeSelector` and the required node affinity of the pod ask for. */
export function matchesRequiredNodeAffinity(pod: Pod, node: SelectableNode): boolean {
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) {
    if (labelOf(node.labels, key) !== value) return false;
  }
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesNodeSelector(required, node);
}

function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function matchesRequirement({ operator, values = [] }: NodeSelectorRequirement, actual: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return actual !== undefined && values.includes(actual);
    case 'NotIn':
      return actual === undefined || !values.includes(actual);
    case 'Exists':
      return actual !== undefined;
    case 'DoesNotExist':
      return actual === undefined;
    case 'Gt':
      return compareIntegers(actual, values[0], (a, b) => a > b);
    case 'Lt':
      return compareIntegers(actual, values[0], (a, b) => a < b);
    default:
      return false;
  }
}

function compareIntegers(
  actual: string | undefined,
  bound: string | undefined,
  holds: (a: bigint, b: bigint) => boolean,
): boolean {
  if (actual === undefined || bound === undefined) return false;
  if (!integerPattern.test(actual) || !integerPattern.test(bound)) return false;
  return holds(BigInt(actual.replace('+', '')), BigInt(bound.replace('+', '')));
}
