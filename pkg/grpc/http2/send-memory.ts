/**
 * What leaves by one write, put together in memory that is used again and again: each large piece of memory is counted by the garbage collector, which had
 * a third of what many writes to a store cost. Little is put together in memory of its own, of which many pieces share one.
 */
import type { Writable } from 'node:stream';

/** Less than this is little; more than that has memory of its own. */
const bytesLeast = 8 * 1024;
const bytesMost = 256 * 1024;

/** The memory of one connection, of which there is none before something large leaves. */
export class SendMemory {
  #memory: Buffer | undefined;
  /** Until the write before has left. */
  #isTaken = false;

  /** Writes the pieces one after the other, as they are now. */
  write(target: Pick<Writable, 'write'>, pieces: readonly Uint8Array[]): void {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    if (bytes < bytesLeast || bytes > bytesMost || this.#isTaken) {
      target.write(Buffer.concat(pieces, bytes));
      return;
    }
    const memory = this.#room(bytes);
    let at = 0;
    for (const piece of pieces) {
      memory.set(piece, at);
      at += piece.length;
    }
    this.#isTaken = true;
    target.write(memory.subarray(0, bytes), () => {
      this.#isTaken = false;
    });
  }

  #room(bytes: number): Buffer {
    let size = this.#memory?.length ?? 2 * bytesLeast;
    while (size < bytes) size *= 2;
    if (this.#memory?.length !== size) this.#memory = Buffer.allocUnsafeSlow(size);
    return this.#memory;
  }
}
