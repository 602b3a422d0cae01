/** Who is told of all objects of a resource (`follow.ts`). */
import type { KubeObject } from '#pkg/apimachinery/object.ts';

/** Must not throw; what it is given is shared. `T` is the type of the objects. */
export interface FollowSink<T extends KubeObject = KubeObject> {
  /** An object that is new or has changed. `before` is undefined for a new one, and after the store was lost. */
  set(object: T, before?: LazyObject): void;
  remove(object: T): void;
}

/** An object that may have to be decoded. */
export interface LazyObject {
  readonly object: KubeObject;
}

/** One whose name is known before. */
export interface NamedObject extends LazyObject {
  /** What its key has after that of its resource: its name, behind its namespace and a slash where it has one. */
  readonly name: string;
}
