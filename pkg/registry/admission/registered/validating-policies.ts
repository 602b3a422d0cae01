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
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { boolType, nullType, stringType } from '#pkg/cel/types.ts';
import { compileExpression, type Expression } from './expressions.ts';
import { type Hook, Hooks } from './hooks.ts';
import {
  Budget,
  type CompiledPolicy,
  compilePolicy,
  conditionsHold,
  matchesResources,
  matchesRulesOf,
  namespaceOf,
  paramsOf,
  policyValues,
} from './policy.ts';
import { isExempt } from './request-match.ts';

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
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: (request) =>
      hooks.all.length > 0 &&
      !isExempt(request) &&
      hooks.all.some(({ policy }) => matchesRulesOf(policy.spec.matchConstraints, request)),
    async validate(request, context, reader) {
      const denials: Denial[] = [];
      for (const hook of hooks.all) {
        if (!(await matchesResources(hook.policy.spec.matchConstraints, request, reader))) continue;
        for (const binding of hook.bindings) {
          if (!(await matchesResources(binding.spec?.matchResources, request, reader))) continue;
          denials.push(...(await judge({ hook, binding, request, context, reader, authorizer })));
        }
      }
      const [first] = denials;
      if (first !== undefined) throw refusal(request, first);
    },
  };
}

interface Judgement {
  readonly hook: Hook<ValidatingPolicy, ValidatingAdmissionPolicyBinding>;
  readonly binding: ValidatingAdmissionPolicyBinding;
  readonly request: AdmissionAttributes;
  readonly context: StrategyContext;
  readonly reader: RegistryReader;
  readonly authorizer: Authorizer;
}

/** What one binding has against a request; what it only warns of is told. */
async function judge(given: Judgement): Promise<readonly Denial[]> {
  const { hook, binding, request, context, reader } = given;
  const isFail = hook.policy.spec.failurePolicy !== 'Ignore';
  const name = binding.metadata?.name ?? '';
  let params: readonly (KubeObject | null)[];
  try {
    params = await paramsOf(hook.policy.spec.paramKind, binding, request, reader);
  } catch (error) {
    if (error instanceof StatusError || !(error instanceof Error)) throw error;
    const message = `failed to configure binding: ${error.message}`;
    return isFail ? [{ policy: hook.name, binding: name, message, reason: 'Invalid' }] : [];
  }
  const namespace = await namespaceOf(request, reader);
  const denials: Denial[] = [];
  for (const one of params) {
    for (const { message, reason } of decisionsOf(given, namespace, one)) {
      const actions = binding.spec?.validationActions ?? [];
      if (actions.includes('Deny')) denials.push({ policy: hook.name, binding: name, message, reason });
      if (!actions.includes('Warn')) continue;
      context.warn(`Validation failed for ValidatingAdmissionPolicy '${hook.name}' with binding '${name}': ${message}`);
    }
  }
  return denials;
}

interface Decision {
  readonly message: string;
  readonly reason: string;
}

function decisionsOf(
  { hook: { policy }, request, context, authorizer }: Judgement,
  namespace: KubeObject | undefined,
  params: KubeObject | null,
): readonly Decision[] {
  const isFail = policy.spec.failurePolicy !== 'Ignore';
  const budget = new Budget();
  const values = policyValues(policy, { request, context, namespace, params, authorizer }, budget);
  try {
    if (!conditionsHold(policy.conditions, values, isFail)) return [];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return [{ message: error.message, reason: 'Invalid' }];
  }
  const decisions: Decision[] = [];
  for (const { validation, expression, message } of policy.validations) {
    const outcome = budget.run(expression, values);
    if ('error' in outcome) {
      const why = `expression '${expression.text}' resulted in error: ${outcome.error.message}`;
      if (isFail) decisions.push({ message: why, reason: 'Invalid' });
      if (outcome.error.isFinal) break;
    } else if (outcome.value !== true) {
      const said = message === undefined ? undefined : saidBy(budget.run(message, values));
      const fixed = (validation.message ?? '').trim();
      const text = said || fixed || `failed expression: ${(validation.expression ?? '').trim()}`;
      decisions.push({ message: text, reason: validation.reason ?? 'Invalid' });
    }
  }
  for (const { expression } of policy.annotations) {
    const outcome = budget.run(expression, values);
    if (!('error' in outcome) || !isFail) continue;
    const why = `expression '${expression.text}' resulted in error: ${outcome.error.message}`;
    decisions.push({ message: why, reason: 'Invalid' });
  }
  return decisions;
}

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
