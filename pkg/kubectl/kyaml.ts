/** KYAML: YAML in the form of JSON, with its strings quoted and its keys not. Source: KEP-5295, `sigs.k8s.io/yaml/kyaml`. */
import { isObject, parseJson } from '#pkg/apimachinery/json.ts';
import { sortedJson } from './sorted-json.ts';

const plainKey = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
/** Words that YAML takes for something else than text. */
const taken = new Set(['y', 'n', 'yes', 'no', 'on', 'off', 'true', 'false', 'null', '~']);

/** The document of a value. */
export function kyamlText(value: unknown): string {
  const sorted: unknown = parseJson(sortedJson(value));
  return `---\n${textOf(sorted, '')}\n`;
}

function textOf(value: unknown, indent: string): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    if (value.every((item) => isObject(item) && Object.keys(item).length > 0))
      return `[${value.map((item) => textOf(item, indent)).join(', ')}]`;
    return `[\n${value.map((item) => `${inner}${textOf(item, inner)},\n`).join('')}${indent}]`;
  }
  if (isObject(value)) {
    const entries = Object.entries(value);
    if (entries.length === 0) return '{}';
    return `{\n${entries.map(([key, one]) => `${inner}${keyText(key)}: ${textOf(one, inner)},\n`).join('')}${indent}}`;
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function keyText(key: string): string {
  return plainKey.test(key) && !taken.has(key.toLowerCase()) ? key : JSON.stringify(key);
}
