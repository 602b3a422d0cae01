/**
 * What is said of a definition whose schemas are not as today's rules want them: one that was stored by a server with others. Its objects are served all the same.
 * Source: apiextensions-apiserver `controller/nonstructuralschema`.
 */

import type { CustomResourceDefinition } from '#pkg/api/types/apiextensions-v1.ts';
import { at, child, untyped } from '#pkg/apimachinery/field-error.ts';
import { objectAt, objectsAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import type { Condition } from './conditions.ts';
import { checkSchema } from './schema-validation.ts';

/** The type of the condition. */
export const nonStructuralSchema = 'NonStructuralSchema';

/** The condition of a definition; undefined where there is nothing to be said. `failure`: why the checks of its values cannot be made, where somebody has tried. */
export function nonStructuralCondition(
  { spec }: CustomResourceDefinition,
  failure: string | undefined,
): Condition | undefined {
  const into = new Collector();
  for (const [index, version] of objectsAt({ ...spec }, 'versions').entries()) {
    const schema = objectAt(version, 'schema', 'openAPIV3Schema');
    const path = child(at(untyped('spec.versions'), index), 'schema.openAPIV3Schema');
    if (schema !== undefined) checkSchema(into, schema, path);
  }
  const lines = into.errors.map(({ field, message }) => `${field}: ${message}`);
  const own = { type: nonStructuralSchema, status: 'True' as const };
  if (lines.length > 0)
    return { ...own, reason: 'Violations', message: lines.length === 1 ? lines.join() : `[${lines.join(', ')}]` };
  if (failure === undefined) return undefined;
  return { ...own, reason: 'StructuralError', message: `failed to check validation schema: ${failure}` };
}
