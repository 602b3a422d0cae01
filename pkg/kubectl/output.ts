/** Objects as text: YAML, JSON, names, JSONPath. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { digText } from './api.ts';
import { kindName, type Mapping } from './discovery.ts';
import { renderGoTemplate } from './go-template.ts';
import { renderTemplate, templateValues } from './jsonpath.ts';
import { kyamlText } from './kyaml.ts';
import { sortedJson } from './sorted-json.ts';

/** Names without managed fields, as kubectl shows objects unless asked otherwise. */
export function withoutManagedFields(object: JsonObject): JsonObject {
  const metadata = object.metadata as JsonObject | undefined;
  if (metadata?.managedFields === undefined) return object;
  const { managedFields: _, ...rest } = metadata;
  return { ...object, metadata: rest };
}

/** The text of an object in one of the forms `json`, `yaml`, `jsonpath=…`, `jsonpath-as-json=…`. */
export function renderObject(form: string, object: JsonObject): string {
  const equals = form.indexOf('=');
  const argument = form.slice(equals + 1);
  switch (equals < 0 ? form : form.slice(0, equals)) {
    case 'json':
      return `${sortedJson(object, 4)}\n`;
    case 'go-template':
    case 'template':
      return renderGoTemplate(argument, object);
    case 'kyaml':
      return kyamlText(object);
    case 'jsonpath':
      return renderTemplate(argument, object);
    case 'jsonpath-as-json':
      return templateValues(argument, object)
        .map((values) => `${sortedJson(values, 4)}\n`)
        .join('');
    default:
      return yamlText(object);
  }
}

/** `pod/web`. */
export function renderName(mapping: Mapping, object: JsonObject): string {
  return `${kindName(mapping)}/${digText(object, 'metadata', 'name')}\n`;
}

/** Several objects as one `List`. */
export function listOf(items: readonly JsonObject[]): JsonObject {
  return { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } };
}
