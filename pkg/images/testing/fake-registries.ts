/** Registries in memory. They keep to the contract, and break it on demand: `blobs` can be replaced by what a registry that is ill would send. */
import type { LocalImage, Registries, RemoteImage } from '../client/remote-image.ts';
import type { Descriptor } from '../content/documents.ts';
import { ImageStoreError } from '../image-store.ts';
import { type ImageReference, wholeName } from '../reference.ts';
import { streamOf } from './archives.ts';
import type { TestImage } from './image-documents.ts';

/** What was asked, in order, such as `blob sha256:… 0`. */
export interface FakeRegistries extends Registries {
  readonly asked: readonly string[];
  add(name: string, image: Pick<TestImage, 'contents' | 'target'>): void;
  /** What is sent for contents from now on, instead of them; undefined sends them again. */
  answerWith(
    answer: ((descriptor: Descriptor, bytes: Buffer, offset: number) => AsyncIterable<Uint8Array>) | undefined,
  ): void;
}

/** Registries that have what is added or pushed. */
export function fakeRegistries(): FakeRegistries {
  const images = new Map<string, Pick<TestImage, 'contents' | 'target'>>();
  const asked: string[] = [];
  let answer = sendAll;
  const contentsOf = ({ contents }: Pick<TestImage, 'contents'>, { digest }: Descriptor): Buffer => {
    const bytes = contents.get(digest);
    if (bytes === undefined) throw new ImageStoreError('notFound', `registry has no ${digest}`);
    return bytes;
  };
  return {
    asked,
    add: (name, image) => void images.set(name, image),
    answerWith(given) {
      answer = given ?? sendAll;
    },
    async find(reference: ImageReference): Promise<RemoteImage> {
      const name = wholeName(reference);
      const image = images.get(name);
      asked.push(`find ${name}`);
      if (image === undefined) throw new ImageStoreError('notFound', `${name}: not found`);
      return {
        target: image.target,
        bytes: contentsOf(image, image.target),
        manifest: async (descriptor) => contentsOf(image, descriptor),
        async blob(descriptor, offset) {
          asked.push(`blob ${descriptor.digest} ${offset}`);
          return answer(descriptor, contentsOf(image, descriptor), offset);
        },
      };
    },
    async push(reference: ImageReference, { manifest, blobs, open }: LocalImage): Promise<void> {
      const contents = new Map([[manifest.digest, Buffer.from(manifest.bytes)]]);
      for (const blob of blobs) {
        const parts: Uint8Array[] = [];
        for await (const part of open(blob)) parts.push(part);
        contents.set(blob.digest, Buffer.concat(parts));
      }
      images.set(wholeName(reference), { target: manifest, contents });
    },
  };
}

function sendAll(_: Descriptor, bytes: Buffer, offset: number): AsyncIterable<Uint8Array> {
  return streamOf(bytes.subarray(offset));
}
