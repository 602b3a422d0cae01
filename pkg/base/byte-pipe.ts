/**
 * A pipe of bytes within one thread, bounded as a pipe of the system is. Invariants: what was written is read whole and in order; a writer waits
 * while more than `limitBytes` are unread; once the reader has gone, writers are told so and nothing is kept. One reader, any number of writers.
 */

/** Bytes that wait where nothing else was said: as many as a pipe of Linux holds. */
const limitBytesDefault = 64 * 1024;

/** How much waits in the pipe, and who hears of what was read. */
export interface BytePipeOptions {
  /** Unread bytes beyond which writers wait. One piece may exceed it. Default 64 KiB. */
  readonly limitBytes?: number;
  /** Called after each read with the bytes that it took. */
  readonly onRead?: (bytes: number) => void;
}

/** A pipe with one writer and one reader. */
export class BytePipe implements AsyncIterable<Uint8Array> {
  readonly #limitBytes: number;
  readonly #onRead: ((bytes: number) => void) | undefined;
  #chunks: Uint8Array[] = [];
  #unreadBytes = 0;
  #isEnded = false;
  #isCancelled = false;
  #error: unknown;
  #reader: (() => void) | undefined;
  #writers: ((isRead: boolean) => void)[] = [];

  constructor({ limitBytes = limitBytesDefault, onRead }: BytePipeOptions = {}) {
    this.#limitBytes = limitBytes;
    this.#onRead = onRead;
  }

  /** Bytes that were written and not read. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** Whether the reader has gone. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Whether no more comes. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Takes bytes, which belong to the pipe from now on. Resolves when there is room for more: with false when nobody reads them, true otherwise. */
  write(bytes: Uint8Array): Promise<boolean> | boolean {
    if (this.#isCancelled || this.#isEnded) return false;
    if (bytes.length === 0) return true;
    this.#chunks.push(bytes);
    this.#unreadBytes += bytes.length;
    this.#wakeReader();
    if (this.#unreadBytes <= this.#limitBytes) return true;
    return new Promise((resolve) => this.#writers.push(resolve));
  }

  /** No more is written. With `error`, the reader is told that once it has read the rest. */
  end(error?: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error;
    this.#wakeReader();
  }

  /** No more is read: what is there is thrown away. */
  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    const bytes = this.#unreadBytes;
    this.#chunks = [];
    this.#unreadBytes = 0;
    if (bytes > 0) this.#onRead?.(bytes);
    this.#wakeWriters(false);
    this.#wakeReader();
  }

  /** The next bytes, undefined at the end. Rejects with the error that the writer ended with. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#unreadBytes -= chunk.length;
        if (this.#unreadBytes <= this.#limitBytes) this.#wakeWriters(true);
        this.#onRead?.(chunk.length);
        return chunk;
      }
      if (this.#isCancelled) return undefined;
      if (this.#isEnded) {
        if (this.#error !== undefined) throw this.#error;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#reader = resolve;
      });
    }
  }

  /** Puts back what was read and not used, as the next to be read. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#isCancelled) return;
    this.#chunks.unshift(bytes);
    this.#unreadBytes += bytes.length;
  }

  /** Reads to the end; leaving early cancels. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) yield chunk;
    } finally {
      this.cancel();
    }
  }

  #wakeReader(): void {
    const wake = this.#reader;
    this.#reader = undefined;
    wake?.();
  }

  #wakeWriters(isRead: boolean): void {
    const writers = this.#writers;
    this.#writers = [];
    for (const resolve of writers) resolve(isRead);
  }
}
