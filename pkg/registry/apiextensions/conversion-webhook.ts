/**
 * The conversion of custom resources by their webhook: what is asked, and what may be answered. A webhook changes what it likes of an object but which
 * object it is: of the metadata it may change labels and annotations, and what else it says of them is not looked at. An answer that makes no sense
 * converts nothing, and is told in one clear line.
 *
 * Limits: one review has at most `reviewObjectsMax` objects and `reviewBytesMax` of JSON, unless a single object is longer; an answer may take
 * `timeoutSeconds`. Its length is bounded by whoever calls.
 * Source: apiextensions-apiserver `pkg/apiserver/conversion/webhook_converter.go`; `apiextensions.k8s.io/v1` `ConversionReview`.
 */
import type { CustomResourceDefinition } from '#pkg/api/types/apiextensions-v1.ts';
import { isObject, jsonText, parseJson } from '#pkg/apimachinery/json.ts';
import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { ConvertObjects } from '#pkg/apiserver/converters/structural-remote.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Random } from '#pkg/base/random.ts';
import { postToWebhook, type WebhookPost } from '../admission/registered/post-webhook.ts';
import { convertedMetadata } from './converted-metadata.ts';

/** By which means webhooks are asked. */
export interface ConversionDeps extends Pick<WebhookPost, 'call' | 'clock' | 'reader'> {
  readonly random: Random;
}

/** Source: apiserver `util/webhook/client.go`, which leaves it at the default of webhooks that have none of their own. */
const timeoutSeconds = 30;

const reviewObjectsMax = 100;
const reviewBytesMax = 1024 * 1024;

/** Converts the objects of a definition whose strategy is `Webhook`. */
export function conversionWebhook(crd: CustomResourceDefinition, deps: ConversionDeps): ConvertObjects {
  const versions = new Set(crd.spec.versions.map(({ name }) => `${crd.spec.group}/${name}`));
  return async (objects, apiVersion) => {
    const converted = [...objects];
    for (const batch of batchesOf(objects, apiVersion, versions)) {
      const results = await ask(crd, batch, { ...deps, apiVersion });
      for (const [index, { at }] of batch.entries()) converted[at] = results[index] ?? {};
    }
    return converted;
  };
}

/** An object to be converted, and which of all it is. */
interface Asked {
  readonly object: JsonObject;
  readonly at: number;
}

function* batchesOf(
  objects: readonly JsonObject[],
  apiVersion: string,
  versions: ReadonlySet<unknown>,
): Generator<readonly Asked[]> {
  let batch: Asked[] = [];
  let bytes = 0;
  for (const [at, object] of objects.entries()) {
    if (object.apiVersion === apiVersion) continue;
    if (!versions.has(object.apiVersion)) {
      throw refusal(`request to convert CR from an invalid group/version: ${String(object.apiVersion)}`);
    }
    const size = jsonText(object).length;
    if (batch.length === reviewObjectsMax || (batch.length > 0 && bytes + size > reviewBytesMax)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push({ object, at });
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

async function ask(
  { spec }: CustomResourceDefinition,
  batch: readonly Asked[],
  { apiVersion, random, ...deps }: ConversionDeps & { readonly apiVersion: string },
): Promise<readonly JsonObject[]> {
  const { clientConfig = {}, conversionReviewVersions = [] } = spec.conversion?.webhook ?? {};
  const version = conversionReviewVersions.find((one) => one === 'v1' || one === 'v1beta1');
  if (version === undefined) throw refusal('no supported conversion review versions');
  const uid = random.uuid();
  const review = `apiextensions.k8s.io/${version}`;
  const request = { uid, desiredAPIVersion: apiVersion, objects: batch.map(({ object }) => object) };
  const body = jsonText({ kind: 'ConversionReview', apiVersion: review, request, response: noResponse });
  const of = `conversion webhook for ${titleOf(batch[0]?.object ?? {})}`;
  let objects: readonly unknown[];
  try {
    const text = await postToWebhook(clientConfig, { ...deps, body, seconds: timeoutSeconds });
    objects = readReview(text, { review, uid, isLenient: version === 'v1beta1' });
  } catch (error) {
    throw refusal(`${of} failed: ${errorText(error)}`, error);
  }
  if (objects.length !== batch.length) {
    throw refusal(`${of} returned ${objects.length} objects, expected ${batch.length}`);
  }
  return batch.map(({ object }, index) => {
    const converted = objects[index];
    const where = batch.length === 1 ? '' : ` at index ${index}`;
    return checked(object, converted, { apiVersion, of, where });
  });
}

/** Go writes an empty one with every request. */
const noResponse = { uid: '', convertedObjects: null, result: { metadata: {} } };

/** A kind as Go prints it. */
function titleOf({ apiVersion, kind }: JsonObject): string {
  return `${String(apiVersion)}, Kind=${String(kind)}`;
}

function refusal(message: string, cause?: unknown): StatusError {
  return new StatusError({ code: 500, reason: '', message, details: {}, ...(cause === undefined ? {} : { cause }) });
}

interface Expected {
  readonly review: string;
  readonly uid: string;
  /** Answers of the beta are not asked whose they are. */
  readonly isLenient: boolean;
}

/** The objects of an answer. Throws an `Error` that says why there are none. */
function readReview(text: string, { review, uid, isLenient }: Expected): readonly unknown[] {
  let answer: unknown;
  try {
    answer = parseJson(text);
  } catch (error) {
    throw new Error(`couldn't get version/kind; json parse error: ${errorText(error)}`);
  }
  if (!isObject(answer)) throw new Error('no response provided');
  const { apiVersion, kind, response } = answer;
  if (!isLenient && (apiVersion !== review || kind !== 'ConversionReview')) {
    throw new Error(`expected webhook response of ${review}, Kind=ConversionReview, got ${titleOf(answer)}`);
  }
  if (!isObject(response)) throw new Error('no response provided');
  if (!isLenient && response.uid !== uid) {
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  }
  const { status, message } = isObject(response.result) ? response.result : {};
  if (status !== 'Success') {
    if (typeof message === 'string' && message !== '') throw new Error(message);
    throw new Error(`response.result.status was '${String(status ?? '')}', not 'Success'`);
  }
  return Array.isArray(response.convertedObjects) ? response.convertedObjects : [];
}

interface Place {
  readonly apiVersion: string;
  /** `conversion webhook for …`. */
  readonly of: string;
  /** ` at index 3`, where there were several. */
  readonly where: string;
}

/** The converted object with the metadata that it has to have. Throws a `StatusError` for one that is not the object that was sent. */
function checked(original: JsonObject, converted: unknown, { apiVersion, of, where }: Place): JsonObject {
  const what = where === '' ? 'object' : 'converted object';
  const returned = `${of} returned invalid ${what}`;
  if (!isObject(converted)) throw refusal(`${returned}${where}: it is no object`);
  const gv = parseApiVersion(typeof converted.apiVersion === 'string' ? converted.apiVersion : '');
  const at = where === '' ? ' at index 0' : where;
  if (gv === undefined || converted.apiVersion !== apiVersion) {
    const got = String(converted.apiVersion ?? '');
    throw refusal(`${returned}${at}: invalid groupVersion (expected ${apiVersion}, received ${got})`);
  }
  if (converted.kind !== original.kind) {
    const got = String(converted.kind ?? '');
    throw refusal(`${returned}${at}: invalid kind (expected ${String(original.kind)}, received ${got})`);
  }
  const outcome = convertedMetadata(original.metadata, converted.metadata);
  if (outcome.ok) return { ...converted, metadata: outcome.metadata };
  if (outcome.isOther) throw refusal(`${returned}${where}: ${outcome.why}`);
  const place = where === '' ? 'metadata' : 'metadata in object';
  throw refusal(`${of} returned invalid ${place}${where}: ${outcome.why}`);
}
