/** Config maps. Source: upstream `ValidateConfigMap`, `ValidateConfigMapUpdate`. */
import { Buffer } from 'node:buffer';
import { at, type FieldError, forbiddenField, invalid, tooLong, wholeObject } from '#pkg/apimachinery/field-error.ts';
import { configMapKeyProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, objectAt, semanticallySame, stringMapAt } from '../draft.ts';
import { configMapTable } from './tables.ts';

/** Most bytes of values a ConfigMap or a Secret may hold. Source: upstream `MaxSecretSize`. */
export const dataBytesMax = 1024 * 1024;

/** Bytes that base64 text stands for, near enough for a limit and without decoding it. */
function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

/** What is wrong with the keys of one of an object's maps of data. */
export function keyErrors(draft: JsonObject, field: string): FieldError[] {
  return Object.keys(objectAt(draft, field) ?? {}).flatMap((key) =>
    configMapKeyProblems(key).map((problem) => invalid(at(field, key), key, problem)),
  );
}

/** Bytes of all values in a map of base64 texts. */
export function decodedBytes(draft: JsonObject, field: string): number {
  const values = Object.values(stringMapAt(draft, field)).filter((value) => typeof value === 'string');
  return values.reduce((sum, value) => sum + decodedLength(value), 0);
}

/** Refuses changes to an object that said it is immutable, other than to its metadata. */
export function immutableErrors(draft: JsonObject, old: KubeObject, fields: readonly string[]): FieldError[] {
  const before = fieldsOf(old);
  if (before.immutable !== true) return [];
  const errors: FieldError[] = [];
  const detail = 'field is immutable when `immutable` is set';
  if (draft.immutable !== true) errors.push(forbiddenField('immutable', detail));
  for (const field of fields) {
    if (!semanticallySame(draft[field], before[field])) errors.push(forbiddenField(field, detail));
  }
  return errors;
}

function validate(draft: JsonObject): readonly FieldError[] {
  const errors = keyErrors(draft, 'data');
  const data = stringMapAt(draft, 'data');
  for (const key of Object.keys(objectAt(draft, 'binaryData') ?? {})) {
    for (const problem of configMapKeyProblems(key)) errors.push(invalid(at('binaryData', key), key, problem));
    if (Object.hasOwn(data, key)) errors.push(invalid(at('data', key), key, 'duplicate of key present in binaryData'));
  }
  const texts = Object.values(data).filter((value) => typeof value === 'string');
  const bytes = texts.reduce((sum, value) => sum + Buffer.byteLength(value), decodedBytes(draft, 'binaryData'));
  if (bytes > dataBytesMax) errors.push(tooLong(wholeObject, dataBytesMax));
  return errors;
}

/** Config maps, which may be immutable. */
export const configMapStrategy: Strategy = {
  group: '',
  resource: 'configmaps',
  validate,
  validateUpdate: (draft, old) => immutableErrors(draft, old, ['data', 'binaryData']),
  table: configMapTable,
};
