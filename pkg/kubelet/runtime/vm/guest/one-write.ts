/** What is written to a stream in one turn of the thread goes in one piece: it is one call to the system, and who reads it is woken once. */
import type { Writable } from 'node:stream';

/** Holds back what is written from now on until this turn's work is done. */
export function inOneWrite(stream: Writable): void {
  if (stream.writableCorked > 0) return;
  stream.cork();
  queueMicrotask(() => stream.uncork());
}
