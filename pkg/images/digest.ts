/** Digests of contents, `sha256:` and 64 hex digits. Nothing here reads files. Source: OCI image-spec, "Digests". */
import { createHash } from 'node:crypto';
import { ImageStoreError } from './image-store.ts';

const pattern = /^sha256:[0-9a-f]{64}$/;
const prefix = 'sha256:';

/** Whether a text is a digest that contents can be checked with; other algorithms are not. */
export function isDigest(text: string): boolean {
  return pattern.test(text);
}

/** The hex digits of a digest. Throws `damaged` for what is none, so that no document chooses a file's name. */
export function hexOf(digest: string): string {
  if (!isDigest(digest))
    throw new ImageStoreError('damaged', `digest "${digest.slice(0, 100)}" is not a sha256 digest`);
  return digest.slice(prefix.length);
}

/** The digest whose hex digits these are. */
export function digestOfHex(hex: string): string {
  return prefix + hex;
}

/** The digest of bytes. */
export function digestOf(bytes: Uint8Array | string): string {
  return prefix + createHash('sha256').update(bytes).digest('hex');
}

/** Makes a digest of bytes as they come. */
export class Digester {
  readonly #hash = createHash('sha256');

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Once, after the last bytes. */
  digest(): string {
    return prefix + this.#hash.digest('hex');
  }
}
