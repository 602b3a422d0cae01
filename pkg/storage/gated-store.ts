/**
 * A store behind a gate: each call is let through or refused before it reaches the store, and the store may end for a reason of the gate's.
 *
 * Laws: a call that is refused has done nothing. Watches that go on stay and tell what there is. Nothing of the store's own is kept from who uses it.
 */
import type { Store, StoreUnavailableError } from './store.ts';

/** What stands before a store. */
export interface StoreGate {
  /** Throws `StoreUnavailableError` where calls of a kind are not to reach the store. */
  check(call: 'read' | 'write'): void;
  /** Resolves where the store has ended by the gate. */
  readonly ended: Promise<StoreUnavailableError>;
}

/** The store behind the gate. Closing it closes the store. */
export function gatedStore(store: Store, gate: StoreGate): Store {
  const checked = (call: 'read' | 'write'): Store => {
    gate.check(call);
    return store;
  };
  const { writeNow, localRevision, acknowledgedRevision, allocate } = store;
  return {
    get: async (key) => checked('read').get(key),
    range: async (range) => checked('read').range(range),
    write: async (operation) => checked('write').write(operation),
    watch: (watch, sink) => store.watch(watch, sink),
    currentRevision: async () => checked('read').currentRevision(),
    compact: async (revision) => checked('read').compact(revision),
    ended: Promise.race([gate.ended, ...(store.ended === undefined ? [] : [store.ended])]),
    ...(store.guard === undefined ? {} : { guard: store.guard }),
    ...(store.takesLate === undefined ? {} : { takesLate: store.takesLate }),
    ...(writeNow === undefined ? {} : { writeNow: (operation) => writeNow.call(checked('write'), operation) }),
    ...(localRevision === undefined ? {} : { localRevision: () => localRevision.call(store) }),
    ...(acknowledgedRevision === undefined ? {} : { acknowledgedRevision: () => acknowledgedRevision.call(store) }),
    ...(allocate === undefined ? {} : { allocate: (bytes) => allocate.call(store, bytes) }),
    close: () => store.close(),
  };
}
