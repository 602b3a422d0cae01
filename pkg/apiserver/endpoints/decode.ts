/** From a decoded value to a draft of its kind, and what every draft gets. */
import { kindFact, typeSchema } from '#pkg/api/facts.ts';
import { inTextOrder, strictDecodingError } from '#pkg/api/validation/decode-errors.ts';
import { applySchemaDefaults } from '#pkg/api/validation/defaults.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import type { NumberTexts } from '#pkg/apimachinery/decode.ts';
import { invalidObject } from '#pkg/apimachinery/field-error.ts';
import { deepClone, isObject } from '#pkg/apimachinery/json.ts';
import {
  apiVersionOf,
  type GroupVersionKind,
  type JsonObject,
  type KubeObject,
  type ObjectMeta,
} from '#pkg/apimachinery/object.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import { noFields, writeObjects, writeUnset } from '#pkg/apimachinery/write-unset.ts';
import { checkKind, readBody } from './body.ts';
import { bodyOfKnownEnd, rememberEnd } from './known-ends.ts';
import { type SentSpec, sentSpec } from './known-specs.ts';
import { cannotBeHandled } from './refused-bodies.ts';
import type { Scope } from './scope.ts';
import type { FieldValidation } from './write-options.ts';

/** What a body is read as. */
export interface BodyKind extends GroupVersionKind {
  readonly apiVersion: string;
  readonly schema: ObjectSchema;
}

/** A kind of the API's types, for bodies that are not the served object itself. */
export function bodyKind(gvk: GroupVersionKind): BodyKind {
  return { ...gvk, apiVersion: apiVersionOf(gvk), schema: typeSchema(kindFact(gvk)!.type) };
}

/** What the resource of the request is read as. */
export function servedKind({ served }: Scope): BodyKind {
  const { group, version, kind } = served.info;
  return { group, version, kind, apiVersion: served.apiVersion, schema: served.schema };
}

/**
 * The draft that the body holds, which belongs to the caller, but for lists of `stored` that the body has too. Throws BadRequest and
 * UnsupportedMediaType.
 */
export function decodeDraft(scope: Scope, validation: FieldValidation, stored?: KubeObject): JsonObject {
  const kind = servedKind(scope);
  const raw = readBody(scope, kind.kind, validation !== 'Ignore');
  const value = checkKind(raw, kind);
  const draft = draftOf(scope, value, { ...raw, kind, validation, ...(stored === undefined ? {} : { stored }) });
  tellSent(scope, draft);
  return draft;
}

/** The draft of a new object, and its spec as it was sent. One that came before is copied and neither decoded nor completed again. */
export function decodeNew(
  scope: Scope,
  validation: FieldValidation,
): { readonly draft: JsonObject; readonly sent: SentSpec | undefined } {
  const kind = servedKind(scope);
  const ended = bodyOfKnownEnd(scope, validation !== 'Ignore');
  const raw = ended?.raw ?? readBody(scope, kind.kind, validation !== 'Ignore');
  const value = checkKind(raw, kind);
  const sent = ended?.sent ?? sentSpec(scope, value, raw);
  const { known } = sent ?? {};
  if (sent !== undefined && known !== undefined && ended === undefined && validation !== 'Ignore')
    rememberEnd(scope, raw, sent);
  const draft = draftOf(scope, known === undefined ? value : { ...value, spec: undefined }, {
    ...raw,
    kind,
    validation,
  });
  if (known !== undefined) draft.spec = deepClone(known.spec);
  // Of what has a fault nothing is remembered.
  return { draft, sent: scope.warnings.length > 0 && known === undefined ? undefined : sent };
}

/** The same for a body of another kind than the served one. */
export function decodeBody(scope: Scope, kind: BodyKind, validation: FieldValidation): JsonObject {
  const raw = readBody(scope, kind.kind, validation !== 'Ignore');
  const value = checkKind(raw, kind);
  const draft = draftOf(scope, value, { ...raw, kind, validation });
  scope.audit?.sent(draft);
  return draft;
}

/** How a value becomes a draft, and how strictly. */
export interface DraftOptions {
  /** By default what is served. */
  readonly kind?: BodyKind;
  readonly validation: FieldValidation;
  readonly owned: boolean;
  readonly duplicates?: readonly string[];
  /** The text that the value comes from, in whose order faults are told; by default duplicates come first. */
  readonly json?: string;
  readonly numbers?: NumberTexts;
  /** The value is an apply configuration, whose zero values are claims. */
  readonly keepsEmpty?: boolean;
  /** What is stored, of which the value may have parts: lists of its metadata are then shared with it, and what it has is not checked again. */
  readonly stored?: KubeObject;
  /** Refuses a value that does not fit; by default as a body that does not fit. */
  readonly refuse?: (why: string) => StatusError;
}

/** A draft of a value that is said to be of the kind. Throws BadRequest; warns of what `Warn` lets pass. */
export function draftOf(scope: Scope, value: JsonObject, options: DraftOptions): JsonObject {
  const kind = options.kind ?? servedKind(scope);
  const { stored } = options;
  const kept = stored === undefined ? noFields : fieldsKept(scope, value, stored);
  const isMetadataStored = stored?.metadata !== undefined && value.metadata === stored.metadata;
  const refuse = options.refuse ?? ((why: string) => cannotBeHandled(kind, kind.kind, why));
  const { object, typeError, strictErrors, isMisfit } = convertAndCheck(
    isMetadataStored || kept.size > 0 ? withoutKept(value, kept, isMetadataStored) : value,
    kind.schema,
    {
      strict: options.validation,
      owned: options.owned,
      keepsEmpty: options.keepsEmpty === true,
      ...(options.numbers === undefined ? {} : { numbers: options.numbers }),
      ...(stored === undefined || isMetadataStored ? {} : { known: listsOf(stored) }),
    },
  );
  if (typeError !== undefined) throw refuse(typeError);
  let faults = options.duplicates?.length ? [...options.duplicates, ...strictErrors] : strictErrors;
  if (options.json !== undefined) faults = inTextOrder(options.json, faults);
  if (faults.length > 0) {
    if (options.validation === 'Strict') throw refuse(strictDecodingError(faults));
    if (options.validation === 'Warn') scope.warnings.push(...faults);
  }
  if (isMetadataStored) object.metadata = copyOfMetadata(stored.metadata);
  for (const name of kept) object[name] = value[name];
  object.kind = kind.kind;
  object.apiVersion = kind.apiVersion;
  if (isMisfit === true) refuseMisfit(scope, object);
  return object;
}

/** Throws Invalid with all that is wrong: whoever comes next relies on lists being lists. */
function refuseMisfit({ served }: Scope, object: JsonObject): void {
  const errors = served.checkValues?.(object) ?? [];
  const { name } = (isObject(object.metadata) ? object.metadata : {}) as { readonly name?: string };
  if (errors.length > 0) throw invalidObject(served.info, name ?? '', errors);
}

/** The lists that make up most of an object's metadata. A draft's are put in its place as a whole and never changed. */
function listsOf({ metadata }: KubeObject): ReadonlySet<unknown> {
  return new Set([metadata?.managedFields, metadata?.ownerReferences]);
}

/** Metadata that was checked before it was stored, to be changed. */
function copyOfMetadata(metadata: ObjectMeta): JsonObject {
  const copy: JsonObject = { ...metadata };
  if (metadata.labels !== undefined) copy.labels = { ...metadata.labels };
  if (metadata.annotations !== undefined) copy.annotations = { ...metadata.annotations };
  if (metadata.finalizers !== undefined) copy.finalizers = [...metadata.finalizers];
  return copy;
}

/**
 * Fills in defaults: those of the schema, then those of the strategy; then what is written of fields without a value. The fields in `kept` are complete
 * and may be shared.
 */
export function prepareDraft(scope: Scope, draft: JsonObject, kept: ReadonlySet<string> = noFields): void {
  const { schema, strategy } = scope.served;
  writeObjects(draft, schema, kept);
  applySchemaDefaults(draft, schema, kept);
  if (!kept.has('spec')) strategy.setDefaults?.(draft);
  writeUnset(draft, schema, kept);
}

/** Tells the audit of a request of the draft that was sent, as it is with its defaults. */
export function tellSent(scope: Scope, draft: Readonly<JsonObject>): void {
  const { audit } = scope;
  if (audit === undefined) return;
  if (!audit.tellsObjects) audit.sent(draft);
  else {
    const complete = deepClone(draft);
    prepareDraft(scope, complete);
    audit.sent(complete);
  }
}

/** The spec alone. */
export const keptSpec: ReadonlySet<string> = new Set(['spec']);
const keptBoth: ReadonlySet<string> = new Set(['spec', 'status']);

/**
 * The fields of a draft, or of what becomes one, that are those of the stored object: they stay shared with it, neither copied nor looked at again.
 * Only where the rules say that they leave a complete spec alone. Other subresources change what is in a spec; that of the status what is in that.
 */
export function fieldsKept(
  { served, info }: Scope,
  value: Readonly<JsonObject>,
  stored: KubeObject,
): ReadonlySet<string> {
  const spec = 'spec' in stored ? stored.spec : undefined;
  const status = 'status' in stored ? stored.status : undefined;
  if (served.strategy.specRules === undefined || !isObject(spec) || value.spec !== spec) return noFields;
  if (info.subresource === '') return isObject(status) && value.status === status ? keptBoth : keptSpec;
  return info.subresource === 'status' ? keptSpec : noFields;
}

/** The value without what is kept, and without its metadata where that is kept too. */
function withoutKept(value: JsonObject, kept: ReadonlySet<string>, isMetadataKept: boolean): JsonObject {
  const rest = { ...value };
  if (isMetadataKept) rest.metadata = undefined;
  for (const name of kept) rest[name] = undefined;
  return rest;
}
