/**
 * How much room there is on the disk of a folder. It is looked at before each transaction: the lmdb package damages its own memory where the system refuses a
 * write, and the process then ends by a signal a little later, whatever it does. No promise: another process may take the room meanwhile.
 */
import { statfsSync } from 'node:fs';
import type { WriteRecord } from './write-group.ts';

/** With less than this free the disk is what people call full: the file grows by several pages at a time. Bytes. */
export const fullBytes = 4 * 2 ** 20;

/** What a transaction needs beyond its values: pages of the trees above them, made anew, and of the list of free ones. Bytes. */
const pagesBytes = 2 ** 20;

/** Bytes that are free for us. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Throws where the disk has no room for a transaction of these writes. */
export function needRoom(folder: string, writes: readonly { readonly record: WriteRecord }[]): void {
  const bytes = writes.reduce((sum, { record }) => sum + record.value.byteLength, pagesBytes);
  if (freeBytes(folder) < bytes) throw new Error(`a transaction of ${bytes} bytes does not fit on the disk`);
}
