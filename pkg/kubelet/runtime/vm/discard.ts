/**
 * Gives memory of frames that hold nothing back to the system: the pages stay where they are, and are made anew, of zeros, when they are next written. Needs `node:ffi` and Linux; where a
 * page of the system is larger than a frame it refuses, and nothing is given back. Source: madvise(2).
 */
import { dlopen } from 'node:ffi';

const { functions: c } = dlopen(null, {
  madvise: { arguments: ['buffer', 'uint64', 'int32'], return: 'int32' },
});
/** MADV_DONTNEED. */
const notNeeded = 4;

/** Gives them back, as far as the system takes them. */
export function discard(bytes: Uint8Array): void {
  c.madvise(bytes, BigInt(bytes.length), notNeeded);
}
