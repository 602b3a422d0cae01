/**
 * Values whose bytes are made when somebody reads them. What is written and read in one process, as on virtual time, is mostly read as objects
 * alone: then nothing is encoded at all. Only stores that say so (`Store.takesLate`) are given such values.
 *
 * Invariant: the bytes are those of the moment of the write, as what they are made of is never changed after it.
 */
import type { KeyValue, LateValue } from './store.ts';

/** A key with such a value. */
export class LateKeyValue implements KeyValue {
  readonly key: string;
  readonly late: LateValue;
  readonly createRevision: number;
  readonly modRevision: number;

  constructor(kv: Omit<KeyValue, 'late' | 'value'> & { readonly late: LateValue }) {
    this.key = kv.key;
    this.late = kv.late;
    this.createRevision = kv.createRevision;
    this.modRevision = kv.modRevision;
  }

  get value(): Uint8Array {
    return this.late.bytes;
  }
}

/** Bytes of a value, for limits on what is kept: of one that is not made yet, about as many. */
export function valueSize(kv: KeyValue): number {
  return kv.late === undefined ? kv.value.length : kv.late.size;
}
