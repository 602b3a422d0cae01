/** Config maps. Source: upstream `ValidateConfigMap`, `ValidateConfigMapUpdate`. */

import { Buffer } from 'node:buffer';
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  tooLong,
  wholeObject,
} from '#pkg/apimachinery/field-error.ts';
import { configMapKeyProblems } from '#pkg/apimachinery/names.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { semanticallySame } from '../draft.ts';
import { configMapTable } from './tables.ts';

const field = pathsOf<ConfigMap>();

/** Most bytes of values a ConfigMap or a Secret may hold. Source: upstream `MaxSecretSize`. */
export const dataBytesMax = 1024 * 1024;

/** Bytes that base64 text stands for, near enough for a limit and without decoding it. */
function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

type DataMap = Readonly<Record<string, string>>;

/** What is wrong with the keys of a map of data. */
export function keyErrors(data: DataMap | undefined, path: FieldPath<DataMap>): FieldError[] {
  return Object.keys(data ?? {}).flatMap((key) =>
    configMapKeyProblems(key).map((problem) => invalid(at(path, key), key, problem)),
  );
}

/** Bytes of all values in a map of base64 texts. */
export function decodedBytes(data: DataMap | undefined): number {
  return Object.values(data ?? {}).reduce((sum, value) => sum + decodedLength(value), 0);
}

/** What config maps and secrets have in common. */
interface Holder {
  readonly immutable?: boolean;
  readonly data?: DataMap;
  readonly binaryData?: DataMap;
}

/** Refuses changes of the data of an object that said it is immutable. */
export function immutableErrors(draft: Holder, old: Holder): FieldError[] {
  if (old.immutable !== true) return [];
  const errors: FieldError[] = [];
  const detail = 'field is immutable when `immutable` is set';
  if (draft.immutable !== true) errors.push(forbiddenField(field('immutable'), detail));
  for (const name of fields('data', 'binaryData')) {
    if (!semanticallySame(draft[name], old[name])) errors.push(forbiddenField(field(name), detail));
  }
  return errors;
}

function validate(draft: Given<ConfigMap>): readonly FieldError[] {
  const errors = keyErrors(draft.data, field('data'));
  const data = draft.data ?? {};
  for (const key of Object.keys(draft.binaryData ?? {})) {
    for (const problem of configMapKeyProblems(key)) errors.push(invalid(at(field('binaryData'), key), key, problem));
    if (Object.hasOwn(data, key))
      errors.push(invalid(at(field('data'), key), key, 'duplicate of key present in binaryData'));
  }
  const bytes = Object.values(data).reduce(
    (sum, value) => sum + Buffer.byteLength(value),
    decodedBytes(draft.binaryData),
  );
  if (bytes > dataBytesMax) errors.push(tooLong(wholeObject, dataBytesMax));
  return errors;
}

/** Config maps, which may be immutable. */
export const configMapStrategy = rulesOf(configMaps, {
  validate,
  validateUpdate: immutableErrors,
  table: configMapTable,
});
