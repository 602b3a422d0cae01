/**
 * Expressions of policies and of match conditions: what they can name, and their evaluation within the budget of one request.
 * Source: apiserver `admission/plugin/cel/{compile,composition,condition}.go`.
 */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { type AdmissionNames, admissionTypes } from '#pkg/cel/admission-types.ts';
import { environmentOf } from '#pkg/cel/environment.ts';
import { fromJson } from '#pkg/cel/json-values.ts';
import { AuthorizerValue, ResourceCheck } from '#pkg/cel/library/authorizer.ts';
import { callCostMax, compileProgram, type Program } from '#pkg/cel/program.ts';
import { type Type, typeText } from '#pkg/cel/types.ts';
import { EvaluationError, MapValue, type Value } from '#pkg/cel/values.ts';
import { askerOf } from './ask-access.ts';
import { identityOf, type MatchedRequest } from './matched-request.ts';
import { patchTypeOf } from './patch-types.ts';

/** What may be spent on the expressions of one policy with one binding. Source: `RuntimeCELCostBudget`. */
export const policyCostMax = 10_000_000;

/** What may be spent on the match conditions of one. Source: `RuntimeCELCostBudgetMatchConditions`. */
export const conditionsCostMax = 2_500_000;

/** What expressions of one place can name, and make. */
export interface Names extends AdmissionNames {
  /** Whether objects of the kinds of patches can be made. */
  readonly makesPatches?: boolean;
}

/** A compiled expression of a policy, or why it is none. */
export interface Expression {
  readonly text: string;
  readonly program: Program | undefined;
  readonly problem: string | undefined;
  run(values: RequestValues, costMax: number): ReturnType<Program['run']>;
}

/** Compiles an expression that gives one of the kinds of types; any where there are none. */
export function compileExpression(text: string, names: Names, gives: readonly Type[] = []): Expression {
  const types = admissionTypes(names);
  const program = compileProgram(text, environmentOf(types, names.makesPatches === true ? patchTypeOf : undefined));
  const known = Object.keys(types);
  const problem = 'issues' in program ? `compilation failed: ${program.text}` : wrongResult(program, gives);
  const compiled = 'issues' in program ? undefined : program;
  const named = known.flatMap((name, place) => (compiled?.uses(name) === true ? [{ name, place }] : []));
  return {
    text,
    program: problem === undefined ? compiled : undefined,
    problem,
    run(values, costMax) {
      if (compiled === undefined) {
        return { error: new EvaluationError(problem ?? 'compilation failed'), cost: 0 };
      }
      const given: (Value | undefined)[] = new Array(known.length);
      for (const { name, place } of named) given[place] = values.get(name);
      return compiled.run(given, Math.min(costMax, callCostMax));
    },
  };
}

function wrongResult({ checked: { type } }: Program, gives: readonly Type[]): string | undefined {
  if (gives.length === 0 || type.kind === 'dyn' || gives.some((one) => typeText(one) === typeText(type)))
    return undefined;
  const wanted = gives.map(typeText);
  return `must evaluate to ${wanted.length === 1 ? wanted[0] : `one of [${wanted.join(' ')}]`}`;
}

/** The values of names in one request. Variables are evaluated when somebody asks for them, once. */
export interface RequestValues {
  get(name: string): Value | undefined;
}

/** A request, for expressions. */
export interface EvaluatedRequest {
  readonly request: MatchedRequest;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  readonly namespace: KubeObject | undefined;
  readonly authorizer: Authorizer;
}

/** The values of a request, each made when the first expression names it and then the same for all. */
export function requestValues(given: EvaluatedRequest): RequestValues {
  const made = new Map<string, Value>();
  return {
    get(name) {
      let value = made.get(name);
      if (value === undefined) {
        value = makers.get(name)?.(given);
        if (value !== undefined) made.set(name, value);
      }
      return value;
    },
  };
}

const makers: ReadonlyMap<string, (given: EvaluatedRequest) => Value> = new Map<
  string,
  (given: EvaluatedRequest) => Value
>([
  ['object', ({ request }) => fromJson(request.draft ?? null)],
  ['oldObject', ({ request }) => fromJson(request.old ?? null)],
  ['request', (given) => fromJson(describe(given))],
  ['namespaceObject', ({ namespace }) => fromJson(namespace === undefined ? null : describeNamespace(namespace))],
  ['params', () => null],
  ['authorizer', ({ authorizer, user }) => new AuthorizerValue(askerOf(authorizer, user), {})],
  ['authorizer.requestResource', ({ authorizer, user, request }) => checkOf(askerOf(authorizer, user), request)],
]);

function checkOf(
  ask: ReturnType<typeof askerOf>,
  { group, resource, subresource, namespace, name }: MatchedRequest,
): ResourceCheck {
  return new ResourceCheck(ask, { group, resource, subresource, namespace, name });
}

/** What is said of a request. Source: admission/v1 `AdmissionRequest`. */
function describe({ request, user, dryRun }: EvaluatedRequest): JsonObject {
  const { subresource, name, namespace, operation } = request;
  return {
    ...identityOf(request),
    subResource: subresource,
    requestSubResource: subresource,
    name,
    namespace,
    operation,
    userInfo: { username: user.name, uid: user.uid ?? '', groups: user.groups, extra: user.extra ?? {} },
    dryRun,
    options: {},
  };
}

function describeNamespace({ metadata, ...rest }: KubeObject): JsonObject {
  const { managedFields: _, selfLink: __, uid, ownerReferences: ___, ...shown } = metadata ?? {};
  return { ...rest, metadata: { ...shown, ...(uid === undefined ? {} : { UID: uid }) } };
}

/** The values of a request together with the variables of a policy, whose costs go to `spend`. */
export function withVariables(
  values: RequestValues,
  variables: readonly (readonly [string, Expression])[],
  costMax: () => number,
  spend: (cost: number) => void,
): RequestValues {
  const known = new Map<string, ReturnType<Program['run']>>();
  const expressions = new Map(variables);
  const all: RequestValues = { get: (name) => (name === 'variables' ? map : values.get(name)) };
  const map = new MapValue({
    size: variables.length,
    find(key) {
      const expression = typeof key === 'string' ? expressions.get(key) : undefined;
      if (expression === undefined || typeof key !== 'string') return undefined;
      let outcome = known.get(key);
      if (outcome === undefined) {
        outcome = expression.run(all, costMax());
        known.set(key, outcome);
        spend(outcome.cost);
      }
      if ('error' in outcome) {
        const why = `composited variable "${key}" fails to evaluate: ${outcome.error.message}`;
        throw new EvaluationError(why, outcome.error.isFinal);
      }
      return outcome.value;
    },
    keys: () => expressions.keys(),
  });
  return all;
}
