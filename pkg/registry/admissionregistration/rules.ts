/** Rules that webhooks and policies share: which requests one is about. Source: upstream `pkg/apis/admissionregistration/validation`. */
import type {
  MatchCondition,
  MatchResources,
  NamedRuleWithOperations,
  RuleWithOperations,
} from '#pkg/api/types/admissionregistration-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, duplicate, type FieldPath, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { pathSegmentProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { boolType } from '#pkg/cel/types.ts';
import { compileExpression } from '../admission/registered/expressions.ts';
import type { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

/** Values of `failurePolicy`, in the order messages list them. */
export const failurePolicies = ['Fail', 'Ignore'];
/** Values of `matchPolicy`, in the order messages list them. */
export const matchPolicies = ['Equivalent', 'Exact'];
/** Values of `reinvocationPolicy`, in the order messages list them. */
export const reinvocationPolicies = ['IfNeeded', 'Never'];

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];
const matchConditionsMax = 64;

/** Refuses an empty list, and a star beside others, which the message calls `noun`. */
function checkList(into: Collector, values: readonly string[], path: FieldPath, noun: string): void {
  if (values.length === 0) into.add(required(path));
  if (values.length > 1 && values.includes('*')) {
    into.add(invalid(path, values, `if '*' is present, must not specify other ${noun}`));
  }
}

function checkResources(into: Collector, resources: readonly string[], path: FieldPath): void {
  if (resources.length === 0) into.add(required(path));
  for (const [index, text] of resources.entries()) {
    if (text === '') into.add(required(at(path, index)));
    const [resource, subresource] = text.split(/\/(.*)/s);
    if (subresource === undefined) continue;
    for (const wider of [`${resource}/*`, `*/${subresource}`]) {
      if (!resources.slice(0, index).includes(wider)) continue;
      into.add(invalid(at(path, index), text, `if '${wider}' is present, must not specify ${text}`));
    }
  }
  if (resources.length > 1 && resources.includes('*/*')) {
    into.add(invalid(path, resources, "if '*/*' is present, must not specify other resources"));
  }
  if (resources.includes('*') && resources.some((text) => text !== '*' && !text.includes('/'))) {
    const detail = "if '*' is present, must not specify other resources without subresources";
    into.add(invalid(path, resources, detail));
  }
}

/** Checks one entry of `rules`. */
export function checkRule(into: Collector, rule: Given<RuleWithOperations>, path: FieldPath<RuleWithOperations>): void {
  const { operations: verbs = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  checkList(into, verbs, child(path, 'operations'), 'operations');
  for (const [index, operation] of verbs.entries()) {
    into.oneOf(at(child(path, 'operations'), index), operation, operations);
  }
  checkList(into, apiGroups, child(path, 'apiGroups'), 'API groups');
  checkList(into, apiVersions, child(path, 'apiVersions'), 'API versions');
  for (const [index, version] of apiVersions.entries()) {
    if (version === '') into.add(required(at(child(path, 'apiVersions'), index)));
  }
  checkResources(into, resources, child(path, 'resources'));
  into.oneOf(child(path, 'scope'), rule.scope, scopes);
}

function checkNamedRules(
  into: Collector,
  rules: readonly Given<NamedRuleWithOperations>[],
  path: FieldPath<readonly NamedRuleWithOperations[]>,
): void {
  for (const [index, rule] of rules.entries()) {
    const names = rule.resourceNames ?? [];
    for (const [position, name] of names.entries()) {
      const namePath = at(child(at(path, index), 'resourceNames'), position);
      into.problems(namePath, name, pathSegmentProblems(name));
      if (names.indexOf(name) < position) into.add(duplicate(namePath, name));
    }
    checkRule(into, rule, at(path, index));
  }
}

/** Checks the part of a policy or a binding that says which requests it is about. */
export function checkMatchResources(
  into: Collector,
  match: Given<MatchResources>,
  path: FieldPath<MatchResources>,
): void {
  into.needsOneOf(child(path, 'matchPolicy'), match.matchPolicy, matchPolicies);
  for (const field of fields('namespaceSelector', 'objectSelector')) {
    if (match[field] === undefined) into.add(required(child(path, field)));
    into.add(...labelSelectorErrors(match[field], child(path, field)));
  }
  for (const field of fields('resourceRules', 'excludeResourceRules')) {
    checkNamedRules(into, match[field] ?? [], child(path, field));
  }
}

/** Checks conditions by name; expressions are only asked to be there. */
export function checkMatchConditions(
  into: Collector,
  conditions: readonly Given<MatchCondition>[],
  path: FieldPath<readonly MatchCondition[]>,
  hasParams = false,
): void {
  into.atMost(path, conditions, matchConditionsMax);
  const names = conditions.map((condition) => condition.name ?? '');
  for (const [index, condition] of conditions.entries()) {
    const name = names[index]!;
    const { expression = '' } = condition;
    if (into.needsText(child(at(path, index), 'expression'), expression.trim())) {
      const { problem } = compileExpression(expression, { hasParams, hasAuthorizer: true }, [boolType]);
      if (problem !== undefined) into.add(invalid(child(at(path, index), 'expression'), expression, problem));
    }
    into.needsName(child(at(path, index), 'name'), name, qualifiedNameProblems);
    if (name !== '' && names.indexOf(name) < index) into.add(duplicate(child(at(path, index), 'name'), name));
  }
}
