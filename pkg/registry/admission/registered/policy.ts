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
import type {
  AdmissionAttributes,
  AdmissionSubject,
  RegistryReader,
  StrategyContext,
} from '#pkg/apiserver/strategy.ts';
import { type Awaitable, onceThere } from '#pkg/base/async.ts';
import { fromJson } from '#pkg/cel/json-values.ts';
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
import { type MatchedRequest, requestAs } from './matched-request.ts';
import { matchedAs, matchesNamespace, matchesObject } from './request-match.ts';

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

/**
 * As what a policy, or a binding, is about a request; undefined where it is not. Only a namespace that has to be looked at is waited for.
 * Source: apiserver `policy/matching/matching.go` `Matches`.
 */
export function matchedBy(
  match: Given<MatchResources> | undefined,
  request: AdmissionAttributes,
  reader: RegistryReader,
): Promise<AdmissionSubject | undefined> | AdmissionSubject | undefined {
  if (match === undefined) return request;
  if (!matchesObject(match.objectSelector, request)) return undefined;
  const how = { isEquivalent: match.matchPolicy !== 'Exact', reader };
  if (matchedAs(match.excludeResourceRules ?? [], request, how) !== undefined) return undefined;
  const rules = match.resourceRules ?? [];
  const subject = rules.length === 0 ? request : matchedAs(rules, request, how);
  if (subject === undefined) return undefined;
  const isOfNamespace = matchesNamespace(match.namespaceSelector, request, reader);
  if (isOfNamespace instanceof Promise) return isOfNamespace.then((is) => (is ? subject : undefined));
  return isOfNamespace ? subject : undefined;
}

/** Why a binding cannot be used. */
class ConfigurationError extends Error {}

/**
 * The parameters that a binding names: one evaluation with each; with `null` where there are none and none are needed. Throws a
 * `ConfigurationError`. Source: apiserver `policy/generic/policy_dispatcher.go` `CollectParams`.
 */
export function paramsOf(
  kind: Given<ParamKind> | undefined,
  binding: Given<PolicyBinding>,
  request: AdmissionAttributes,
  reader: RegistryReader,
): Promise<readonly (KubeObject | null)[]> | readonly (KubeObject | null)[] {
  const ref = binding.spec?.paramRef;
  return kind === undefined || ref === undefined ? withoutParams : namedParams(kind, ref, request, reader);
}

/** What a policy without parameters is asked with. */
export const withoutParams: readonly null[] = [null];

type Ref = NonNullable<NonNullable<Given<PolicyBinding>['spec']>['paramRef']>;

async function namedParams(
  kind: Given<ParamKind>,
  ref: Ref,
  request: AdmissionAttributes,
  reader: RegistryReader,
): Promise<readonly KubeObject[]> {
  const gv = parseApiVersion(kind.apiVersion ?? '');
  const resource = gv && reader.ofKind({ ...gv, kind: kind.kind ?? '' });
  if (gv === undefined || resource === undefined) {
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
  const wanted = { ...gv, resource: resource.resource, kind: kind.kind ?? '' };
  if (found.length > 0) return Promise.all(found.map((one) => inVersionOf(wanted, one, reader)));
  if (ref.parameterNotFoundAction === 'Allow') return [];
  throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
}

/** A parameter in the version that the policy names; objects are kept in one of theirs. */
async function inVersionOf(wanted: AdmissionSubject, found: KubeObject, reader: RegistryReader): Promise<KubeObject> {
  const kept = parseApiVersion(found.apiVersion ?? '');
  if (kept === undefined || kept.version === wanted.version) return found;
  return reader.inVersion(found, { ...wanted, ...kept }, wanted);
}

async function findParams(
  ref: Ref,
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

/** What all policies are told of one request: made with the first that is about it. */
export class RequestFacts {
  readonly request: MatchedRequest;
  readonly context: StrategyContext;
  readonly reader: RegistryReader;
  readonly authorizer: Authorizer;
  #values: RequestValues | undefined;
  /** By `group/version resource`. */
  #others: Map<string, Promise<RequestFacts>> | undefined;

  constructor(given: {
    readonly request: MatchedRequest;
    readonly context: StrategyContext;
    readonly reader: RegistryReader;
    readonly authorizer: Authorizer;
  }) {
    this.request = given.request;
    this.context = given.context;
    this.reader = given.reader;
    this.authorizer = given.authorizer;
  }

  /** The values of names, but for parameters. The object is as it is now: after a change, `changed` says so. */
  values(): Awaitable<RequestValues> {
    if (this.#values !== undefined) return this.#values;
    const { request, context, authorizer } = this;
    return onceThere(namespaceOf(request, this.reader), (namespace) => {
      this.#values = requestValues({ request, namespace, authorizer, user: context.user, dryRun: context.dryRun });
      return this.#values;
    });
  }

  /** The same of the request as something that it was matched as. */
  as(subject: AdmissionSubject): Promise<RequestFacts> | RequestFacts {
    if (subject === this.request) return this;
    this.#others ??= new Map();
    const name = `${subject.group}/${subject.version} ${subject.resource}`;
    let found = this.#others.get(name);
    if (found === undefined) {
      found = Promise.resolve(requestAs(this.request, subject, this.reader)).then(
        (request) => new RequestFacts({ ...this, request }),
      );
      this.#others.set(name, found);
    }
    return found;
  }

  /** The object is another one now. */
  changed(): void {
    this.#values = undefined;
    this.#others = undefined;
  }
}

/** The namespace of a request, for expressions; undefined for one of no namespace or about one. */
function namespaceOf(
  { namespace, kind, group }: AdmissionAttributes,
  reader: RegistryReader,
): Awaitable<KubeObject | undefined> {
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

/** The names of an evaluation: those of the request, the parameters, the variables of the policy. */
export function policyValues(
  policy: CompiledPolicy,
  base: RequestValues,
  params: KubeObject | null,
  budget: Budget,
): RequestValues {
  const values = params === null ? base : withParams(base, params);
  if (policy.variables.length === 0) return values;
  return withVariables(
    values,
    policy.variables,
    () => budget.left,
    (cost) => {
      budget.left -= cost;
    },
  );
}

function withParams(base: RequestValues, params: KubeObject): RequestValues {
  const value = fromJson(params);
  return { get: (name) => (name === 'params' ? value : base.get(name)) };
}
