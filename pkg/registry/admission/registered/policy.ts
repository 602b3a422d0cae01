/**
 * What validating and mutating policies have in common: whether a policy with a binding is about a request, with which parameters, and under which
 * conditions. Source: apiserver `admission/plugin/policy/generic`, `admission/plugin/webhook/matchconditions`.
 */
import type {
  MatchCondition,
  MatchResources,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ValidatingAdmissionPolicyBinding,
  Variable,
} from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { selectorFromLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { type KubeObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionAttributes, RegistryReader, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { boolType, dynType, type Type } from '#pkg/cel/types.ts';
import {
  compileExpression,
  conditionsCostMax,
  type Expression,
  type Names,
  policyCostMax,
  type RequestValues,
  requestValues,
  withVariables,
} from './expressions.ts';
import { matchesNamespace, matchesObject, matchesRules } from './request-match.ts';

/** Bindings of both kinds of policies. */
export type PolicyBinding = MutatingAdmissionPolicyBinding | ValidatingAdmissionPolicyBinding;

/** What the specifications of both kinds of policies have. */
export interface PolicySpec {
  readonly paramKind?: ParamKind;
  readonly matchConstraints?: MatchResources;
  readonly variables?: readonly Variable[];
  readonly matchConditions?: readonly MatchCondition[];
  readonly failurePolicy?: string;
}

/** The common part of a policy, compiled. */
export interface CompiledPolicy {
  readonly spec: Given<PolicySpec>;
  readonly conditions: readonly (readonly [string, Expression])[];
  readonly variables: readonly (readonly [string, Expression])[];
  /** For the expressions that the kind of policy has of its own. */
  readonly names: Names;
}

/** Compiles the common part. Expressions that are none fail when they are evaluated. */
export function compilePolicy(spec: Given<PolicySpec>, known: Partial<Names> = {}): CompiledPolicy {
  const base: Names = { hasParams: spec.paramKind !== undefined, hasAuthorizer: true, ...known };
  const types = new Map<string, Type>();
  const variables: (readonly [string, Expression])[] = [];
  for (const { name = '', expression = '' } of spec.variables ?? []) {
    const compiled = compileExpression(expression, { ...base, variables: new Map(types) });
    types.set(name, compiled.program?.checked.type ?? dynType);
    variables.push([name, compiled]);
  }
  return {
    spec,
    conditions: compileConditions(spec.matchConditions, base),
    variables,
    names: { ...base, variables: types },
  };
}

/** Compiles match conditions, which see no variables. */
export function compileConditions(
  conditions: readonly Given<MatchCondition>[] | undefined,
  names: Names,
): readonly (readonly [string, Expression])[] {
  return (conditions ?? []).map(({ name = '', expression = '' }) => [
    name,
    compileExpression(expression, names, [boolType]),
  ]);
}

/** Whether a policy, or a binding, is about a request. */
export async function matchesResources(
  match: Given<MatchResources> | undefined,
  request: AdmissionAttributes,
  reader: RegistryReader,
): Promise<boolean> {
  if (match === undefined) return true;
  if (!matchesRulesOf(match, request) || !matchesObject(match.objectSelector, request)) return false;
  return matchesNamespace(match.namespaceSelector, request, reader);
}

/** What can be said without looking at other objects. */
export function matchesRulesOf(match: Given<MatchResources> | undefined, request: AdmissionAttributes): boolean {
  if (match === undefined) return true;
  const isEquivalent = match.matchPolicy !== 'Exact';
  if (matchesRules(match.excludeResourceRules ?? [], request, isEquivalent)) return false;
  const rules = match.resourceRules ?? [];
  return rules.length === 0 || matchesRules(rules, request, isEquivalent);
}

/** Why a binding cannot be used. */
class ConfigurationError extends Error {}

/**
 * The parameters that a binding names: one evaluation with each; with `null` where there are none and none are needed. Throws a
 * `ConfigurationError`. Source: apiserver `policy/generic/policy_dispatcher.go` `CollectParams`.
 */
export async function paramsOf(
  kind: Given<ParamKind> | undefined,
  { spec }: Given<PolicyBinding>,
  request: AdmissionAttributes,
  reader: RegistryReader,
): Promise<readonly (KubeObject | null)[]> {
  const ref = spec?.paramRef;
  if (kind === undefined || ref === undefined) return [null];
  const gv = parseApiVersion(kind.apiVersion ?? '');
  const resource = gv && reader.ofKind({ ...gv, kind: kind.kind ?? '' });
  if (resource === undefined) {
    throw new ConfigurationError(
      `failed to find resource referenced by paramKind: '${kind.apiVersion}, Kind=${kind.kind}'`,
    );
  }
  if (!resource.namespaced && (ref.namespace ?? '') !== '') {
    throw new ConfigurationError(
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    );
  }
  const namespace = resource.namespaced ? ref.namespace || request.namespace : '';
  if (resource.namespaced && namespace === '') {
    throw new ConfigurationError(
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    );
  }
  const found = await findParams(ref, resource, namespace, reader);
  if (found.length > 0) return found;
  if (ref.parameterNotFoundAction === 'Allow') return [];
  throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
}

async function findParams(
  ref: NonNullable<NonNullable<Given<PolicyBinding>['spec']>['paramRef']>,
  resource: { readonly group: string; readonly resource: string },
  namespace: string,
  reader: RegistryReader,
): Promise<readonly KubeObject[]> {
  if ((ref.name ?? '') !== '') {
    const one = await reader.get(resource, namespace, ref.name ?? '');
    return one === undefined ? [] : [one];
  }
  const selector = selectorFromLabelSelector(ref.selector);
  if (!selector.ok) return [];
  const all = await reader.list(resource, namespace);
  return all.filter(({ metadata }) => selector.selector.matches(metadata?.labels ?? {}));
}

/** The namespace of a request, for expressions; undefined for one of no namespace or about one. */
export async function namespaceOf(
  { namespace, kind, group }: AdmissionAttributes,
  reader: RegistryReader,
): Promise<KubeObject | undefined> {
  if (namespace === '' || (group === '' && kind === 'Namespace')) return undefined;
  return reader.get({ group: '', resource: 'namespaces' }, '', namespace);
}

/** Whether all conditions hold. Throws an `Error` where one cannot be evaluated and that counts. */
export function conditionsHold(
  conditions: readonly (readonly [string, Expression])[],
  values: RequestValues,
  isFail: boolean,
): boolean {
  const problems: string[] = [];
  let budget = conditionsCostMax;
  for (const [, condition] of conditions) {
    const outcome = condition.run(values, budget);
    budget -= outcome.cost;
    if ('error' in outcome) {
      problems.push(`expression '${condition.text}' resulted in error: ${outcome.error.message}`);
      if (outcome.error.isFinal) break;
    } else if (outcome.value === false) return false;
  }
  if (problems.length === 0) return true;
  if (isFail) throw new Error(problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`);
  return false;
}

/** What one evaluation of a policy has to spend. */
export class Budget {
  left = policyCostMax;

  /** Evaluates an expression within what is left. The text of its error is upstream's. */
  run(expression: Expression, values: RequestValues): ReturnType<Expression['run']> {
    const outcome = expression.run(values, this.left);
    this.left -= outcome.cost;
    return outcome;
  }
}

/** The names of an evaluation, the variables of the policy among them. */
export function policyValues(
  policy: CompiledPolicy,
  given: {
    readonly request: AdmissionAttributes;
    readonly context: StrategyContext;
    readonly namespace: KubeObject | undefined;
    readonly params: KubeObject | null;
    readonly authorizer: Authorizer;
  },
  budget: Budget,
): RequestValues {
  const { context, ...rest } = given;
  const values = requestValues({ ...rest, user: context.user, dryRun: context.dryRun });
  return withVariables(
    values,
    policy.variables,
    () => budget.left,
    (cost) => {
      budget.left -= cost;
    },
  );
}
