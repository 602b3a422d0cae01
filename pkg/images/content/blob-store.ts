/**
 * Contents by digest, as files `blobs/sha256/<hex>`. A file under that name is whole and was checked; what is still coming is beside it in `ingest/`, locked by
 * who writes it, and stays there when it is cut off so that the next one goes on. Processes may share the folder. Source: OCI image-spec, "Image layout".
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import type { Random } from '#pkg/base/random.ts';
import { Digester, digestOf, digestOfHex, hexOf, isDigest } from '../digest.ts';
import { type HeldLock, lockFile, tryLockFile } from '../host/file-lock.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import { ImageStoreError } from '../image-store.ts';

/** What contents are to be. */
export interface BlobClaim {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** Contents from an offset on, in order. */
export type BlobSource = (offset: number) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;

/** Where blobs are, and what the store takes for the machine's. */
export interface BlobStoreOptions {
  readonly folder: string;
  readonly calls: SystemCalls;
  readonly clock: Clock;
  readonly random: Random;
}

/** Of a file that is read to be hashed or sent. */
const chunkBytes = 1 << 20;

const firstBytes = 16;

/** The blobs of one folder. */
export class BlobStore {
  readonly #options: BlobStoreOptions;
  readonly #blobs: string;
  readonly #ingest: string;

  constructor(options: BlobStoreOptions) {
    this.#options = options;
    this.#blobs = join(options.folder, 'blobs', 'sha256');
    this.#ingest = join(options.folder, 'ingest');
  }

  /** Makes the folders. */
  async open(): Promise<void> {
    await mkdir(this.#blobs, { recursive: true, mode: 0o700 });
    await mkdir(this.#ingest, { recursive: true, mode: 0o700 });
  }

  pathOf(digest: string): string {
    return join(this.#blobs, hexOf(digest));
  }

  /** Bytes of a blob; undefined where there is none. */
  async sizeOf(digest: string): Promise<number | undefined> {
    const info = await stat(this.pathOf(digest)).catch(ignoreMissing);
    return info?.size;
  }

  /** All of a small blob, checked once more. Rejects with `notFound` where there is none, and `damaged` for what the disk made of it. */
  async read(digest: string, bytesMax: number): Promise<Uint8Array> {
    const size = await this.sizeOf(digest);
    if (size === undefined) throw new ImageStoreError('notFound', `content ${digest} is not there`);
    if (size > bytesMax)
      throw new ImageStoreError(
        'damaged',
        `content ${digest} has ${size} bytes, more than the ${bytesMax} that are read`,
      );
    const file = await open(this.pathOf(digest), 'r');
    try {
      const bytes = await file.readFile();
      if (digestOf(bytes) !== digest) throw new ImageStoreError('damaged', `content ${digest} was changed on the disk`);
      return bytes;
    } finally {
      await file.close();
    }
  }

  /** The bytes of a blob as they are read, from an offset on. Fails while it is read where there is none. */
  stream(digest: string, range: { readonly start?: number; readonly end?: number } = {}): AsyncIterable<Uint8Array> {
    return createReadStream(this.pathOf(digest), { highWaterMark: chunkBytes, ...range });
  }

  /** Takes in bytes; the digest is theirs, and pinned before they are there. What the disk has made of them before is replaced. */
  async put(bytes: Uint8Array, pin: { add(digests: readonly string[]): Promise<void> }): Promise<BlobClaim> {
    const claim = { digest: digestOf(bytes), size: bytes.length };
    await pin.add([claim.digest]);
    await this.removeDamaged(claim);
    await this.receive(claim, async function* (offset) {
      yield bytes.subarray(offset);
    });
    return claim;
  }

  /**
   * Takes in contents that are to have a digest and a size, from where an earlier try was cut off. What the source throws is thrown, and what came until
   * then is kept; contents that end early are `unreachable`, too many or wrong ones `damaged`, and nothing of them is kept.
   */
  async receive(
    claim: BlobClaim,
    source: BlobSource,
    options: { readonly progress?: (doneBytes: number) => void; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const path = join(this.#ingest, `${hexOf(claim.digest)}.part`);
    if ((await this.sizeOf(claim.digest)) !== undefined) return;
    await using lock = await lockFile(path, { ...this.#options, ...options });
    // Another one may have taken it in meanwhile.
    if ((await this.sizeOf(claim.digest)) !== undefined) {
      await rm(path, { force: true });
      return;
    }
    await append(lock, claim, source, options);
    await lock.file.datasync();
    await rename(path, this.pathOf(claim.digest));
  }

  /** Takes in contents of which nothing is known before. `beforeItIsThere` is called with what they are. */
  async putStream(
    source: AsyncIterable<Uint8Array>,
    beforeItIsThere: (claim: BlobClaim) => Promise<void>,
  ): Promise<BlobClaim> {
    const path = join(this.#ingest, `${this.#options.random.uuid()}.new`);
    await using lock = await lockFile(path, this.#options);
    try {
      const digester = new Digester();
      let size = 0;
      for await (const chunk of source) {
        digester.update(chunk);
        size += chunk.length;
        await writeAll(lock.file, chunk);
      }
      const claim = { digest: digester.digest(), size };
      await beforeItIsThere(claim);
      await lock.file.datasync();
      await rename(path, this.pathOf(claim.digest));
      return claim;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Takes a small blob away that is not what it was when it came, so that it can come again. */
  async removeDamaged({ digest, size }: BlobClaim): Promise<void> {
    if ((await this.sizeOf(digest)) === undefined) return;
    const isWhole = await this.read(digest, size).then(
      () => true,
      () => false,
    );
    if (!isWhole) await this.remove(digest);
  }

  /** Takes in a file as it is, whose digest was made while it was written. It is moved, not copied. */
  async adopt(path: string, digest: string): Promise<void> {
    const file = await open(path, 'r');
    await file.datasync();
    await file.close();
    await rename(path, this.pathOf(digest));
  }

  /** Digests of all that is there. */
  async list(): Promise<readonly string[]> {
    return (await readdir(this.#blobs)).map(digestOfHex).filter(isDigest);
  }

  /** Takes a blob away; resolves with its bytes. */
  async remove(digest: string): Promise<number> {
    const size = (await this.sizeOf(digest)) ?? 0;
    await rm(this.pathOf(digest), { force: true });
    return size;
  }

  /** Takes away what was cut off and nobody is taking in now; resolves with the bytes. */
  async removePartial(): Promise<number> {
    let bytes = 0;
    for (const name of await readdir(this.#ingest)) {
      const path = join(this.#ingest, name);
      await using lock = await tryLockFile(path, this.#options.calls);
      if (lock === undefined) continue;
      bytes += (await lock.file.stat()).size;
      await rm(path, { force: true });
    }
    return bytes;
  }
}

/** The first bytes of a blob, by which its form is known. */
export async function readFirst(blobs: BlobStore, digest: string): Promise<Uint8Array> {
  const file = await open(blobs.pathOf(digest), 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(firstBytes), 0, firstBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function append(
  { file }: HeldLock,
  { digest, size }: BlobClaim,
  source: BlobSource,
  { progress, signal }: { readonly progress?: (doneBytes: number) => void; readonly signal?: AbortSignal },
): Promise<void> {
  let done = (await file.stat()).size;
  if (done > size) {
    await file.truncate(0);
    done = 0;
  }
  const digester = await digesterOf(file, done);
  const refuse = async (message: string): Promise<never> => {
    await file.truncate(0);
    throw new ImageStoreError('damaged', message);
  };
  progress?.(done);
  if (done < size || size === 0) {
    for await (const chunk of await source(done)) {
      signal?.throwIfAborted();
      done += chunk.length;
      if (done > size) await refuse(`content ${digest} is larger than the ${size} bytes that it is said to have`);
      digester.update(chunk);
      await writeAll(file, chunk);
      progress?.(done);
    }
  }
  if (done < size)
    throw new ImageStoreError(
      'unreachable',
      `content ${digest} ended after ${done} of the ${size} bytes that it is said to have`,
    );
  const found = digester.digest();
  if (found !== digest) await refuse(`content is not what its digest says: it has ${found}, not ${digest}`);
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
}

/** A digester that has seen the first bytes of a file. */
async function digesterOf(file: FileHandle, bytes: number): Promise<Digester> {
  const digester = new Digester();
  const buffer = Buffer.alloc(Math.min(chunkBytes, Math.max(bytes, 1)));
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
    if (bytesRead === 0) break;
    digester.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return digester;
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
