/** Secrets. Source: upstream `ValidateSecret`, `ValidateSecretUpdate`, `pkg/registry/core/secret/strategy.go`. */

import { Buffer } from 'node:buffer';
import type { Secret } from '#pkg/api/types/core-v1.ts';
import { secrets } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { at, type FieldError, invalid, pathsOf, required, tooLong } from '#pkg/apimachinery/field-error.ts';
import { inKeyOrder, setOwn } from '#pkg/apimachinery/json.ts';
import { jsonSyntaxError } from '#pkg/apimachinery/json-syntax.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { setDefault } from '../draft.ts';
import { dataBytesMax, decodedBytes, immutableErrors, keyErrors } from './config-map.ts';
import { secretTable } from './tables.ts';

const field = pathsOf<Secret>();

/** `stringData` is for writing only: it goes into `data`. */
function takeStringData(draft: Draft<Secret>): void {
  const texts = draft.stringData;
  if (texts === undefined) return;
  const data = draft.data ?? {};
  for (const [key, value] of Object.entries(texts)) setOwn(data, key, Buffer.from(value).toString('base64'));
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
  return keys.filter((key) => !Object.hasOwn(data, key)).map((key) => required(at(field('data'), key)));
}

function jsonErrors(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const missing = requireKeys(data, [key]);
  if (missing.length > 0) return missing;
  const problem = jsonProblem(Buffer.from(data[key] ?? '', 'base64').toString());
  return problem === undefined ? [] : [invalid(at(field('data'), key), '<secret contents redacted>', problem)];
}

/** Rules of the well-known secret types. */
function typeErrors(draft: Given<Secret>): FieldError[] {
  const data = draft.data ?? {};
  switch (draft.type ?? '') {
    case 'kubernetes.io/service-account-token': {
      const annotations = draft.metadata?.annotations ?? {};
      const name = 'kubernetes.io/service-account.name';
      return annotations[name] ? [] : [required(at(field('metadata.annotations'), name))];
    }
    case 'kubernetes.io/dockercfg':
      return jsonErrors(data, '.dockercfg');
    case 'kubernetes.io/dockerconfigjson':
      return jsonErrors(data, '.dockerconfigjson');
    case 'kubernetes.io/basic-auth': {
      const isGood = Object.hasOwn(data, 'username') || Object.hasOwn(data, 'password');
      return isGood ? [] : [required(at(field('data'), 'username')), required(at(field('data'), 'password'))];
    }
    case 'kubernetes.io/ssh-auth':
      return data['ssh-privatekey'] ? [] : [required(at(field('data'), 'ssh-privatekey'))];
    case 'kubernetes.io/tls':
      return requireKeys(data, ['tls.crt', 'tls.key']);
    default:
      return [];
  }
}

/** Secrets, whose type says which keys they must have; `stringData` becomes `data`. */
export const secretStrategy = rulesOf(secrets, {
  setDefaults(draft) {
    takeStringData(draft);
    setDefault(draft, 'type', 'Opaque');
  },
  validate(draft) {
    const errors = keyErrors(draft.data, field('data'));
    if (decodedBytes(draft.data) > dataBytesMax) errors.push(tooLong(field('data'), dataBytesMax));
    return [...errors, ...typeErrors(draft)];
  },
  prepareForUpdate(draft, old) {
    // An update that leaves the type out keeps it. Source: upstream `secretStrategy.PrepareForUpdate`.
    if (!draft.type) draft.type = old.type;
  },
  validateUpdate(draft, old) {
    const errors = immutableErrors(draft, old);
    const isSame = draft.type === old.type;
    return isSame ? errors : [invalid(field('type'), draft.type, 'field is immutable'), ...errors];
  },
  selectableFields: (secret) => ({ type: secret.type ?? '' }),
  table: secretTable,
});
