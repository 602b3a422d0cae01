/**
 * Asks webhooks: those that change objects in order, those that judge all at once. What one may not do is refused in one line, and a webhook that cannot be
 * asked refuses or is passed by, as its configuration says.
 * Source: apiserver `admission/plugin/webhook/{mutating,validating}/dispatcher.go`, `webhook/errors/statuserror.go`.
 */
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '#pkg/api/types/admissionregistration-v1.ts';
import { deepClone, deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { applyJsonPatch } from '#pkg/apimachinery/patch/json-patch.ts';
import { badRequest, internalError, type Status, StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader, StrategyContext } from '#pkg/apiserver/strategy.ts';
import type { CallWebhook } from './call-webhook.ts';
import { type Expression, requestValues } from './expressions.ts';
import { compileConditions, conditionsHold } from './policy.ts';
import { putInPlace } from './put-in-place.ts';
import { isExempt, matchesNamespace, matchesObject, matchesRules } from './request-match.ts';
import { askWebhook, type CallContext, type WebhookAnswer } from './webhook-call.ts';

type Webhook = MutatingWebhook | ValidatingWebhook;

/** The webhooks of the configurations that there are, in the order of the names of these. */
export class Webhooks<Configuration extends KubeObject & { readonly webhooks?: readonly Webhook[] }> {
  readonly #configurations = new Map<string, Configuration>();
  #all: readonly Webhook[] | undefined = [];

  get all(): readonly Webhook[] {
    this.#all ??= [...this.#configurations]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, { webhooks }]) => webhooks ?? []);
    return this.#all;
  }

  /** What tells of the configurations. */
  readonly sink: FollowSink<Configuration> = {
    set: (object) => {
      this.#configurations.set(object.metadata?.name ?? '', object);
      this.#all = undefined;
    },
    remove: (object) => {
      this.#configurations.delete(object.metadata?.name ?? '');
      this.#all = undefined;
    },
  };
}

/** Webhooks that change objects. */
export type MutatingWebhooks = Webhooks<MutatingWebhookConfiguration>;
/** Webhooks that judge objects. */
export type ValidatingWebhooks = Webhooks<ValidatingWebhookConfiguration>;

/** What the plugins need. */
export interface WebhookOptions {
  readonly call: CallWebhook;
  readonly authorizer: Authorizer;
}

function mayMatch(webhook: Webhook, request: AdmissionAttributes): boolean {
  return matchesRules(webhook.rules ?? [], request, webhook.matchPolicy !== 'Exact');
}

function handles(webhooks: readonly Webhook[], request: AdmissionAttributes): boolean {
  return webhooks.length > 0 && !isExempt(request) && webhooks.some((webhook) => mayMatch(webhook, request));
}

const conditions = new WeakMap<Webhook, readonly (readonly [string, Expression])[]>();

function conditionsOf(webhook: Webhook): readonly (readonly [string, Expression])[] {
  let compiled = conditions.get(webhook);
  if (compiled === undefined) {
    compiled = compileConditions(webhook.matchConditions, { hasParams: false, hasAuthorizer: true });
    conditions.set(webhook, compiled);
  }
  return compiled;
}

interface Asked {
  readonly request: AdmissionAttributes;
  readonly context: StrategyContext;
  readonly reader: RegistryReader;
  readonly options: WebhookOptions;
}

/** Whether a webhook is to be asked. Throws where its conditions cannot be evaluated and that counts. */
async function isAsked(webhook: Webhook, { request, context, reader, options }: Asked): Promise<boolean> {
  if (!mayMatch(webhook, request) || !matchesObject(webhook.objectSelector, request)) return false;
  if (!(await matchesNamespace(webhook.namespaceSelector, request, reader))) return false;
  const compiled = conditionsOf(webhook);
  if (compiled.length === 0) return true;
  const { authorizer } = options;
  const values = requestValues({
    request,
    user: context.user,
    dryRun: context.dryRun,
    namespace: undefined,
    authorizer,
  });
  try {
    return conditionsHold(compiled, values, webhook.failurePolicy !== 'Ignore');
  } catch (error) {
    throw internalError(new Error(`failed calling webhook ${JSON.stringify(webhook.name)}: ${messageOf(error)}`));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The answer; undefined where there is none and that does not count. Throws a StatusError. */
async function answerOf(
  webhook: Webhook,
  { request, context, reader, options }: Asked,
): Promise<WebhookAnswer | undefined> {
  const name = JSON.stringify(webhook.name);
  const { sideEffects } = webhook;
  if (context.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun') {
    throw badRequest(`admission webhook ${name} does not support dry run`);
  }
  const given: CallContext = { request, context, reader, call: options.call };
  let answer: WebhookAnswer;
  try {
    answer = await askWebhook(webhook, given);
  } catch (error) {
    if (webhook.failurePolicy === 'Ignore') return undefined;
    throw internalError(new Error(`failed calling webhook ${name}: ${messageOf(error)}`));
  }
  for (const warning of answer.warnings) context.warn(warning);
  if (!answer.allowed) throw denial(webhook.name, answer.status);
  return answer;
}

const lowestErrorCode = 400;

function denial(name: string, status: Partial<Status>): StatusError {
  const denied = `admission webhook ${JSON.stringify(name)} denied the request`;
  const { message, reason, code } = status;
  const why = [message, reason].find((text) => typeof text === 'string' && text !== '');
  return new StatusError({
    reason: typeof reason === 'string' ? reason : '',
    ...(isObject(status.details) ? { details: status.details } : {}),
    code: typeof code === 'number' && code >= lowestErrorCode ? code : lowestErrorCode,
    message: why === undefined ? `${denied} without explanation` : `${denied}: ${String(why)}`,
  });
}

/** Judges after all changes, all at once; the first in order that refuses is the one that is told. */
export function validatingWebhooksPlugin(webhooks: ValidatingWebhooks, options: WebhookOptions): AdmissionPlugin {
  return {
    name: 'ValidatingAdmissionWebhook',
    handles: (request) => handles(webhooks.all, request),
    async validate(request, context, reader) {
      const asked = { request, context, reader, options };
      const ask = async (webhook: Webhook): Promise<void> => {
        if (await isAsked(webhook, asked)) await answerOf(webhook, asked);
      };
      for (const outcome of await Promise.allSettled(webhooks.all.map(ask))) {
        if (outcome.status === 'rejected') throw outcome.reason;
      }
    },
  };
}

/** Changes objects in order; who asks for it is asked again once another has changed the object after it. */
export function mutatingWebhooksPlugin(webhooks: MutatingWebhooks, options: WebhookOptions): AdmissionPlugin {
  return {
    name: 'MutatingAdmissionWebhook',
    handles: (request) => handles(webhooks.all, request),
    async admit(request, context, reader) {
      const asked = { request, context, reader, options };
      const { all } = webhooks;
      let lastChange = -1;
      for (const [index, webhook] of all.entries()) if (await changedBy(webhook, asked)) lastChange = index;
      for (const webhook of all.slice(0, Math.max(0, lastChange))) {
        if ('reinvocationPolicy' in webhook && webhook.reinvocationPolicy === 'IfNeeded')
          await changedBy(webhook, asked);
      }
    },
  };
}

/** Asks a webhook and does what it says; whether that changed the object. */
async function changedBy(webhook: Webhook, asked: Asked): Promise<boolean> {
  if (!(await isAsked(webhook, asked))) return false;
  const answer = await answerOf(webhook, asked);
  if (answer?.patch === undefined) return false;
  const { request, reader } = asked;
  const { draft } = request;
  const name = JSON.stringify(webhook.name);
  if (draft === undefined || request.operation === 'CONNECT') {
    const why = 'attempted to modify the object, which is not supported for this operation';
    throw internalError(new Error(`admission webhook ${name} ${why}`));
  }
  const result = applyJsonPatch(deepClone(draft), answer.patch);
  if (!result.ok)
    throw internalError(new Error(`admission webhook ${name}: ${String(result.error.cause ?? result.error.message)}`));
  if (!isObject(result.value)) throw internalError(new Error(`admission webhook ${name} made no object`));
  const made = reader.remade(request, result.value);
  const changed = identityChange(draft, result.value);
  if (changed !== undefined)
    throw internalError(new Error(`admission webhook ${name} attempted to change ${changed}, which it may not`));
  if (deepEqual(made, draft)) return false;
  putInPlace(draft, made);
  return true;
}

/** What says which object it is. */
function identityChange(before: JsonObject, after: JsonObject): string | undefined {
  for (const field of ['apiVersion', 'kind']) if (before[field] !== after[field]) return field;
  const [was, is] = [before.metadata, after.metadata];
  if (!isObject(was) || !isObject(is)) return is === was ? undefined : 'metadata';
  const field = ['name', 'namespace', 'uid', 'generateName'].find((one) => was[one] !== is[one]);
  return field === undefined ? undefined : `metadata.${field}`;
}
