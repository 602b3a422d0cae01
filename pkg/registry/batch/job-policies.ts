/** Rules for when a job fails or succeeds before all of its pods have. Source: upstream `validatePodFailurePolicy`, `validateSuccessPolicy`. */
import type {
  JobSpec,
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicy,
  SuccessPolicyRule,
} from '#pkg/api/types/batch-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, duplicate, type FieldPath, invalid, required, tooLong } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../validation/collector.ts';
import { parseIndexes } from './indexes.ts';

const rulesMax = 20;
const exitCodesMax = 255;
const patternsMax = 20;
const indexesLengthMax = 64 * 1024;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const conditionStatuses = ['False', 'True', 'Unknown'];

/** A value from a list, where the error about a missing one says the list. */
function needsListed(into: Collector, value: unknown, { path, of }: { path: FieldPath; of: readonly string[] }): void {
  const quoted = of.map((one) => JSON.stringify(one)).join(' ');
  if (into.needsText(path, value, `valid values: [${quoted}]`)) into.oneOf(path, value, of);
}

/** Checks `spec.podFailurePolicy`, which is at `path`. */
export function checkPodFailurePolicy(into: Collector, spec: Given<JobSpec>, path: FieldPath<PodFailurePolicy>): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const own = child(path, 'rules');
  into.atMost(own, rules, rulesMax);
  for (const [index, rule] of rules.entries()) checkFailureRule(into, { rule, spec }, at(own, index));
}

interface Judged<Rule> {
  readonly rule: Given<Rule>;
  readonly spec: Given<JobSpec>;
}

function checkFailureRule(
  into: Collector,
  { rule, spec }: Judged<PodFailurePolicyRule>,
  path: FieldPath<PodFailurePolicyRule>,
): void {
  const action = child(path, 'action');
  needsListed(into, rule.action, { path: action, of: actions });
  if (rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
    into.add(invalid(action, rule.action, 'requires the backoffLimitPerIndex to be set'));
  }
  const codes = rule.onExitCodes;
  const patterns = rule.onPodConditions ?? [];
  if (codes !== undefined) checkExitCodes(into, { rule: codes, spec }, child(path, 'onExitCodes'));
  if (patterns.length > 0) checkPatterns(into, patterns, child(path, 'onPodConditions'));
  if ((codes !== undefined) !== patterns.length > 0) return;
  const which = codes === undefined ? 'one of OnExitCodes and OnPodConditions is required' : bothDetail;
  into.add({ reason: 'FieldValueInvalid', field: path, message: `Invalid value: specifying ${which}` });
}

const bothDetail = 'both OnExitCodes and OnPodConditions is not supported';

function checkPatterns(
  into: Collector,
  patterns: readonly Given<PodFailurePolicyOnPodConditionsPattern>[],
  path: FieldPath<readonly PodFailurePolicyOnPodConditionsPattern[]>,
): void {
  into.atMost(path, patterns, patternsMax);
  for (const [index, pattern] of patterns.entries()) {
    const type = pattern.type ?? '';
    into.problems(child(at(path, index), 'type'), type, qualifiedNameProblems(type));
    needsListed(into, pattern.status, { path: child(at(path, index), 'status'), of: conditionStatuses });
  }
}

function checkExitCodes(
  into: Collector,
  { rule, spec }: Judged<PodFailurePolicyOnExitCodesRequirement>,
  path: FieldPath<PodFailurePolicyOnExitCodesRequirement>,
): void {
  needsListed(into, rule.operator, { path: child(path, 'operator'), of: operators });
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const names = [...containers, ...initContainers].map((container) => container.name ?? '');
  const name = rule.containerName;
  if (typeof name === 'string' && !names.includes(name)) {
    const detail = 'must be one of the container or initContainer names in the pod template';
    into.add(invalid(child(path, 'containerName'), name, detail));
  }
  const values = rule.values ?? [];
  const own = child(path, 'values');
  if (values.length === 0) into.add(invalid(own, values, 'at least one value is required'));
  into.atMost(own, values, exitCodesMax);
  for (const [index, value] of values.entries()) {
    if (rule.operator === 'In' && value === 0)
      into.add(invalid(at(own, index), 0, 'must not be 0 for the In operator'));
    if (values.indexOf(value) < index) into.add(duplicate(at(own, index), value));
  }
  const isOrdered = values.every((value, index) => index === 0 || values[index - 1]! <= value);
  if (!isOrdered) into.add(invalid(own, values, 'must be ordered'));
}

/** Checks `spec.successPolicy`, which is at `path`, of an indexed job. */
export function checkSuccessPolicy(into: Collector, spec: Given<JobSpec>, path: FieldPath<SuccessPolicy>): void {
  const rules = spec.successPolicy?.rules ?? [];
  const own = child(path, 'rules');
  if (rules.length === 0) {
    into.add(required(own, 'at least one rules must be specified when the successPolicy is specified'));
  }
  into.atMost(own, rules, rulesMax);
  const completions = spec.completions ?? 0;
  for (const [index, rule] of rules.entries()) checkSuccessRule(into, rule, { path: at(own, index), completions });
}

function checkSuccessRule(
  into: Collector,
  rule: Given<SuccessPolicyRule>,
  { path, completions }: { readonly path: FieldPath<SuccessPolicyRule>; readonly completions: number },
): void {
  const count = rule.succeededCount;
  const indexes = rule.succeededIndexes;
  if (count === undefined && indexes === undefined) {
    into.add(required(path, 'at least one of succeededCount or succeededIndexes must be specified'));
  }
  let total: number | undefined;
  if (typeof indexes === 'string') {
    const own = child(path, 'succeededIndexes');
    if (indexes.length > indexesLengthMax) into.add(tooLong(own, indexesLengthMax));
    const parsed = parseIndexes(indexes, completions);
    if ('problem' in parsed) into.add(invalid(own, indexes, `error parsing succeededIndexes: ${parsed.problem}`));
    total = 'count' in parsed ? parsed.count : 0;
  }
  if (count === undefined) return;
  const own = child(path, 'succeededCount');
  into.notNegative(own, count);
  const mostIs = (max: number, what: string): void => {
    if (count > max) into.add(invalid(own, count, `must be less than or equal to ${max} (the number of ${what})`));
  };
  mostIs(completions, 'specified completions');
  if (total !== undefined) mostIs(total, 'indexes in the specified succeededIndexes field');
}
