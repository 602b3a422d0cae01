/**
 * One call of a webhook: what is sent, over which connection, and what may be answered. An answer that takes too long, is too long or makes no
 * sense is an error with one clear line; it never changes anything.
 * Source: apiserver `admission/plugin/webhook/{generic,request}`, `util/webhook/client.go`; admission/v1 `AdmissionReview`.
 */
import type { WebhookClientConfig } from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { isObject, jsonText, parseJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Status } from '#pkg/apimachinery/status-error.ts';
import type { RegistryReader, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { CallWebhook } from '../../remote/call-webhook.ts';
import { identityOf, type MatchedRequest } from './matched-request.ts';
import { postToWebhook } from './post-webhook.ts';

/** What a webhook says. */
export interface WebhookAnswer {
  readonly allowed: boolean;
  /** Why not, as far as it says so. */
  readonly status: Partial<Status>;
  /** A JSON patch. */
  readonly patch: unknown;
  readonly warnings: readonly string[];
  /** For the audit events, by what comes after the webhook's name. */
  readonly auditAnnotations: readonly (readonly [string, string])[];
}

/** A webhook, as far as its call goes. */
export interface CalledWebhook {
  readonly clientConfig?: Given<WebhookClientConfig>;
  readonly timeoutSeconds?: number;
  readonly admissionReviewVersions?: readonly string[];
}

/** Source: the default of `timeoutSeconds`. */
const timeoutSeconds = 10;

/** What is sent. */
export interface CallContext {
  readonly request: MatchedRequest;
  readonly context: StrategyContext;
  readonly reader: RegistryReader;
  readonly call: CallWebhook;
  /** Of the objects that were sent already and are as they were. */
  readonly texts: ObjectTexts;
}

/** The JSON of objects, written once for all webhooks that are told of them. Whoever changes an object forgets its text. */
export class ObjectTexts {
  readonly #texts = new Map<JsonObject, string>();

  of(object: JsonObject | undefined): string {
    if (object === undefined) return 'null';
    let text = this.#texts.get(object);
    if (text === undefined) {
      text = jsonText(object);
      this.#texts.set(object, text);
    }
    return text;
  }

  forget(): void {
    this.#texts.clear();
  }
}

/** Asks a webhook. Throws an `Error` that says why there is no answer. */
export async function askWebhook(webhook: CalledWebhook, given: CallContext): Promise<WebhookAnswer> {
  const version = webhook.admissionReviewVersions?.find((one) => one === 'v1' || one === 'v1beta1') ?? 'v1';
  const apiVersion = `admission.k8s.io/${version}`;
  const uid = given.context.random.uuid();
  const seconds = webhook.timeoutSeconds ?? timeoutSeconds;
  const { reader, call, context, texts, request } = given;
  const told = jsonText(reviewOf(given, uid)).slice(0, -1);
  const objects = `"object":${texts.of(request.draft)},"oldObject":${texts.of(request.old)}`;
  const body = `{"kind":"AdmissionReview","apiVersion":"${apiVersion}","request":${told},${objects}}}`;
  const clock = context.networkClock;
  let text: string;
  try {
    text = await postToWebhook(webhook.clientConfig ?? {}, { body, seconds, reader, call, clock });
  } catch (error) {
    throw new Error(`failed to call webhook: ${errorText(error)}`, { cause: error });
  }
  return readAnswer(text, { apiVersion, uid });
}

/** What a review says beside the objects. */
function reviewOf({ request, context: { user, dryRun } }: CallContext, uid: string): JsonObject {
  const { subresource, name, namespace, operation } = request;
  const sub = subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource };
  return {
    uid,
    ...identityOf(request),
    ...sub,
    ...(name === '' ? {} : { name }),
    ...(namespace === '' ? {} : { namespace }),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      groups: user.groups,
      ...(user.extra === undefined ? {} : { extra: user.extra }),
    },
    dryRun,
    options: null,
  };
}

function invalidAnswer(why: string): Error {
  return new Error(`received invalid webhook response: ${why}`);
}

/** Source: apiserver `webhook/request/admissionreview.go` `VerifyAdmissionResponse`. */
function readAnswer(text: string, wanted: { readonly apiVersion: string; readonly uid: string }): WebhookAnswer {
  // What it is is looked at field by field.
  let review: {
    kind?: unknown;
    apiVersion?: unknown;
    response?: Readonly<Record<string, unknown>> & { status?: Partial<Status> };
  };
  try {
    review = JSON.parse(text);
  } catch (error) {
    throw invalidAnswer(errorText(error));
  }
  if (!isObject(review) || !isObject(review.response)) throw invalidAnswer('webhook response was absent');
  const { kind, apiVersion, response } = review;
  if (kind !== 'AdmissionReview' || apiVersion !== wanted.apiVersion) {
    const found = `${String(apiVersion)}, Kind=${String(kind)}`;
    throw invalidAnswer(`expected webhook response of ${wanted.apiVersion}, Kind=AdmissionReview, got ${found}`);
  }
  if (response.uid !== wanted.uid) {
    throw invalidAnswer(
      `expected response.uid=${JSON.stringify(wanted.uid)}, got ${JSON.stringify(response.uid ?? '')}`,
    );
  }
  const { patch, patchType, warnings, auditAnnotations } = response;
  const hasPatch = typeof patch === 'string' && patch !== '';
  if (hasPatch && patchType !== 'JSONPatch') {
    throw invalidAnswer(
      patchType === undefined
        ? 'response.patchType not set, but response.patch is'
        : `unsupported patch type ${JSON.stringify(patchType)}`,
    );
  }
  return {
    allowed: response.allowed === true,
    status: response.status ?? {},
    patch: hasPatch ? readPatch(patch) : undefined,
    warnings: Array.isArray(warnings) ? warnings.filter((one) => typeof one === 'string') : [],
    auditAnnotations: Object.entries(isObject(auditAnnotations) ? auditAnnotations : {}).flatMap(([key, value]) =>
      typeof value === 'string' ? [[key, value]] : [],
    ),
  };
}

function readPatch(patch: string): unknown {
  try {
    return parseJson(Buffer.from(patch, 'base64').toString());
  } catch (error) {
    throw invalidAnswer(`response.patch is no JSON patch: ${errorText(error)}`);
  }
}
