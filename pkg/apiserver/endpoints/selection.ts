/** Which objects of a collection a request is about. */
import { Buffer } from 'node:buffer';
import {
  type FieldSelector,
  fieldSelectorMatches,
  parseFieldSelector,
  requiredFieldValue,
} from '#pkg/apimachinery/field-selector.ts';
import { parseLabelSelector, type Selector } from '#pkg/apimachinery/label-selector.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import type { ServedResource } from '../catalog.ts';
import type { StoredEntry } from '../storage/object-codec.ts';

/** The objects a request is about; undefined selects all. */
export type Selection = EntrySelection | undefined;

interface EntrySelection {
  /** The one name that an object must have, if the selectors say so. */
  readonly name: string | undefined;
  /** A field beyond the metadata that must have one value, if there is such. */
  readonly indexed: IndexedField | undefined;
  matches(entry: StoredEntry): boolean;
  /** False only when no object that is stored as `value` matches; cheaper than `matches`. */
  mayMatch(value: Uint8Array): boolean;
}

interface IndexedField {
  readonly field: string;
  readonly value: string;
  fieldValue(entry: StoredEntry): string;
}

/** Two selectors as text; `''` selects everything. */
export interface Selectors {
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

/** Reads the selectors of a request. Throws BadRequest, also for a field that the resource does not offer. */
export function parseSelection(served: ServedResource, { labelSelector, fieldSelector }: Selectors): Selection {
  if (labelSelector === '' && fieldSelector === '') return undefined;
  const labels = parseLabelSelector(labelSelector);
  if (!labels.ok) throw badRequest(labels.error);
  const fields = parseFieldSelector(fieldSelector);
  if (!fields.ok) throw badRequest(fields.error);
  checkFields(served, fields.selector);
  if (labels.selector.isEmpty && fields.selector.terms.length === 0) return undefined;
  return select(served, labels.selector, fields.selector);
}

/** Whether an object is selected. Throws BadRequest as `parseSelection` does. */
export function objectSelection(
  served: ServedResource,
  { labelSelector, fieldSelector }: Selectors,
): (object: KubeObject) => boolean {
  const labels = parseLabelSelector(labelSelector);
  if (!labels.ok) throw badRequest(labels.error);
  const fields = parseFieldSelector(fieldSelector);
  if (!fields.ok) throw badRequest(fields.error);
  checkFields(served, fields.selector);
  return (object) =>
    labels.selector.matches(object.metadata?.labels) && fieldSelectorMatches(fields.selector, fieldsOf(served, object));
}

function select(served: ServedResource, labels: Selector, fields: FieldSelector): EntrySelection {
  const { view } = served;
  const texts = requiredTexts(fields, served.strategy.selectsVerbatim ?? false);
  const mayMatch = (value: Uint8Array): boolean => {
    const text = Buffer.from(value.buffer, value.byteOffset, value.length);
    return texts.every((each) => text.includes(each));
  };
  return {
    mayMatch,
    name: requiredFieldValue(fields, 'metadata.name'),
    indexed: indexedField(served, fields),
    matches(entry) {
      if (texts.length > 0 && entry.known === undefined && !mayMatch(entry.value)) return false;
      const object = view.object(entry);
      if (!labels.isEmpty && !labels.matches(object.metadata?.labels)) return false;
      return fields.terms.length === 0 || fieldSelectorMatches(fields, fieldsOf(served, object));
    },
  };
}

/** What stands in the stored text of every object that has the fields: values are stored as `JSON.stringify` writes them. */
function requiredTexts({ terms }: FieldSelector, verbatim: boolean | readonly string[]): readonly Buffer[] {
  const isNamed = (field: string): boolean => typeof verbatim !== 'boolean' && verbatim.includes(field);
  const texts: string[] = [];
  for (const { field, operator, value } of terms) {
    if (operator === '=' && value !== '' && (verbatim === true || isNamed(field))) texts.push(JSON.stringify(value));
    if (operator === '!=' && value === '' && isNamed(field))
      texts.push(`"${field.slice(field.lastIndexOf('.') + 1)}":`);
  }
  return texts.map((text) => Buffer.from(text));
}

const selectable = new WeakMap<KubeObject, Readonly<Record<string, string>>>();

/** All selectable fields of a shared object, worked out once for all who ask. */
function fieldsOf({ strategy }: ServedResource, object: KubeObject): Readonly<Record<string, string>> {
  let fields = selectable.get(object);
  if (fields === undefined) {
    const { name = '', namespace = '' } = object.metadata ?? {};
    fields = { ...strategy.selectableFields?.(object), 'metadata.name': name, 'metadata.namespace': namespace };
    selectable.set(object, fields);
  }
  return fields;
}

function indexedField(served: ServedResource, { terms }: FieldSelector): IndexedField | undefined {
  const term = terms.find(({ field, operator }) => operator === '=' && !metadataFields.has(field));
  if (term === undefined) return undefined;
  const { field, value } = term;
  return {
    field: `${served.apiVersion} ${field}`,
    value,
    fieldValue(entry) {
      const object = served.view.object(entry);
      return served.strategy.selectableField?.(object, field) ?? fieldsOf(served, object)[field] ?? '';
    },
  };
}

const metadataFields: ReadonlySet<string> = new Set(['metadata.name', 'metadata.namespace']);
const bareObject = { metadata: {}, spec: {}, status: {} } as KubeObject;

function checkFields(served: ServedResource, { terms }: FieldSelector): void {
  const { strategy } = served;
  for (const { field } of terms) {
    if (metadataFields.has(field)) continue;
    if (strategy.selectableFields === undefined) {
      throw badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
    }
    if (!Object.hasOwn(strategy.selectableFields(bareObject), field)) {
      throw badRequest(`field label not supported: ${field}`);
    }
  }
}
