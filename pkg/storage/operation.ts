/** What every driver does with a write before it is decided: its limits, and the outcome of its compare. */
import { assert } from '#pkg/base/assert.ts';
import { LateKeyValue } from './late-value.ts';
import type { KeyValue, StoreEvent, WriteOperation, WriteResult } from './store.ts';

/** Most bytes of a key in UTF-8. */
export const keyBytesMax = 1024;

/** Most bytes of a value: more than twice the largest request body, so that no object the API takes is too large to be stored. */
const valueBytesMax = 8 * 1024 * 1024;

/** Throws when an operation is beyond the limits, which the layer above must have refused. */
export function checkOperation(operation: WriteOperation): void {
  const { key } = operation;
  assert(key !== '', 'the key of a write is empty');
  const fits = key.length * 3 <= keyBytesMax || Buffer.byteLength(key) <= keyBytesMax;
  assert(fits, `the key of a write has more than ${keyBytesMax} bytes`);
  if (operation.type === 'put')
    assert(operation.value.length <= valueBytesMax, `a value has more than ${valueBytesMax} bytes`);
}

/** Whether the key is where the operation expects it. */
export function isExpected(operation: WriteOperation, current: KeyValue | undefined): boolean {
  return (current?.modRevision ?? 0) === operation.ifModRevision;
}

/** The event that an operation, which becomes `revision`, is told as. Deleting what does not exist has none. */
export function eventOf(operation: WriteOperation, current: KeyValue | undefined, revision: number): StoreEvent {
  if (operation.type === 'put') {
    const createRevision = current?.createRevision ?? revision;
    const { key, value, late } = operation;
    const kv: KeyValue =
      late === undefined
        ? { key, value, createRevision, modRevision: revision }
        : new LateKeyValue({ key, late, createRevision, modRevision: revision });
    return current === undefined ? { type: 'put', kv } : { type: 'put', kv, previous: current };
  }
  assert(current !== undefined, 'a deletion of nothing has no event');
  return { type: 'delete', key: operation.key, revision, previous: current };
}

/** The successful outcome of a write. */
export function resultOf(event: StoreEvent): WriteResult {
  if (event.type === 'put') return { ok: true, revision: event.kv.modRevision, kv: event.kv };
  return { ok: true, revision: event.revision };
}

/** The failed outcome of a write. */
export function conflictOf(current: KeyValue | undefined): WriteResult {
  return current === undefined ? { ok: false } : { ok: false, current };
}
