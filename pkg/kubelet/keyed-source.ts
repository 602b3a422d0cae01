/**
 * Hands the changes of one shared informer to those they concern, by key: the pods of a node to that node's kubelet. A process that
 * is a thousand nodes keeps one watch and looks up one map per event.
 */
import { type KubeObject, objectKey } from '#pkg/apimachinery/object.ts';
import type { Informer } from '#pkg/client/informer.ts';

/** Told of the objects of one key. */
export interface KeyedHandler<T> {
  /** Added or changed. */
  set(object: T): void;
  removed(object: T): void;
}

/** The objects by key. */
export interface KeyedSource<T> {
  /** Calls the handler for every object of the key, first for those that are there; until the returned function is called. */
  subscribe(key: string, handler: KeyedHandler<T>): () => void;
}

/** Shares `informer` among subscribers; `keyOf` names the one an object belongs to, or undefined. */
export function createKeyedSource<T extends KubeObject>(
  informer: Informer<T>,
  keyOf: (object: T) => string | undefined,
): KeyedSource<T> {
  const handlers = new Map<string, Set<KeyedHandler<T>>>();
  const objects = new Map<string, Map<string, T>>();
  const set = (object: T): void => {
    const key = keyOf(object);
    if (key === undefined || key === '') return;
    let ofKey = objects.get(key);
    if (ofKey === undefined) {
      ofKey = new Map();
      objects.set(key, ofKey);
    }
    ofKey.set(objectKey(object), object);
    for (const handler of handlers.get(key) ?? []) handler.set(object);
  };
  const remove = (object: T): void => {
    const key = keyOf(object);
    if (key === undefined) return;
    if (objects.get(key)?.delete(objectKey(object)))
      for (const handler of handlers.get(key) ?? []) handler.removed(object);
  };
  informer.addHandler({
    added: set,
    updated: (previous, object) => {
      if (previous.metadata?.uid !== object.metadata?.uid) remove(previous);
      set(object);
    },
    deleted: remove,
  });
  return {
    subscribe(key, handler) {
      let ofKey = handlers.get(key);
      if (ofKey === undefined) {
        ofKey = new Set();
        handlers.set(key, ofKey);
      }
      ofKey.add(handler);
      for (const object of objects.get(key)?.values() ?? []) handler.set(object);
      return () => handlers.get(key)?.delete(handler);
    },
  };
}

/** One source of many, each of which knows one key. Subscribing to another key throws. */
export function createJoinedSource<T>(sources: ReadonlyMap<string, KeyedSource<T>>): KeyedSource<T> {
  return {
    subscribe(key, handler) {
      const source = sources.get(key);
      if (source === undefined) throw new Error(`Cannot follow ${key} as it was not named from the start`);
      return source.subscribe(key, handler);
    },
  };
}
