/**
 * Bodies that end with a spec that came before: `"spec":{…}}`, byte by byte. Only what stands before it is read then, as who makes a thousand pods of one
 * template sends the same end with each.
 *
 * Invariant: what such a body is read as is what all of it would be read as, but for the spec, which is known. An end is remembered of bodies alone in which
 * it was found to be the value of the last field, without a fault; where the rest with another value in its place is JSON of which that is the last field, the
 * whole is too.
 */
import { Buffer } from 'node:buffer';
import { decodeJson } from '#pkg/apimachinery/decode.ts';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { RecentTexts } from '../recent-texts.ts';
import type { SpecRules } from '../strategy.ts';
import { mediaTypeOf, type RawBody, rawBody } from './body.ts';
import { knownSpec, type SentSpec } from './known-specs.ts';
import type { Scope } from './scope.ts';

const fieldStart = Buffer.from('"spec":');
const placeholder = '"spec":null}';

/** The text of a spec as `SentSpec` has it, by the end of a body, read as latin1. */
const endsBy = new WeakMap<SpecRules, RecentTexts<string>>();

/** A body without its spec, which is known. */
export interface KnownEnd {
  /** Its value has null in the place of the spec. */
  readonly raw: RawBody;
  readonly sent: SentSpec;
}

/** The same of a body that begins otherwise; undefined where the body has to be read as a whole. */
export function bodyOfKnownEnd({ served, request, body }: Scope, findDuplicates: boolean): KnownEnd | undefined {
  const { specRules } = served.strategy;
  const ends = specRules && endsBy.get(specRules);
  if (specRules === undefined || ends === undefined || body?.kind !== 'bytes') return undefined;
  const bytes = bufferOf(body.bytes);
  const at = bytes.lastIndexOf(fieldStart);
  const text = at < 0 ? undefined : ends.get(bytes.toString('latin1', at));
  const known = text === undefined ? undefined : knownSpec(specRules, text);
  if (text === undefined || known === undefined || mediaTypeOf(request) !== 'application/json') return undefined;
  const raw = bodyBefore(bytes, at, findDuplicates);
  return raw && { raw, sent: { text, known } };
}

/** Remembers the end of a body that was read whole and has no fault, whose spec is `text`. */
export function rememberEnd({ served, request }: Scope, { bytes: all, duplicates }: RawBody, { text }: SentSpec): void {
  const { specRules } = served.strategy;
  if (specRules === undefined || duplicates.length > 0 || mediaTypeOf(request) !== 'application/json') return;
  const bytes = bufferOf(all);
  const at = bytes.lastIndexOf(fieldStart);
  if (at < 0 || bodyBefore(bytes, at, true) === undefined || specIn(bytes.toString('utf8', at)) !== text) return;
  const ends = endsBy.get(specRules) ?? new RecentTexts<string>();
  endsBy.set(specRules, ends);
  ends.set(bytes.toString('latin1', at), text);
}

/** Undefined where the field that begins at `at` is not the last one of the body, or there is more to be known of the rest than its value. */
function bodyBefore(bytes: Buffer, at: number, findDuplicates: boolean): RawBody | undefined {
  const decoded = decodeJson(bytes.toString('utf8', 0, at) + placeholder, { findDuplicates, wholeIntegers: true });
  if (!decoded.ok || decoded.numbers !== undefined || !isObject(decoded.value)) return undefined;
  const value: JsonObject = decoded.value;
  let last = '';
  for (const name in value) last = name;
  if (last !== 'spec' || value.spec !== null || value.status !== undefined) return undefined;
  return rawBody(decoded, bytes);
}

/** The text of the only field of an object that ends so. */
function specIn(end: string): string | undefined {
  const decoded = decodeJson(`{${end}`);
  return decoded.ok && isObject(decoded.value) ? jsonText(decoded.value.spec) : undefined;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
