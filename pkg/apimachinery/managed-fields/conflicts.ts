/** The refusal of an apply that would change fields of other managers. Source: apimachinery `managedfields/internal/conflict.go`. */
import type { ManagedFieldsEntry } from '../object.ts';
import { StatusError } from '../status-error.ts';
import { type FieldSet, pathsOf } from './field-set.ts';

/** One field that another manager owns. */
export interface ApplyConflict {
  readonly manager: ManagedFieldsEntry;
  /** Path such as `.spec.replicas`. */
  readonly path: string;
}

/** The conflicts with one manager about `fields`. */
export function conflictsAbout(manager: ManagedFieldsEntry, fields: FieldSet): readonly ApplyConflict[] {
  return pathsOf(fields).map((path) => ({ manager, path }));
}

/** `"kubectl" using apps/v1`, with subresource and time where they apply; appliers go by their name alone. */
function describeManager(entry: ManagedFieldsEntry): string {
  let text = JSON.stringify(entry.manager ?? '');
  if (entry.subresource) text += ` with subresource ${JSON.stringify(entry.subresource)}`;
  return entry.operation === 'Update' ? `${text} using ${entry.apiVersion ?? ''}` : text;
}

function messageOf(conflicts: readonly ApplyConflict[]): string {
  if (conflicts.length === 1) {
    const { manager, path } = conflicts[0]!;
    return `Apply failed with 1 conflict: conflict with ${describeManager(manager)}: ${path}`;
  }
  const byManager = new Map<string, string[]>();
  for (const { manager, path } of conflicts) {
    const name = describeManager(manager);
    const paths = byManager.get(name);
    if (paths === undefined) byManager.set(name, [path]);
    else paths.push(path);
  }
  const lines = [...byManager.keys()]
    .sort()
    .flatMap((name) => [`conflicts with ${name}:`, ...byManager.get(name)!.map((path) => `- ${path}`)]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

/** The `409 Conflict` that names each field and its manager. */
export function applyConflict(conflicts: readonly ApplyConflict[]): StatusError {
  return new StatusError({
    code: 409,
    reason: 'Conflict',
    message: messageOf(conflicts),
    details: {
      causes: conflicts.map(({ manager, path }) => ({
        reason: 'FieldManagerConflict',
        message: `conflict with ${describeManager(manager)}`,
        field: path,
      })),
    },
  });
}
