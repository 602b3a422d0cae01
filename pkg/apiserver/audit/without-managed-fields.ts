/** An object, a list or a table without what says who manages which field; the original stays as it is. Source: apiserver `audit/request.go` `copyWithoutManagedFields`. */
import { isObject } from '#pkg/apimachinery/json.ts';

/** A copy of what has such fields; anything else as it is. */
export function withoutManagedFields(value: unknown): unknown {
  if (!isObject(value)) return value;
  const { metadata, items, rows, kind } = value;
  if (Array.isArray(items)) return { ...value, items: items.map(withoutManagedFields) };
  if (kind === 'Table' && Array.isArray(rows))
    return {
      ...value,
      rows: rows.map((row) => (isObject(row) ? { ...row, object: withoutManagedFields(row.object) } : row)),
    };
  if (!isObject(metadata) || !('managedFields' in metadata)) return value;
  const { managedFields: _, ...kept } = metadata;
  return { ...value, metadata: kept };
}
