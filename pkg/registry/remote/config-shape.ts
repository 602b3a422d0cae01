/**
 * What a configuration file has to look like, as a small tree: unknown fields and values of other types are refused, as upstream's strict decoding does.
 * Says nothing of what values mean.
 */
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { goValueName } from '#pkg/apimachinery/go-text.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** The form of a value. */
export type ConfigShape =
  | 'any'
  | 'boolean'
  | 'number'
  | 'string'
  | { readonly list: ConfigShape }
  | { readonly values: ConfigShape }
  | { readonly fields: Readonly<Record<string, ConfigShape>> };

/** What is expected of a file. */
export interface ConfigKind {
  readonly kind: string;
  /** Default: `apiserver.config.k8s.io`. */
  readonly group?: string;
  /** Of the group. */
  readonly versions: readonly string[];
  readonly fields: Readonly<Record<string, ConfigShape>>;
}

const groupDefault = 'apiserver.config.k8s.io';

/** The content of a file in YAML or JSON, which is one of these kinds. Throws an `Error` that says in one line what is wrong with it. */
export function readConfig(text: string, ...kinds: readonly ConfigKind[]): JsonObject {
  return checkedConfig(decodedConfig(text), ...kinds);
}

/** The value that a file in YAML or JSON has. Throws an `Error` in one line. */
export function decodedConfig(text: string): unknown {
  const decoded = decodeYaml(text, { findDuplicates: true });
  if (!decoded.ok) throw new Error(decoded.error);
  if (decoded.yamlDuplicates !== undefined) throw new Error(decoded.yamlDuplicates);
  return decoded.value;
}

/** A value as one of these kinds. Throws an `Error` in one line. */
export function checkedConfig(value: unknown, ...kinds: readonly ConfigKind[]): JsonObject {
  const versionsOf = ({ group = groupDefault, versions }: ConfigKind): readonly string[] =>
    versions.map((version) => `${group}/${version}`);
  if (!isObject(value)) throw new Error(`it is no ${kinds[0]?.kind}`);
  const { apiVersion, kind } = value;
  const found = kinds.find((one) => kind === one.kind && versionsOf(one).includes(String(apiVersion)));
  if (found === undefined) {
    const known = kinds.map((one) => `${one.kind} of ${versionsOf(one).join(' or ')}`).join(' or ');
    throw new Error(`it is no ${known}, but ${String(apiVersion)}, Kind=${String(kind)}`);
  }
  return checkedFields(value, { apiVersion: 'string', kind: 'string', ...found.fields });
}

/** A value as a mapping with no other fields than these. Throws an `Error` in one line. */
export function checkedFields(value: unknown, fields: Readonly<Record<string, ConfigShape>>): JsonObject {
  if (!isObject(value)) throw new Error(`it is no mapping with ${Object.keys(fields).join(', ')}`);
  const problems: string[] = [];
  check(value, { fields }, { path: '', problems });
  if (problems.length > 0) throw new Error(`strict decoding error: ${problems.join(', ')}`);
  return value;
}

interface Place {
  readonly path: string;
  readonly problems: string[];
}

function check(value: unknown, shape: ConfigShape, { path, problems }: Place): void {
  if (value === null || value === undefined || shape === 'any') return;
  const misfit = (wanted: string): void => {
    problems.push(`json: cannot unmarshal ${goValueName(value)} into field ${path} of type ${wanted}`);
  };
  if (typeof shape === 'string') {
    if (typeof value !== shape) misfit(shape);
  } else if ('list' in shape) {
    if (!Array.isArray(value)) misfit('list');
    else for (const [index, item] of value.entries()) check(item, shape.list, { path: `${path}[${index}]`, problems });
  } else if (!isObject(value)) misfit('object');
  else if ('values' in shape) {
    for (const [name, item] of Object.entries(value)) check(item, shape.values, { path: `${path}.${name}`, problems });
  } else {
    for (const [name, field] of Object.entries(value)) {
      const at = path === '' ? name : `${path}.${name}`;
      const own = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
      if (own === undefined) problems.push(`unknown field ${JSON.stringify(at)}`);
      else check(field, own, { path: at, problems });
    }
  }
}
