/** Contents that are being uploaded, piece by piece: a file each, whose digest is made as it grows. They end with the process; what is left of one is taken away at the next start. */
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { Digester, isDigest } from '../digest.ts';
import { RegistryError } from './registry-errors.ts';

/** Uploads at the same time: some clients for a person's machine have, each with some layers. More are refused until others end. */
const uploadsMax = 100;
/** Of one content: more than any layer that is in use. */
const uploadBytesMax = 64 * 2 ** 30;
/** An upload of which nothing was heard for so long is given up when room is wanted. */
const idleMs = 3_600_000;

interface Upload {
  readonly id: string;
  readonly repository: string;
  readonly path: string;
  readonly file: FileHandle;
  readonly digester: Digester;
  bytes: number;
  usedMs: number;
  isBusy: boolean;
}

/** The uploads of one registry. */
export class Uploads {
  readonly #folder: string;
  readonly #options: { readonly clock: Clock; readonly random: Random; readonly blobs: BlobStore };
  readonly #uploads = new Map<string, Upload>();
  /** Uploads whose file is being made. */
  #beginning = 0;

  constructor(folder: string, options: { readonly clock: Clock; readonly random: Random; readonly blobs: BlobStore }) {
    this.#folder = folder;
    this.#options = options;
  }

  async open(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Closes and takes away all of them. */
  async close(): Promise<void> {
    for (const upload of this.#uploads.values()) await this.#drop(upload);
  }

  /** Begins an upload; resolves with its id. */
  async begin(repository: string): Promise<string> {
    const { clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const one of this.#uploads.values()) if (!one.isBusy && nowMs - one.usedMs > idleMs) await this.#drop(one);
    if (this.#uploads.size + this.#beginning >= uploadsMax) throw new RegistryError('TOOMANYREQUESTS');
    const id = random.uuid();
    const path = join(this.#folder, id);
    this.#beginning++;
    const file = await open(path, 'wx', 0o600).finally(() => this.#beginning--);
    this.#uploads.set(id, {
      id,
      repository,
      path,
      file,
      digester: new Digester(),
      bytes: 0,
      usedMs: nowMs,
      isBusy: false,
    });
    return id;
  }

  /** Bytes that came so far. */
  bytesOf(repository: string, id: string): number {
    return this.#find(repository, id).bytes;
  }

  /** Adds a piece; resolves with the bytes so far. `from` is where the client says it begins. */
  async append(
    repository: string,
    id: string,
    { content, from }: { readonly content: AsyncIterable<Uint8Array>; readonly from: number | undefined },
  ): Promise<number> {
    const upload = this.#find(repository, id);
    if (upload.isBusy || (from !== undefined && from !== upload.bytes))
      throw new RegistryError('BLOB_UPLOAD_INVALID', `the next byte is ${upload.bytes}`);
    upload.isBusy = true;
    try {
      for await (const chunk of content) {
        if (upload.bytes + chunk.length > uploadBytesMax)
          throw new RegistryError('SIZE_INVALID', `at most ${uploadBytesMax} bytes`);
        for (let done = 0; done < chunk.length; ) done += (await upload.file.write(chunk, done)).bytesWritten;
        upload.digester.update(chunk);
        upload.bytes += chunk.length;
      }
      upload.usedMs = this.#options.clock.monotonicMs();
      return upload.bytes;
    } finally {
      upload.isBusy = false;
    }
  }

  /** Ends an upload whose contents have a digest. One that is wrong is given up. */
  async finish(repository: string, id: string, digest: string): Promise<void> {
    const upload = this.#find(repository, id);
    this.#uploads.delete(id);
    const found = upload.digester.digest();
    if (!isDigest(digest) || found !== digest) {
      await this.#drop(upload);
      throw new RegistryError('DIGEST_INVALID', `contents have ${found}, not ${digest.slice(0, 100)}`);
    }
    await upload.file.close();
    await this.#options.blobs.adopt(upload.path, digest);
  }

  /** Gives an upload up. One to which a piece is being added goes on. */
  async cancel(repository: string, id: string): Promise<void> {
    const upload = this.#find(repository, id);
    if (upload.isBusy) throw new RegistryError('BLOB_UPLOAD_INVALID', 'a piece is being added');
    await this.#drop(upload);
  }

  #find(repository: string, id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload?.repository !== repository) throw new RegistryError('BLOB_UPLOAD_UNKNOWN');
    return upload;
  }

  async #drop(upload: Upload): Promise<void> {
    this.#uploads.delete(upload.id);
    await upload.file.close();
    await rm(upload.path, { force: true });
  }
}
