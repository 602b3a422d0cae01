/** From a decoded value to a draft of the served version, and what every draft gets. */
import { cannotBeHandled, inTextOrder, strictDecodingError } from '#pkg/api/validation/decode-errors.ts';
import { applySchemaDefaults } from '#pkg/api/validation/defaults.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import { checkKind, readBody } from './body.ts';
import type { Scope } from './scope.ts';
import type { FieldValidation } from './write-options.ts';

/** The draft that the body holds, which belongs to the caller. Throws BadRequest and UnsupportedMediaType. */
export function decodeDraft(scope: Scope, validation: FieldValidation): JsonObject {
  const { info, apiVersion } = scope.served;
  const raw = readBody(scope.request, info.kind, validation !== 'Ignore');
  const value = checkKind(raw, { kind: info.kind, apiVersion });
  const { owned, duplicates, json } = raw;
  return draftOf(scope, value, { validation, owned, duplicates, ...(json === undefined ? {} : { json }) });
}

/** A draft of a value that is said to be of the served kind. Throws BadRequest; warns of what `Warn` lets pass. */
export function draftOf(
  scope: Scope,
  value: JsonObject,
  options: {
    readonly validation: FieldValidation;
    readonly owned: boolean;
    readonly duplicates?: readonly string[];
    /** The text that the value comes from, in whose order faults are told; by default duplicates come first. */
    readonly json?: string;
    /** Refuses a value that does not fit; by default as a body that does not fit. */
    readonly refuse?: (why: string) => StatusError;
  },
): JsonObject {
  const { info, apiVersion, schema } = scope.served;
  const refuse = options.refuse ?? ((why: string) => cannotBeHandled(info, info.kind, why));
  const { object, typeError, strictErrors } = convertAndCheck(value, schema, {
    strict: options.validation,
    owned: options.owned,
  });
  if (typeError !== undefined) throw refuse(typeError);
  let faults = options.duplicates?.length ? [...options.duplicates, ...strictErrors] : strictErrors;
  if (options.json !== undefined) faults = inTextOrder(options.json, faults);
  if (faults.length > 0) {
    if (options.validation === 'Strict') throw refuse(strictDecodingError(faults));
    if (options.validation === 'Warn') scope.warnings.push(...faults);
  }
  object.kind = info.kind;
  object.apiVersion = apiVersion;
  return object;
}

/** Fills in defaults: those of the schema, then those of the strategy. */
export function prepareDraft(scope: Scope, draft: JsonObject): void {
  applySchemaDefaults(draft, scope.served.schema);
  scope.served.strategy.setDefaults?.(draft);
}
