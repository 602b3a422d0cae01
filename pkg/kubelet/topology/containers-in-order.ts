/** Containers of a pod in the order in which they run. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { isSidecar } from '../model/pod-view.ts';

/** `isInit` for those that have ended before the next begins. */
export function containersInOrder({
  spec,
}: Pod): readonly { readonly container: Container; readonly isInit: boolean }[] {
  const { initContainers = [], containers = [] } = spec ?? {};
  return [
    ...initContainers.map((container) => ({ container, isInit: !isSidecar(container) })),
    ...containers.map((container) => ({ container, isInit: false })),
  ];
}
