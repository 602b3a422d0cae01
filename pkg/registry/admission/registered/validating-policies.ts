/**
 * Asks validating admission policies: each binding of a policy about a request refuses it, warns of it, or lets it pass.
 * Source: apiserver `admission/plugin/policy/validating/{dispatcher,validator}.go`.
 */
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden, StatusError, type StatusReason } from '#pkg/apimachinery/status-error.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { boolType, nullType, stringType } from '#pkg/cel/types.ts';
import { type Candidate, candidateFinder } from './candidates.ts';
import { compileExpression, type Expression, type RequestValues } from './expressions.ts';
import { type Hook, Hooks } from './hooks.ts';
import {
  Budget,
  type CompiledPolicy,
  compilePolicy,
  conditionsHold,
  matchedBy,
  paramsOf,
  policyValues,
  RequestFacts,
  withoutParams,
} from './policy.ts';
import { PolicyNotes } from './policy-notes.ts';

/** Longest message that an expression makes, in bytes. */
const messageBytesMax = 5 * 1024;

/** A validating policy, compiled. */
export interface ValidatingPolicy extends CompiledPolicy {
  readonly validations: readonly {
    readonly validation: Given<Validation>;
    readonly expression: Expression;
    readonly message: Expression | undefined;
  }[];
  readonly annotations: readonly { readonly key: string; readonly expression: Expression }[];
}

/** Compiles a policy. */
export function compileValidatingPolicy(spec: Given<NonNullable<ValidatingAdmissionPolicy['spec']>>): ValidatingPolicy {
  const policy = compilePolicy(spec);
  const { names } = policy;
  const texts = { ...names, hasAuthorizer: false };
  return {
    ...policy,
    validations: (spec.validations ?? []).map((validation) => ({
      validation,
      expression: compileExpression(validation.expression ?? '', names, [boolType]),
      message:
        (validation.messageExpression ?? '') === ''
          ? undefined
          : compileExpression(validation.messageExpression ?? '', texts, [stringType]),
    })),
    annotations: (spec.auditAnnotations ?? []).map(({ key = '', valueExpression = '' }) => ({
      key,
      expression: compileExpression(valueExpression, texts, [stringType, nullType]),
    })),
  };
}

/** Policies and their bindings, to be told of them. */
export type ValidatingHooks = Hooks<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingPolicy>;

/** Nothing is known before it is told. */
export function createValidatingHooks(): ValidatingHooks {
  return new Hooks(({ spec = {} }: ValidatingAdmissionPolicy) => compileValidatingPolicy(spec));
}

interface Denial {
  readonly policy: string;
  readonly binding: string | undefined;
  readonly message: string;
  readonly reason: string;
}

/** The plugin. With no policy there is nothing to ask. */
export function validatingPoliciesPlugin(hooks: ValidatingHooks, authorizer: Authorizer): AdmissionPlugin {
  const find = candidateFinder(hooks);
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: (request) => find(request).length > 0,
    validate(request, context, reader) {
      const denials: Denial[] = [];
      const facts = new RequestFacts({ request, context, reader, authorizer });
      const notes = context.audit === undefined ? undefined : new PolicyNotes(context.audit);
      const waiting = judgeFrom(0, { candidates: find(request), denials, facts, notes });
      const conclude = (): void => {
        notes?.publishFailures();
        const [first] = denials;
        if (first !== undefined) throw refusal(request, first);
      };
      if (waiting !== undefined) return waiting.then(conclude);
      conclude();
      return undefined;
    },
  };
}

type ValidatingHook = Hook<ValidatingPolicy, ValidatingAdmissionPolicyBinding>;

/** One request before all policies that may be about it. */
interface Judging {
  readonly candidates: readonly Candidate<ValidatingPolicy, ValidatingAdmissionPolicyBinding>[];
  /** What was found. */
  readonly denials: Denial[];
  readonly facts: RequestFacts;
  /** Absent where the request is not audited. */
  readonly notes: PolicyNotes | undefined;
}

/** Asks the candidates in order, from one of them on. Undefined where nothing had to be waited for. */
function judgeFrom(start: number, judging: Judging): Promise<void> | undefined {
  const { candidates, denials, facts, notes } = judging;
  let index = start;
  for (const { hook, isPlain } of start === 0 ? candidates : candidates.slice(start)) {
    const here = index++;
    const values = isPlain ? facts.values() : undefined;
    if (values === undefined) return judgeInTime(hook, judging).then(() => judgeFrom(here + 1, judging));
    if (values instanceof Promise) return values.then(() => judgeFrom(here, judging));
    for (const binding of hook.bindings) {
      denials.push(...judgeWith({ hook, binding, facts, values, notes }, withoutParams));
    }
    notes?.publish(hook.name);
  }
  return undefined;
}

/** Asks one policy, and waits for what it takes to know whether it is about the request, and with which parameters. */
async function judgeInTime(hook: ValidatingHook, { denials, facts: asked, notes }: Judging): Promise<void> {
  const { request, reader } = asked;
  const subject = await matchedBy(hook.policy.spec.matchConstraints, request, reader);
  if (subject === undefined) return;
  for (const binding of hook.bindings) {
    if ((await matchedBy(binding.spec?.matchResources, request, reader)) === undefined) continue;
    const facts = await asked.as(subject);
    denials.push(...(await judge({ hook, binding, facts, values: await facts.values(), notes })));
  }
  notes?.publish(hook.name);
}

interface Judgement {
  readonly hook: ValidatingHook;
  readonly binding: ValidatingAdmissionPolicyBinding;
  /** Absent where the request is not audited. */
  readonly notes: PolicyNotes | undefined;
  readonly facts: RequestFacts;
  readonly values: RequestValues;
}

/** What one binding has against a request; what it only warns of is told. */
function judge(given: Judgement): Promise<readonly Denial[]> | readonly Denial[] {
  const { hook, binding, facts } = given;
  const params = paramsOf(hook.policy.spec.paramKind, binding, facts.request, facts.reader);
  if (!(params instanceof Promise)) return judgeWith(given, params);
  return params.then(
    (found) => judgeWith(given, found),
    (error: unknown) => {
      if (error instanceof StatusError || !(error instanceof Error)) throw error;
      const message = `failed to configure binding: ${error.message}`;
      const denial = { policy: hook.name, binding: binding.metadata?.name, message, reason: 'Invalid' };
      return hook.policy.spec.failurePolicy === 'Ignore' ? [] : [denial];
    },
  );
}

function judgeWith(
  { hook, binding, facts, values, notes }: Judgement,
  params: readonly (KubeObject | null)[],
): readonly Denial[] {
  const name = binding.metadata?.name ?? '';
  const denials: Denial[] = [];
  const actions = binding.spec?.validationActions ?? [];
  const annotate = (key: string, value: string): void => notes?.add(key, value);
  for (const one of params) {
    const { decisions, faults } = decisionsOf(hook.policy, values, { params: one, annotate });
    for (const message of faults) denials.push({ policy: hook.name, binding: name, message, reason: 'Invalid' });
    for (const { message, reason, expressionIndex } of decisions) {
      if (actions.includes('Deny')) denials.push({ policy: hook.name, binding: name, message, reason });
      if (actions.includes('Audit')) {
        notes?.failed({ message, policy: hook.name, binding: name, expressionIndex, validationActions: actions });
      }
      if (!actions.includes('Warn')) continue;
      const by = `ValidatingAdmissionPolicy '${hook.name}' with binding '${name}'`;
      facts.context.warn(`Validation failed for ${by}: ${message}`);
    }
  }
  return denials;
}

interface Decision {
  readonly message: string;
  readonly reason: string;
  readonly expressionIndex: number;
}

interface Decided {
  readonly decisions: readonly Decision[];
  /** What was wrong with annotations, which refuses the request whatever a binding wants done. */
  readonly faults: readonly string[];
}

interface DecidedWith {
  readonly params: KubeObject | null;
  annotate(key: string, value: string): void;
}

function decisionsOf(policy: ValidatingPolicy, base: RequestValues, { params, annotate }: DecidedWith): Decided {
  const isFail = policy.spec.failurePolicy !== 'Ignore';
  const budget = new Budget();
  const values = policyValues(policy, base, params, budget);
  try {
    if (!conditionsHold(policy.conditions, values, isFail)) return nothing;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { decisions: [{ message: error.message, reason: 'Invalid', expressionIndex: 0 }], faults: [] };
  }
  const decisions: Decision[] = [];
  for (const [expressionIndex, { validation, expression, message }] of policy.validations.entries()) {
    const outcome = budget.run(expression, values);
    if ('error' in outcome) {
      const why = `expression '${expression.text}' resulted in error: ${outcome.error.message}`;
      if (isFail) decisions.push({ message: why, reason: 'Invalid', expressionIndex });
      if (outcome.error.isFinal) break;
    } else if (outcome.value !== true) {
      const said = message === undefined ? undefined : saidBy(budget.run(message, values));
      const fixed = (validation.message ?? '').trim();
      const text = said || fixed || `failed expression: ${(validation.expression ?? '').trim()}`;
      decisions.push({ message: text, reason: validation.reason ?? 'Invalid', expressionIndex });
    }
  }
  const faults: string[] = [];
  for (const { key, expression } of policy.annotations) {
    const outcome = budget.run(expression, values);
    if (!('error' in outcome)) {
      if (typeof outcome.value === 'string') annotate(key, outcome.value.trim());
    } else if (isFail) faults.push(`expression '${expression.text}' resulted in error: ${outcome.error.message}`);
  }
  return { decisions, faults };
}

const nothing: Decided = { decisions: [], faults: [] };

function saidBy(outcome: ReturnType<Expression['run']>): string {
  if ('error' in outcome || typeof outcome.value !== 'string') return '';
  const text = outcome.value.trim();
  return text.includes('\n') || Buffer.byteLength(text) > messageBytesMax ? '' : text;
}

const reasons: Readonly<Record<string, { readonly code: number; readonly reason: StatusReason }>> = {
  Forbidden: { code: 403, reason: 'Forbidden' },
  Unauthorized: { code: 401, reason: 'Unauthorized' },
  RequestEntityTooLarge: { code: 413, reason: 'RequestEntityTooLarge' },
  Invalid: { code: 422, reason: 'Invalid' },
};

function refusal(request: AdmissionAttributes, { policy, binding, message, reason }: Denial): StatusError {
  const by = binding === undefined ? '' : ` with binding '${binding}'`;
  const text = `ValidatingAdmissionPolicy '${policy}'${by} denied request: ${message}`;
  const { status } = forbidden(request, request.name, text);
  const told = reasons[reason] ?? { code: 422, reason: 'Invalid' };
  return new StatusError({
    ...told,
    message: status.message ?? text,
    details: { ...status.details, causes: [{ message: text }] },
  });
}
