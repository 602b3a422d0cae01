/** The containers of a pod with where they stand, for rules that look at all of them. Source: upstream `VisitContainersWithPath`. */
import type { Container, PodSpec } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath } from '#pkg/apimachinery/field-error.ts';

/** A container of any kind, and its path in the object. */
export interface PlacedContainer {
  readonly container: Given<Container>;
  readonly path: FieldPath<Container>;
}

/** All containers of a pod spec at `path`: init containers, containers, ephemeral ones. */
export function placedContainers(spec: Given<PodSpec>, path: FieldPath<PodSpec>): readonly PlacedContainer[] {
  const lists = fields('initContainers', 'containers', 'ephemeralContainers');
  return lists.flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({ container, path: at(child(path, list), index) })),
  );
}
