/** Secrets. Source: upstream `ValidateSecret`, `ValidateSecretUpdate`, `pkg/registry/core/secret/strategy.go`. */
import { Buffer } from 'node:buffer';
import { at, type FieldError, invalid, required, tooLong } from '#pkg/apimachinery/field-error.ts';
import { inKeyOrder, setOwn } from '#pkg/apimachinery/json.ts';
import { jsonSyntaxError } from '#pkg/apimachinery/json-syntax.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { ensureObject, fieldsOf, objectAt, setDefault, stringAt, stringMapAt } from '../draft.ts';
import { dataBytesMax, decodedBytes, immutableErrors, keyErrors } from './config-map.ts';
import { secretTable } from './tables.ts';

/** `stringData` is for writing only: it goes into `data`. */
function takeStringData(draft: JsonObject): void {
  const texts = objectAt(draft, 'stringData');
  if (texts === undefined) return;
  const data = ensureObject(draft, 'data');
  if (data === undefined) return;
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === 'string') setOwn(data, key, Buffer.from(value).toString('base64'));
  }
  draft.data = inKeyOrder(data);
  delete draft.stringData;
}

/** What is wrong with a JSON text, undefined for none. */
function jsonProblem(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    return jsonSyntaxError(text);
  }
}

function requireKeys(data: Readonly<Record<string, string>>, keys: readonly string[]): FieldError[] {
  return keys.filter((key) => !Object.hasOwn(data, key)).map((key) => required(at('data', key)));
}

function jsonErrors(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const missing = requireKeys(data, [key]);
  if (missing.length > 0) return missing;
  const problem = jsonProblem(Buffer.from(data[key] ?? '', 'base64').toString());
  return problem === undefined ? [] : [invalid(at('data', key), '<secret contents redacted>', problem)];
}

/** Rules of the well-known secret types. */
function typeErrors(draft: JsonObject): FieldError[] {
  const data = stringMapAt(draft, 'data');
  switch (stringAt(draft, 'type')) {
    case 'kubernetes.io/service-account-token': {
      const annotations = stringMapAt(draft, 'metadata', 'annotations');
      const name = 'kubernetes.io/service-account.name';
      return annotations[name] ? [] : [required(at('metadata.annotations', name))];
    }
    case 'kubernetes.io/dockercfg':
      return jsonErrors(data, '.dockercfg');
    case 'kubernetes.io/dockerconfigjson':
      return jsonErrors(data, '.dockerconfigjson');
    case 'kubernetes.io/basic-auth': {
      const isGood = Object.hasOwn(data, 'username') || Object.hasOwn(data, 'password');
      return isGood ? [] : [required(at('data', 'username')), required(at('data', 'password'))];
    }
    case 'kubernetes.io/ssh-auth':
      return data['ssh-privatekey'] ? [] : [required(at('data', 'ssh-privatekey'))];
    case 'kubernetes.io/tls':
      return requireKeys(data, ['tls.crt', 'tls.key']);
    default:
      return [];
  }
}

/** Secrets, whose type says which keys they must have; `stringData` becomes `data`. */
export const secretStrategy: Strategy = {
  group: '',
  resource: 'secrets',
  setDefaults(draft) {
    takeStringData(draft);
    setDefault(draft, 'type', 'Opaque');
  },
  validate(draft) {
    const errors = keyErrors(draft, 'data');
    if (decodedBytes(draft, 'data') > dataBytesMax) errors.push(tooLong('data', dataBytesMax));
    return [...errors, ...typeErrors(draft)];
  },
  prepareForUpdate(draft, old) {
    // An update that leaves the type out keeps it. Source: upstream `secretStrategy.PrepareForUpdate`.
    if (!draft.type) draft.type = fieldsOf(old).type;
  },
  validateUpdate(draft, old) {
    const errors = immutableErrors(draft, old, ['data']);
    const isSame = draft.type === fieldsOf(old).type;
    return isSame ? errors : [invalid('type', draft.type, 'field is immutable'), ...errors];
  },
  selectableFields: (secret) => ({ type: stringAt(secret, 'type') }),
  table: secretTable,
};
