/**
 * Asks mutating admission policies: each binding of a policy about a request changes its object, by an apply configuration or a JSON patch. A policy that
 * asks for it is asked again once others have changed the object after it.
 * Source: apiserver `admission/plugin/policy/mutating/{dispatcher,patch/*}.go`.
 */
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
} from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { deepClone, deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { applyJsonPatch } from '#pkg/apimachinery/patch/json-patch.ts';
import { forbidden, StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader } from '#pkg/apiserver/strategy.ts';
import { toJson } from '#pkg/cel/json-values.ts';
import { listOf } from '#pkg/cel/types.ts';
import { MapValue, type Value } from '#pkg/cel/values.ts';
import { candidateFinder } from './candidates.ts';
import { compileExpression, type Expression } from './expressions.ts';
import { type Hook, Hooks } from './hooks.ts';
import { applyType, jsonPatchType } from './patch-types.ts';
import {
  Budget,
  type CompiledPolicy,
  compilePolicy,
  conditionsHold,
  matchedBy,
  paramsOf,
  policyValues,
  RequestFacts,
} from './policy.ts';
import { putInPlace } from './put-in-place.ts';

/** A mutating policy, compiled. */
export interface MutatingPolicy extends CompiledPolicy {
  readonly mutations: readonly { readonly isApply: boolean; readonly expression: Expression }[];
  readonly isAskedAgain: boolean;
}

/** Compiles a policy. */
export function compileMutatingPolicy(spec: Given<NonNullable<MutatingAdmissionPolicy['spec']>>): MutatingPolicy {
  const policy = compilePolicy(spec, { makesPatches: true });
  return {
    ...policy,
    isAskedAgain: spec.reinvocationPolicy === 'IfNeeded',
    mutations: (spec.mutations ?? []).map(({ patchType, applyConfiguration, jsonPatch }) => {
      const isApply = patchType === 'ApplyConfiguration';
      const text = (isApply ? applyConfiguration?.expression : jsonPatch?.expression) ?? '';
      const type = isApply ? applyType : listOf(jsonPatchType);
      return { isApply, expression: compileExpression(text, policy.names, [type]) };
    }),
  };
}

/** Policies and their bindings, to be told of them. */
export type MutatingHooks = Hooks<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingPolicy>;

/** Nothing is known before it is told. */
export function createMutatingHooks(): MutatingHooks {
  return new Hooks(({ spec = {} }: MutatingAdmissionPolicy) => compileMutatingPolicy(spec));
}

/** The plugin. With no policy there is nothing to ask. Source: `policy/mutating/plugin.go`: connections are not changed. */
export function mutatingPoliciesPlugin(hooks: MutatingHooks, authorizer: Authorizer): AdmissionPlugin {
  const find = candidateFinder(hooks);
  return {
    name: 'MutatingAdmissionPolicy',
    handles: (request) => request.operation !== 'CONNECT' && request.draft !== undefined && find(request).length > 0,
    async admit(request, context, reader) {
      const facts = new RequestFacts({ request, context, reader, authorizer });
      const all = find(request).map(({ hook }) => hook);
      const changedBy = await askAll(all, facts);
      const last = changedBy.at(-1);
      if (last === undefined) return;
      // Whoever asked for it and was asked before the last change.
      const before = all.slice(0, all.indexOf(last)).filter(({ policy }) => policy.isAskedAgain);
      if (before.length > 0) await askAll(before, facts);
    },
  };
}

type MutatingHook = Hook<MutatingPolicy, MutatingAdmissionPolicyBinding>;

/** Asks in order; returns those that changed the object. */
async function askAll(hooks: readonly MutatingHook[], facts: RequestFacts): Promise<readonly MutatingHook[]> {
  const changed: MutatingHook[] = [];
  for (const hook of hooks) {
    const subject = await matchedBy(hook.policy.spec.matchConstraints, facts.request, facts.reader);
    if (subject === undefined) continue;
    for (const binding of hook.bindings) {
      if ((await matchedBy(binding.spec?.matchResources, facts.request, facts.reader)) === undefined) continue;
      const seen = await facts.as(subject);
      if (!(await askBinding(hook, binding, seen))) continue;
      changed.push(hook);
      if (seen !== facts) await takeBack(seen, facts);
    }
  }
  return changed;
}

/** What was changed in another version becomes what the request is about. */
async function takeBack({ request: { draft, ...seen } }: RequestFacts, facts: RequestFacts): Promise<void> {
  const { request, reader } = facts;
  if (draft === undefined || request.draft === undefined) return;
  putInPlace(request.draft, reader.remade(request, await reader.inVersion(draft, seen, request)));
  facts.changed();
}

async function askBinding(
  hook: MutatingHook,
  binding: MutatingAdmissionPolicyBinding,
  facts: RequestFacts,
): Promise<boolean> {
  const { request, reader } = facts;
  const { policy, name } = hook;
  const isFail = policy.spec.failurePolicy !== 'Ignore';
  let isChanged = false;
  try {
    const params = await paramsOf(policy.spec.paramKind, binding, request, reader);
    for (const one of params) if (await change(policy, facts, one, isFail)) isChanged = true;
  } catch (error) {
    if (error instanceof StatusError || !(error instanceof Error)) throw error;
    if (!isFail) return isChanged;
    const by = `policy '${name}' with binding '${binding.metadata?.name ?? ''}' denied request: ${error.message}`;
    throw forbidden(request, request.name, by);
  }
  return isChanged;
}

async function change(
  policy: MutatingPolicy,
  facts: RequestFacts,
  params: KubeObject | null,
  isFail: boolean,
): Promise<boolean> {
  const { request, reader } = facts;
  const { draft } = request;
  if (draft === undefined) return false;
  const budget = new Budget();
  let isChanged = false;
  for (const { isApply, expression } of policy.mutations) {
    const values = policyValues(policy, await facts.values(), params, budget);
    if (!isChanged && !conditionsHold(policy.conditions, values, isFail)) return false;
    const outcome = budget.run(expression, values);
    if ('error' in outcome) {
      throw new Error(`expression '${expression.text}' resulted in error: ${outcome.error.message}`);
    }
    const made = isApply ? applied(draft, outcome.value, request, reader) : patched(draft, outcome.value);
    if (made === undefined || deepEqual(made, draft)) continue;
    isChanged = true;
    putInPlace(draft, reader.remade(request, made));
    facts.changed();
  }
  return isChanged;
}

function applied(draft: JsonObject, value: Value, request: AdmissionAttributes, reader: RegistryReader): JsonObject {
  if (!(value instanceof MapValue)) throw new Error('unsupported return type from ApplyConfiguration expression');
  checkNames(value, 'Object');
  const configuration = toJson(value);
  if (!isObject(configuration)) throw new Error('unsupported return type from ApplyConfiguration expression');
  const named = { ...configuration, apiVersion: draft.apiVersion, kind: draft.kind };
  try {
    return deepClone(reader.merged(request, draft, named));
  } catch (error) {
    throw new Error(`error applying patch: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Objects are named after where they are. Source: apiserver `pkg/cel/mutation/dynamic` `CheckTypeNamesMatchFieldPathNames`. */
function checkNames(value: Value, path: string): void {
  if (!(value instanceof MapValue)) return;
  const { type } = value;
  if (type?.name.startsWith('Object') === true && type.name !== path) {
    throw new Error(
      `type mismatch: unexpected type name "${type.name}", expected "${path}", which matches field name path from root Object type`,
    );
  }
  for (const key of value.keys()) {
    if (typeof key === 'string') checkNames(value.find(key) ?? null, `${path}.${key}`);
  }
}

/** Undefined where a test of the patch fails: then nothing is changed. */
function patched(draft: JsonObject, value: Value): JsonObject | undefined {
  const operations = toJson(value);
  if (!Array.isArray(operations)) throw new Error('type mismatch: JSONPatchType.expression should evaluate to array');
  const result = applyJsonPatch(deepClone(draft), operations);
  if (result.ok) return isObject(result.value) ? result.value : undefined;
  const why = String(result.error.cause ?? result.error.message);
  if (why.startsWith('testing value ')) return undefined;
  throw new Error(`JSON Patch: ${why}`);
}
