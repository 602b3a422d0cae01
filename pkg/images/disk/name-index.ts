/**
 * Which names lead to which contents: the file `index.json`, by which the store's folder is an OCI image layout that other programs read too. Several names may
 * lead to the same contents. Source: OCI image-spec, "Image layout"; `org.opencontainers.image.ref.name`.
 */
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type Descriptor, mediaTypes, parseDescriptor } from '../content/documents.ts';
import { JsonFile } from './json-file.ts';

/** A name, and the manifest or index that it leads to. */
export interface NamedContent {
  /** `docker.io/library/busybox:1.36`, or with `@sha256:…` in place of the tag. */
  readonly name: string;
  readonly target: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>;
}

const nameAnnotation = 'org.opencontainers.image.ref.name';

/** The names of one store. Changes are made under the store's lock. */
export class NameIndex {
  readonly #file: JsonFile<readonly NamedContent[]>;

  constructor(folder: string) {
    this.#file = new JsonFile(join(folder, 'index.json'), entriesOf);
  }

  entries(): Promise<readonly NamedContent[]> {
    return this.#file.read();
  }

  /** The entries as they are to be from now on; the last one of a name counts. */
  async replace(entries: readonly NamedContent[]): Promise<void> {
    const byName = new Map(entries.map((entry) => [entry.name, entry]));
    const manifests = [...byName.values()].map(({ name, target: { mediaType, digest, size } }) => ({
      mediaType,
      digest,
      size,
      annotations: { [nameAnnotation]: name },
    }));
    await this.#file.write({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests });
  }
}

function entriesOf(value: unknown): readonly NamedContent[] {
  if (value === undefined) return [];
  if (!isObject(value) || !Array.isArray(value.manifests)) throw new Error('it is no index of images');
  return value.manifests.map(parseDescriptor).flatMap((target) => {
    const name = target.annotations?.[nameAnnotation];
    return name === undefined ? [] : [{ name, target }];
  });
}
