/** Objects as text: YAML, JSON, names, JSONPath. */
import { dump } from 'js-yaml';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { digText } from './api.ts';
import { kindName, type Mapping } from './discovery.ts';
import { renderTemplate } from './jsonpath.ts';

/** Names without managed fields, as kubectl shows objects unless asked otherwise. */
export function withoutManagedFields(object: JsonObject): JsonObject {
  const metadata = object.metadata as JsonObject | undefined;
  if (metadata?.managedFields === undefined) return object;
  const { managedFields: _, ...rest } = metadata;
  return { ...object, metadata: rest };
}

/** The text of an object in one of the forms `json`, `yaml`, `jsonpath=…`. */
export function renderObject(form: string, object: JsonObject): string {
  if (form === 'json') return `${JSON.stringify(object, undefined, 4)}\n`;
  if (form.startsWith('jsonpath=')) return renderTemplate(form.slice('jsonpath='.length), object);
  return renderYaml(object);
}

/** YAML with sorted keys, as kubectl writes it. */
export function renderYaml(value: unknown): string {
  return dump(value, { sortKeys: true, lineWidth: -1, noRefs: true, quoteStyle: 'double' });
}

/** `pod/web`. */
export function renderName(mapping: Mapping, object: JsonObject): string {
  return `${kindName(mapping)}/${digText(object, 'metadata', 'name')}\n`;
}

/** Several objects as one `List`. */
export function listOf(items: readonly JsonObject[]): JsonObject {
  return { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } };
}
