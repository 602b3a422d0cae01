/** What a store asks of registries. The contract alone: `registries.ts` speaks to real ones. */
import type { Descriptor } from '../content/documents.ts';
import type { RegistryLogin } from '../image-store.ts';
import type { ImageReference } from '../reference.ts';

/** Who asks, and until when. */
export interface RegistryCall {
  /** Tried in turn, before nobody. */
  readonly logins?: readonly RegistryLogin[];
  readonly signal?: AbortSignal;
}

/** An image of a registry. Its registry stays the one that answered first. */
export interface RemoteImage {
  /** The manifest or index that the name leads to; of the digest in the name where it has one. */
  readonly target: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>;
  readonly bytes: Uint8Array;
  /** A manifest of an index. */
  manifest(descriptor: Descriptor): Promise<Uint8Array>;
  /** Contents from an offset on. They may be cut off, or not be what they are to be: whoever takes them checks them. */
  blob(descriptor: Descriptor, offset: number): Promise<AsyncIterable<Uint8Array>>;
}

/** An image to be pushed, with its contents. */
export interface LocalImage {
  readonly manifest: Descriptor & { readonly bytes: Uint8Array };
  readonly blobs: readonly Descriptor[];
  open(descriptor: Descriptor): AsyncIterable<Uint8Array>;
}

/** Registries by the names of images. Both reject with `ImageStoreError`. */
export interface Registries {
  find(reference: ImageReference, call: RegistryCall): Promise<RemoteImage>;
  push(reference: ImageReference, image: LocalImage, call: RegistryCall): Promise<void>;
}
