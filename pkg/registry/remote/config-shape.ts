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
  | 'boolean'
  | 'number'
  | 'string'
  | { readonly list: ConfigShape }
  | { readonly fields: Readonly<Record<string, ConfigShape>> };

/** What is expected of a file. */
export interface ConfigKind {
  readonly kind: string;
  /** Of `apiserver.config.k8s.io`. */
  readonly versions: readonly string[];
  readonly fields: Readonly<Record<string, ConfigShape>>;
}

const group = 'apiserver.config.k8s.io';

/** The content of a file in YAML or JSON. Throws an `Error` that says in one line what is wrong with it. */
export function readConfig(text: string, { kind, versions, fields }: ConfigKind): JsonObject {
  const decoded = decodeYaml(text, { findDuplicates: true });
  if (!decoded.ok) throw new Error(decoded.error);
  if (decoded.yamlDuplicates !== undefined) throw new Error(decoded.yamlDuplicates);
  const { value } = decoded;
  if (!isObject(value)) throw new Error(`it is no ${kind}`);
  const known = versions.map((version) => `${group}/${version}`);
  if (value.kind !== kind || !known.includes(String(value.apiVersion))) {
    throw new Error(
      `it is no ${kind} of ${known.join(' or ')}, but ${String(value.apiVersion)}, Kind=${String(value.kind)}`,
    );
  }
  const problems: string[] = [];
  check(value, { fields: { apiVersion: 'string', kind: 'string', ...fields } }, { path: '', problems });
  if (problems.length > 0) throw new Error(`strict decoding error: ${problems.join(', ')}`);
  return value;
}

interface Place {
  readonly path: string;
  readonly problems: string[];
}

function check(value: unknown, shape: ConfigShape, { path, problems }: Place): void {
  if (value === null || value === undefined) return;
  const misfit = (wanted: string): void => {
    problems.push(`json: cannot unmarshal ${goValueName(value)} into field ${path} of type ${wanted}`);
  };
  if (typeof shape === 'string') {
    if (typeof value !== shape) misfit(shape);
  } else if ('list' in shape) {
    if (!Array.isArray(value)) misfit('list');
    else for (const [index, item] of value.entries()) check(item, shape.list, { path: `${path}[${index}]`, problems });
  } else if (!isObject(value)) misfit('object');
  else {
    for (const [name, field] of Object.entries(value)) {
      const at = path === '' ? name : `${path}.${name}`;
      const own = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
      if (own === undefined) problems.push(`unknown field ${JSON.stringify(at)}`);
      else check(field, own, { path: at, problems });
    }
  }
}
