/** A file of JSON that is replaced as a whole, so that a reader sees the one before or the one after. Writers hold a lock of their own. */
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { ImageStoreError } from '../image-store.ts';

/** Reads and replaces one file; what was read is kept for as long as the file is the same. */
export class JsonFile<T> {
  readonly #path: string;
  readonly #parse: (value: unknown) => T;
  #known: { readonly mark: string; readonly value: T } | undefined;

  /** `parse` is given undefined where there is no file, and throws for what is not as it is to be. */
  constructor(path: string, parse: (value: unknown) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  async read(): Promise<T> {
    const info = await stat(this.#path, { bigint: true }).catch(ignoreMissing);
    const mark = info === undefined ? '' : `${info.ino} ${info.mtimeNs} ${info.size}`;
    if (this.#known?.mark === mark) return this.#known.value;
    const text = await readFile(this.#path, 'utf8').catch(ignoreMissing);
    const value = this.#parsed(text);
    this.#known = { mark, value };
    return value;
  }

  async write(value: object): Promise<void> {
    await writeFile(`${this.#path}.new`, JSON.stringify(value), { mode: 0o600, flush: true });
    await rename(`${this.#path}.new`, this.#path);
  }

  #parsed(text: string | undefined): T {
    try {
      return this.#parse(text === undefined ? undefined : JSON.parse(text));
    } catch (error) {
      throw new ImageStoreError('damaged', `cannot read ${this.#path}: ${errorText(error)}`, error);
    }
  }
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
