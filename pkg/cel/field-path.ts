/** The path to a field as a rule names it: `.spec.list`, `.spec['a.b']`. Pure. Source: apiextensions-apiserver `apiserver/schema/cel/validation.go` `ValidFieldPath`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

const step = /\.([^.[\]']+)|\['((?:[^'\\]|\\.)*)'\]/y;

/** The path as errors write it; undefined where it leads to no field of the schema. */
export function fieldPathOf(text: string, schema: JsonObject): string | undefined {
  let current: unknown = schema;
  let path = '';
  step.lastIndex = 0;
  while (step.lastIndex < text.length) {
    const match = step.exec(text);
    if (match === null || !isObject(current)) return undefined;
    const name = match[1] ?? (match[2] ?? '').replace(/\\(.)/g, '$1');
    if (isObject(current.properties)) {
      if (!Object.hasOwn(current.properties, name)) return undefined;
      current = current.properties[name];
      path += path === '' ? name : `.${name}`;
    } else if (isObject(current.additionalProperties)) {
      current = current.additionalProperties;
      path += `[${name}]`;
    } else return undefined;
  }
  return path === '' ? undefined : path;
}
