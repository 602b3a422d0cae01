/**
 * Faults of the store: a disk that is full from a moment on. It is what a real one does to the store of a folder (`ended` in `pkg/storage/store.ts`): the first write that is refused ends
 * the store, as nobody could say what the disk holds; all before it is there when the store is opened again.
 */
import { Deferred } from '#pkg/base/async.ts';
import type { FaultSet } from '#pkg/faults/fault-set.ts';
import { gatedStore } from '#pkg/storage/gated-store.ts';
import { type Store, StoreUnavailableError } from '#pkg/storage/store.ts';

/** The store, whose disk is full as the rules say. */
export function storeWithFaults(store: Store, rules: FaultSet): Store {
  const ended = new Deferred<StoreUnavailableError>();
  let why: StoreUnavailableError | undefined;
  return gatedStore(store, {
    ended: ended.promise,
    check(call) {
      const fault =
        why === undefined && call === 'write' ? rules.pick((rule) => rule.fault === 'disk-full') : undefined;
      if (fault !== undefined) {
        why = new StoreUnavailableError(
          `Cannot write to the store as its disk is full, which is the fault ${JSON.stringify(fault.rule.name)}`,
        );
        ended.resolve(why);
      }
      if (why !== undefined) throw why;
    },
  });
}
