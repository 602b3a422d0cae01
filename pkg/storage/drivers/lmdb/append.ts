/** Puts at the end of an lmdb table, which leave full pages behind: a put elsewhere divides a page into two halves, or into one entry each. */
import type { Database } from 'lmdb';

/** The library's types do not tell of the options that it takes here. */
interface Appending {
  put(key: number, value: Buffer, options: { readonly append: true }): Promise<boolean>;
}

/** Queues a put of a key that is greater than all that are there. Rejects when it is not. */
export async function append(table: Database<Buffer, number>, key: number, value: Buffer): Promise<boolean> {
  const done = await (table as unknown as Appending).put(key, value, { append: true });
  if (!done) throw new Error(`Cannot append ${key} to a table that has a greater key`);
  return done;
}
