/** Which layers were made of what by earlier builds: one file, of which the oldest entries go when there are too many. The contents are kept until images are pruned. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { BuiltLayer } from '../build/build-parts.ts';
import { parseDescriptor } from '../content/documents.ts';
import { JsonFile } from '../disk/json-file.ts';

/** Steps of some hundred builds; each is some hundred bytes, and its layer's contents. */
const entriesMax = 2000;

/** The cache of one store. It is changed under the store's lock. */
export class BuildCache {
  readonly #path: string;
  readonly #file: JsonFile<ReadonlyMap<string, BuiltLayer>>;

  constructor(folder: string) {
    this.#path = join(folder, 'build-cache.json');
    this.#file = new JsonFile(this.#path, parseCache);
  }

  entries(): Promise<ReadonlyMap<string, BuiltLayer>> {
    return this.#file.read();
  }

  async add(key: string, layer: BuiltLayer): Promise<void> {
    const entries = new Map(await this.#file.read());
    entries.delete(key);
    entries.set(key, layer);
    await this.#file.write(Object.fromEntries([...entries].slice(-entriesMax)));
  }

  clear(): Promise<void> {
    return rm(this.#path, { force: true });
  }
}

function parseCache(value: unknown): ReadonlyMap<string, BuiltLayer> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw new Error('it is no cache of builds');
  return new Map(
    Object.entries(value).map(([key, entry]): readonly [string, BuiltLayer] => {
      const { descriptor, diffId } = isObject(entry) ? entry : {};
      if (typeof diffId !== 'string') throw new Error(`it says nothing of ${key}`);
      return [key, { descriptor: parseDescriptor(descriptor), diffId }];
    }),
  );
}
