/** Priority classes. Source: upstream `pkg/apis/scheduling`, `pkg/registry/scheduling/rest/storage_scheduling.go`. */
import { priorityClasses } from '#pkg/api/types/refs.ts';
import type { PriorityClass } from '#pkg/api/types/scheduling-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { type FieldError, forbiddenField, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { Collector } from '../validation/collector.ts';

const field = pathsOf<PriorityClass>();

/** Highest priority that users may give. */
const userPriorityMax = 1_000_000_000;

/** Classes whose names begin so are the system's. */
const systemPrefix = 'system-';

/** The classes every cluster has. */
const systemPriorityClasses: readonly PriorityClass[] = [
  {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: 'system-node-critical' },
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name: 'system-cluster-critical' },
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

function validate(draft: Given<PriorityClass>): readonly FieldError[] {
  const into = new Collector();
  const name = draft.metadata?.name ?? '';
  const value = draft.value ?? 0;
  if (name.startsWith(systemPrefix)) {
    const why = systemProblem(draft, name, value);
    const detail = `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${why}`;
    if (why !== undefined) into.add(forbiddenField(field('metadata.name'), detail));
  } else if (value > userPriorityMax) {
    into.add(forbiddenField(field('value'), `maximum allowed value of a user defined priority is ${userPriorityMax}`));
  }
  into.oneOf(field('preemptionPolicy'), draft.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  return into.errors;
}

/** How a class with a name of the system's differs from what the system has. */
function systemProblem(draft: Given<PriorityClass>, name: string, value: number): string | undefined {
  const known = systemPriorityClasses.find((candidate) => (candidate.metadata?.name ?? '') === name);
  if (known === undefined) return `${name} is not a known system priority class`;
  if (known.value !== value) return `value of ${name} PriorityClass must be ${String(known.value)}`;
  return draft.globalDefault === true ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}

/** Priority classes; those of the system are reserved. */
export const priorityClassStrategy = rulesOf(priorityClasses, {
  tracksGeneration: 'constant',
  createOnUpdate: true,
  setDefaults(draft) {
    setDefault(draft, 'preemptionPolicy', 'PreemptLowerPriority');
    draft.value ??= 0;
  },
  validate,
  validateUpdate(draft, old) {
    const before = old;
    const into = new Collector();
    if (draft.value !== before.value) into.add(forbiddenField(field('value'), 'may not be changed in an update.'));
    into.unchanged(field('preemptionPolicy'), draft.preemptionPolicy, before.preemptionPolicy);
    return into.errors;
  },
  table: {
    columns: [
      nameColumn,
      column('Value', 'integer'),
      column('Global-Default', 'boolean'),
      ageColumn,
      column('PreemptionPolicy'),
    ],
    cells: (object, nowMs) => [
      nameOf(object),
      object.value ?? 0,
      object.globalDefault === true,
      age(object, nowMs),
      object.preemptionPolicy ?? '',
    ],
  },
  bootstrap: systemPriorityClasses.map((known) => ({ ...known })),
});
