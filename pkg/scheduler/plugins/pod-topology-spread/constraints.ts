/** Which constraints hold for a pod: its own or, where it states none, the default ones of the profile. Source: `PodTopologySpreadArgs`. */
import type { TopologySpreadConstraint } from '#pkg/api/types/core-v1.ts';
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  notSupported,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { compiledLabelSelector, type Selector } from '#pkg/apimachinery/label-selector.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { Scheduling } from '../../framework/plugin-context.ts';
import { selectorWithLabelKeys } from '../../model/label-keys.ts';
import type { PodInfo } from '../../model/pod-info.ts';
import type { WorkloadSource } from './workload-selector.ts';

/** Arguments of the plugin. */
export interface SpreadArgs {
  /** `System`: those that upstream has built in. `List`: `defaultConstraints`. */
  readonly defaultingType: string;
  readonly defaultConstraints: readonly TopologySpreadConstraint[];
}

type Action = 'DoNotSchedule' | 'ScheduleAnyway';

/** One constraint, ready to be matched. */
export interface Constraint {
  readonly spec: TopologySpreadConstraint;
  readonly selector: Selector;
  /** Equal for constraints that count the same pods on the same nodes. */
  readonly text: string;
}

/** The constraints of one kind of a pod. */
export interface Constraints {
  readonly list: readonly Constraint[];
  /** Whether only nodes count that have the keys of all of them. */
  readonly needsAllKeys: boolean;
}

/** Source: `systemDefaultConstraints`. */
const systemConstraints: readonly TopologySpreadConstraint[] = [
  { topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

const none: Constraints = { list: [], needsAllKeys: true };
const actions: readonly string[] = ['DoNotSchedule', 'ScheduleAnyway'];
const defaultings: readonly string[] = ['List', 'System'];

/** What arguments may be. Packing has no default constraints, which would work against it. */
export const spreadArgs = {
  properties: {
    defaultingType: { type: 'string' },
    defaultConstraints: {
      type: 'array',
      items: {
        type: 'object',
        required: ['maxSkew', 'topologyKey'],
        properties: {
          maxSkew: { type: 'integer' },
          minDomains: { type: 'integer' },
          topologyKey: { type: 'string' },
          whenUnsatisfiable: { type: 'string' },
          labelSelector: { type: 'object' },
          nodeAffinityPolicy: { enum: ['Honor', 'Ignore'] },
          nodeTaintsPolicy: { enum: ['Honor', 'Ignore'] },
          matchLabelKeys: { type: 'array', items: { type: 'string' } },
        },
      },
    },
  },
  fallback: (scheduling: Scheduling): SpreadArgs => ({
    defaultingType: scheduling === 'packing' ? 'List' : 'System',
    defaultConstraints: [],
  }),
  problems: spreadProblems,
};

/** Whether pods that state no constraints may have some. */
export function hasDefaults({ defaultingType, defaultConstraints }: SpreadArgs): boolean {
  return defaultingType === 'System' || defaultConstraints.length > 0;
}

/** How the constraints of a kind are found for a pod. */
export function constraintsBy({ defaultingType, defaultConstraints }: SpreadArgs, source: WorkloadSource) {
  const isSystem = defaultingType === 'System';
  const defaults = isSystem ? systemConstraints : defaultConstraints;
  return (pod: PodInfo, action: Action): Constraints => {
    const stated = pod.pod.spec?.topologySpreadConstraints ?? [];
    if (stated.length > 0) return { list: compiled(stated, action, pod), needsAllKeys: true };
    const wanted = defaults.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === action);
    if (wanted.length === 0) return none;
    const labelSelector = source.selectorOf(pod.pod);
    if (labelSelector === undefined) return none;
    const list = compiled(
      wanted.map((spec) => ({ ...spec, labelSelector })),
      action,
      pod,
    );
    return { list, needsAllKeys: !isSystem };
  };
}

function compiled(specs: readonly TopologySpreadConstraint[], action: Action, { pod }: PodInfo): readonly Constraint[] {
  return specs
    .filter((spec) => spec.whenUnsatisfiable === action)
    .map((spec) => {
      const keys = { match: spec.matchLabelKeys };
      const selector: LabelSelector | undefined = selectorWithLabelKeys(spec.labelSelector, pod.metadata?.labels, keys);
      const text = JSON.stringify([selector, spec.nodeAffinityPolicy, spec.nodeTaintsPolicy]);
      return { spec, selector: compiledLabelSelector(selector), text };
    });
}

function spreadProblems({ defaultingType, defaultConstraints }: SpreadArgs): readonly FieldError[] {
  const field = pathsOf<SpreadArgs>();
  const errors: FieldError[] = [];
  if (!defaultings.includes(defaultingType)) {
    errors.push(notSupported(field('defaultingType'), defaultingType, defaultings));
  } else if (defaultingType === 'System' && defaultConstraints.length > 0) {
    errors.push(invalid(field('defaultingType'), defaultingType, 'when .defaultConstraints are not empty'));
  }
  for (const [index, constraint] of defaultConstraints.entries()) {
    const path = at(field('defaultConstraints'), index);
    checkConstraint(constraint, path, errors);
    const { topologyKey: key, whenUnsatisfiable: when } = constraint;
    const isAgain = (other: TopologySpreadConstraint): boolean =>
      other.topologyKey === key && other.whenUnsatisfiable === when;
    if (defaultConstraints.findIndex(isAgain) < index) errors.push(duplicate(path, `{${key}, ${when}}`));
  }
  return errors;
}

function checkConstraint(
  { maxSkew, topologyKey, whenUnsatisfiable, labelSelector }: TopologySpreadConstraint,
  path: FieldPath<TopologySpreadConstraint>,
  errors: FieldError[],
): void {
  if (maxSkew <= 0) errors.push(invalid(child(path, 'maxSkew'), maxSkew, 'not in valid range (0, inf)'));
  const ofKey = child(path, 'topologyKey');
  if (topologyKey === '') errors.push(required(ofKey, 'can not be empty'));
  else for (const problem of qualifiedNameProblems(topologyKey)) errors.push(invalid(ofKey, topologyKey, problem));
  const ofAction = child(path, 'whenUnsatisfiable');
  if (!whenUnsatisfiable) errors.push(required(ofAction, 'can not be empty'));
  else if (!actions.includes(whenUnsatisfiable)) errors.push(notSupported(ofAction, whenUnsatisfiable, actions));
  if (labelSelector === undefined) return;
  const why = 'constraint must not define a selector, as they deduced for each pod';
  errors.push(forbiddenField(child(path, 'labelSelector'), why));
}
