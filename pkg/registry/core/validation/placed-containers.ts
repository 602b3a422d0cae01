/** The containers of a pod with where they stand, for rules that look at all of them. Source: upstream `VisitContainersWithPath`. */
import { at, child, type FieldPath } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { objectsAt } from '../../draft.ts';

/** A container of any kind, and its path in the object. */
export interface PlacedContainer {
  readonly container: JsonObject;
  readonly path: FieldPath;
}

/** All containers of a pod spec at `path`: init containers, containers, ephemeral ones. */
export function placedContainers(spec: JsonObject, path: FieldPath): readonly PlacedContainer[] {
  return ['initContainers', 'containers', 'ephemeralContainers'].flatMap((field) =>
    objectsAt(spec, field).map((container, index) => ({ container, path: at(child(path, field), index) })),
  );
}
