/** Keeps something of one's own in step with an informer's copy, where a new object and a changed one are the same to it. */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Informers } from './informer.ts';

/** What is told of each object; objects are shared and never changed. */
export interface Mirror<T extends KubeObject> {
  set(object: T): void;
  remove(object: T): void;
}

/** Tells `mirror` of all objects that `ref` names, from now on, and `onChange` after each. */
export function mirrorObjects<T extends KubeObject>(
  informers: Informers,
  { ref, mirror, onChange }: { readonly ref: ResourceRef<T>; readonly mirror: Mirror<T>; onChange(): void },
): void {
  const set = (object: T): void => {
    mirror.set(object);
    onChange();
  };
  informers.informer(ref).addHandler({
    added: set,
    updated: (_, object) => set(object),
    deleted: (object) => {
      mirror.remove(object);
      onChange();
    },
  });
}
