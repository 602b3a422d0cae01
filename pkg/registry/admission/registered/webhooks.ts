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
import type { Metrics } from '#pkg/base/metrics.ts';
import type { CallWebhook } from '../../remote/call-webhook.ts';
import { type Expression, requestValues } from './expressions.ts';
import { KindIndex } from './kind-index.ts';
import { type MatchedRequest, requestAs } from './matched-request.ts';
import { compileConditions, conditionsHold } from './policy.ts';
import { putInPlace } from './put-in-place.ts';
import { isExempt, matchedAs, matchesNamespace, matchesObject, mayMatchKind } from './request-match.ts';
import { askWebhook, type CallContext, ObjectTexts, type WebhookAnswer } from './webhook-call.ts';
import { type CountedCall, WebhookCounts } from './webhook-counts.ts';

type Webhook = MutatingWebhook | ValidatingWebhook;

/** A webhook, the name of the configuration that it is in, and its place among all. */
interface Registered {
  readonly webhook: Webhook;
  readonly configuration: string;
  readonly index: number;
}

/** The webhooks of the configurations that there are, in the order of the names of these. */
export class Webhooks<Configuration extends KubeObject & { readonly webhooks?: readonly Webhook[] }> {
  readonly #configurations = new Map<string, Configuration>();
  readonly #index = new KindIndex<readonly Registered[]>();
  #all: readonly Registered[] | undefined = [];

  /** Those that may be about a request, in their order. */
  about(request: AdmissionAttributes): readonly Registered[] {
    const all = this.#known();
    return all.length === 0 ? all : this.#index.of(request, (kind) => mayConcern(all, kind));
  }

  #known(): readonly Registered[] {
    this.#all ??= [...this.#configurations]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([configuration, { webhooks = [] }]) => webhooks.map((webhook) => ({ webhook, configuration })))
      .map((one, index) => ({ ...one, index }));
    return this.#all;
  }

  #changed(): void {
    this.#all = undefined;
    this.#index.clear();
  }

  /** What tells of the configurations. */
  readonly sink: FollowSink<Configuration> = {
    set: (object) => {
      this.#configurations.set(object.metadata?.name ?? '', object);
      this.#changed();
    },
    remove: (object) => {
      this.#configurations.delete(object.metadata?.name ?? '');
      this.#changed();
    },
  };
}

function mayConcern(all: readonly Registered[], request: AdmissionAttributes): readonly Registered[] {
  if (isExempt(request)) return [];
  return all.filter(({ webhook: { rules = [], matchPolicy } }) =>
    mayMatchKind(rules, request, matchPolicy !== 'Exact'),
  );
}

/** Webhooks that change objects. */
export type MutatingWebhooks = Webhooks<MutatingWebhookConfiguration>;
/** Webhooks that judge objects. */
export type ValidatingWebhooks = Webhooks<ValidatingWebhookConfiguration>;

/** What the plugins need. */
export interface WebhookOptions {
  readonly call: CallWebhook;
  readonly authorizer: Authorizer;
  /** Default: nothing is counted. */
  readonly counts?: WebhookCounts;
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
  readonly type: CountedCall['type'];
  readonly texts: ObjectTexts;
}

function askedOf(given: Omit<Asked, 'texts'>): Asked {
  return { ...given, texts: new ObjectTexts() };
}

/** The request as a webhook is to be asked about it; undefined where it is not. Throws where its conditions cannot be evaluated and that counts. */
async function requestFor(webhook: Webhook, asked: Asked): Promise<MatchedRequest | undefined> {
  const { request, context, reader, options } = asked;
  const isEquivalent = webhook.matchPolicy !== 'Exact';
  const subject = matchedAs(webhook.rules ?? [], request, { isEquivalent, reader });
  if (subject === undefined || !matchesObject(webhook.objectSelector, request)) return undefined;
  if (!(await matchesNamespace(webhook.namespaceSelector, request, reader))) return undefined;
  const matched = await requestAs(request, subject, reader);
  const compiled = conditionsOf(webhook);
  if (compiled.length === 0) return matched;
  const { authorizer } = options;
  const values = requestValues({
    request: matched,
    user: context.user,
    dryRun: context.dryRun,
    namespace: undefined,
    authorizer,
  });
  try {
    return conditionsHold(compiled, values, webhook.failurePolicy !== 'Ignore') ? matched : undefined;
  } catch (error) {
    throw internalError(new Error(`failed calling webhook ${JSON.stringify(webhook.name)}: ${messageOf(error)}`));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What came of a call. */
type Outcome =
  | { readonly sort: 'answered'; readonly answer: WebhookAnswer }
  | { readonly sort: 'passedBy' }
  | { readonly sort: 'refused'; readonly error: StatusError };

/** Asks, counts, and leaves a word for the audit. Undefined where there is no answer and that does not count. Throws a StatusError. */
async function answerOf(
  webhook: Webhook,
  request: MatchedRequest,
  { asked, place }: { readonly asked: Asked; readonly place: string },
): Promise<WebhookAnswer | undefined> {
  const { context, options, type } = asked;
  const startMs = context.networkClock.monotonicMs();
  const outcome = await outcomeOf(webhook, request, asked);
  options.counts?.count({
    name: webhook.name,
    type,
    operation: request.operation,
    seconds: (context.networkClock.monotonicMs() - startMs) / 1_000,
    code: outcome.sort === 'answered' ? 200 : outcome.sort === 'refused' ? outcome.error.code : unavailableCode,
    isRefused: outcome.sort === 'refused',
  });
  if (outcome.sort === 'passedBy') context.audit?.annotate(`failed-open.${place}`, webhook.name);
  if (outcome.sort === 'refused') throw outcome.error;
  return outcome.sort === 'answered' ? outcome.answer : undefined;
}

/** Source: upstream counts those that cannot be asked so. */
const unavailableCode = 503;

async function outcomeOf(
  webhook: Webhook,
  request: MatchedRequest,
  { context, reader, options, texts }: Asked,
): Promise<Outcome> {
  const name = JSON.stringify(webhook.name);
  const { sideEffects } = webhook;
  if (context.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun') {
    const error = badRequest(`admission webhook ${name} does not support dry run`);
    return { sort: 'refused', error };
  }
  const given: CallContext = { request, context, reader, call: options.call, texts };
  let answer: WebhookAnswer;
  try {
    answer = await askWebhook(webhook, given);
  } catch (error) {
    if (webhook.failurePolicy === 'Ignore') return { sort: 'passedBy' };
    const told = internalError(new Error(`failed calling webhook ${name}: ${messageOf(error)}`));
    return { sort: 'refused', error: told };
  }
  for (const [key, value] of answer.auditAnnotations) context.audit?.annotate(`${webhook.name}/${key}`, value);
  for (const warning of answer.warnings) context.warn(warning);
  if (answer.allowed) return { sort: 'answered', answer };
  return { sort: 'refused', error: denial(webhook.name, answer.status) };
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
export function validatingWebhooksPlugin(webhooks: ValidatingWebhooks, given: WebhookOptions): AdmissionPlugin {
  const counting = new Counting(given);
  return {
    name: 'ValidatingAdmissionWebhook',
    countIn: counting.in,
    handles: (request) => webhooks.about(request).length > 0,
    async validate(request, context, reader) {
      const asked = askedOf({ request, context, reader, options: counting.options, type: 'validating' });
      const ask = async ({ webhook, index }: Registered): Promise<void> => {
        const matched = await requestFor(webhook, asked);
        const place = `validating.webhook.admission.k8s.io/round_0_index_${index}`;
        if (matched !== undefined) await answerOf(webhook, matched, { asked, place });
      };
      for (const outcome of await Promise.allSettled(webhooks.about(request).map(ask))) {
        if (outcome.status === 'rejected') throw outcome.reason;
      }
    },
  };
}

/** Changes objects in order; who asks for it is asked again once another has changed the object after it. */
export function mutatingWebhooksPlugin(webhooks: MutatingWebhooks, given: WebhookOptions): AdmissionPlugin {
  const counting = new Counting(given);
  return {
    name: 'MutatingAdmissionWebhook',
    countIn: counting.in,
    handles: (request) => webhooks.about(request).length > 0,
    async admit(request, context, reader) {
      const asked = askedOf({ request, context, reader, options: counting.options, type: 'admit' });
      const about = webhooks.about(request);
      let lastChange = -1;
      for (const [place, one] of about.entries()) if (await changedBy(one, asked, 0)) lastChange = place;
      for (const one of about.slice(0, Math.max(0, lastChange))) {
        const { webhook } = one;
        const isAgain = 'reinvocationPolicy' in webhook && webhook.reinvocationPolicy === 'IfNeeded';
        if (isAgain) await changedBy(one, asked, 1);
      }
    },
  };
}

/** The options of a plugin, with the counts of the server that it comes to be in. */
class Counting {
  options: WebhookOptions;

  constructor(options: WebhookOptions) {
    this.options = options;
  }

  readonly in = (metrics: Metrics): void => {
    this.options = { ...this.options, counts: new WebhookCounts(metrics) };
  };
}

/** Asks a webhook and does what it says; whether that changed the object. */
async function changedBy({ webhook, configuration, index }: Registered, asked: Asked, round: number): Promise<boolean> {
  const matched = await requestFor(webhook, asked);
  if (matched === undefined) return false;
  const place = `mutation.webhook.admission.k8s.io/round_${round}_index_${index}`;
  let mutated = false;
  try {
    const answer = await answerOf(webhook, matched, { asked, place });
    if (answer?.patch !== undefined) mutated = await patchedBy(webhook.name, { matched, asked, patch: answer.patch });
    return mutated;
  } finally {
    const { audit } = asked.context;
    audit?.annotate(place, JSON.stringify({ configuration, webhook: webhook.name, mutated }));
  }
}

async function patchedBy(
  webhook: string,
  { matched, asked, patch }: { readonly matched: MatchedRequest; readonly asked: Asked; readonly patch: unknown },
): Promise<boolean> {
  const { request, reader } = asked;
  const { draft } = matched;
  const name = JSON.stringify(webhook);
  if (draft === undefined || request.draft === undefined || request.operation === 'CONNECT') {
    const why = 'attempted to modify the object, which is not supported for this operation';
    throw internalError(new Error(`admission webhook ${name} ${why}`));
  }
  const result = applyJsonPatch(deepClone(draft), patch);
  if (!result.ok)
    throw internalError(new Error(`admission webhook ${name}: ${String(result.error.cause ?? result.error.message)}`));
  if (!isObject(result.value)) throw internalError(new Error(`admission webhook ${name} made no object`));
  const made = reader.remade(matched, result.value);
  const changed = identityChange(draft, result.value);
  if (changed !== undefined)
    throw internalError(new Error(`admission webhook ${name} attempted to change ${changed}, which it may not`));
  if (deepEqual(made, draft)) return false;
  const back =
    matched.asked === undefined ? made : reader.remade(request, await reader.inVersion(made, matched, request));
  putInPlace(request.draft, back);
  asked.texts.forget();
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
