/** Puts at the end of an lmdb table, which leave full pages behind: a put elsewhere divides a page into two halves, or into one entry each. */
import type { Database } from 'lmdb';

/** The library's types do not tell of the options that it takes here. */
interface Appending {
  put(key: number, value: Buffer, options: { readonly append: true }): Promise<boolean>;
}

const options = { append: true } as const;

/** Queues a put of a key that is greater than all that are there; false when it is not, and nothing was put. */
export function append(table: Database<Buffer, number>, key: number, value: Buffer): Promise<boolean> {
  return (table as unknown as Appending).put(key, value, options);
}
