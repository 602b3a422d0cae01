/**
 * Memory for slices of long answers, used again once a slice is encrypted and written: a list of 8 MB would else leave as much garbage outside
 * of the heap, which V8 collects by going through all of the heap, and the system clears each page of it first.
 * Invariant: memory is never lent twice at a time. What is not given back, as its connection broke, is left to the collector.
 */
import { Buffer } from 'node:buffer';
import { sliceBytes } from './limits.ts';

/** So many are kept: enough for the answers that are written at one time on two processors, 2 MiB in all. */
const keptMax = 8;

const kept: Buffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();

/** At least `bytes` bytes, of any contents. */
export function takeSlice(bytes: number): Buffer {
  if (bytes > sliceBytes) return Buffer.allocUnsafeSlow(bytes);
  const memory = kept.pop() ?? Buffer.allocUnsafeSlow(sliceBytes);
  lent.add(memory.buffer);
  return memory;
}

/** Takes back the memory of a slice that nobody reads any more. Memory from elsewhere, or given back before, is passed over. */
export function giveSlice({ buffer }: Uint8Array): void {
  if (!lent.delete(buffer) || kept.length >= keptMax) return;
  kept.push(Buffer.from(buffer));
}
