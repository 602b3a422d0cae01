/** Values as Go prints them, for messages in which upstream does so. */
import { jsonText } from './json.ts';

/** A JSON value as `%v` prints it: `map[a:1 b:[x y]]`, with the keys of maps in order. */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const fields = value as Readonly<Record<string, unknown>>;
  return `map[${Object.keys(fields)
    .sort()
    .map((key) => `${key}:${goText(fields[key])}`)
    .join(' ')}]`;
}

/** A JSON value as `%#v` prints it: `map[string]interface {}{"a":1}`. */
export function goSyntax(value: unknown): string {
  if (value === null || value === undefined) return 'interface {}(nil)';
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`;
  if (typeof value !== 'object') return jsonText(value);
  const fields = value as Readonly<Record<string, unknown>>;
  const entries = Object.keys(fields)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${goSyntax(fields[key])}`);
  return `map[string]interface {}{${entries.join(', ')}}`;
}

/** What Go's JSON decoder calls a value that does not fit: `array`, `bool`, `null`, `number`, `object` or `string`. */
export function goValueName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value === 'bigint' ? 'number' : typeof value;
}

/** The type of a JSON value as `%T` prints it. */
export function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'object':
      return value === null ? '<nil>' : 'map[string]interface {}';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int64';
    case 'number':
      return Number.isInteger(value) ? 'int64' : 'float64';
    default:
      return 'string';
  }
}
