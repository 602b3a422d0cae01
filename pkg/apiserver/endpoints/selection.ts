/** Which objects of a collection a request is about. */
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
  matches(entry: StoredEntry): boolean;
}

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

function select(served: ServedResource, labels: Selector, fields: FieldSelector): EntrySelection {
  const { view, strategy } = served;
  const name = requiredFieldValue(fields, 'metadata.name');
  const isMetadataOnly = fields.terms.every(({ field }) => metadataFields.has(field));
  const fieldsOf = (object: KubeObject): Readonly<Record<string, string>> => {
    const own = {
      'metadata.name': object.metadata?.name ?? '',
      'metadata.namespace': object.metadata?.namespace ?? '',
    };
    return isMetadataOnly ? own : { ...strategy.selectableFields?.(object), ...own };
  };
  return {
    name,
    matches(entry) {
      const object = view.object(entry);
      if (!labels.isEmpty && !labels.matches(object.metadata?.labels)) return false;
      return fields.terms.length === 0 || fieldSelectorMatches(fields, fieldsOf(object));
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
