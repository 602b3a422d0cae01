/**
 * Pieces of suspended machines on the disk of their node, so that one that comes back sends what has changed since: a file for each, named by what it is. All threads of a node have the same folder.
 * Invariants: a file is there whole or not at all; what is read is checked by whoever asked for it, as its name says what it is; the files take no more than a limit once a machine has come or gone, and those
 * that were asked for longest ago go first.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { threadId } from 'node:worker_threads';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Clock } from '#pkg/base/clock.ts';
import { type PieceStore, pieceLimit } from '#pkg/vmm/migration/piece-tree.ts';

const namePattern = /^[0-9a-f]{64}$/;
/** Bytes of a node's files. */
const bytesMax = 256 * 1024 * 1024;
/** One that was begun and not ended is of a thread that died. */
const unfinished = `.${process.pid}-${threadId}.new`;

/** What pieces are kept with. */
interface PieceFilesOptions {
  readonly clock: Clock;
  /** Bytes of all files together. Default: 256 MiB. */
  readonly bytesMax?: number;
}

/** The pieces of one node. */
export class PieceFiles implements PieceStore {
  readonly #folder: string;
  readonly #options: PieceFilesOptions;

  /** `folder` is made when there is something for it. */
  constructor(folder: string, options: PieceFilesOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  read(name: string): Uint8Array | undefined {
    const path = this.#path(name);
    // It may have been forgotten, and one that cannot be read is none.
    return perhaps(() => {
      const bytes = zstdDecompressSync(readFileSync(path), { maxOutputLength: pieceLimit });
      this.#used(path);
      return bytes;
    });
  }

  /** Keeps a piece; one that cannot be, on a disk that is full for example, is not. */
  write(name: string, bytes: Uint8Array): void {
    const path = this.#path(name);
    const half = `${path}${unfinished}`;
    const kept = perhaps(() => {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(half, zstdCompressSync(bytes), { mode: 0o600 });
      renameSync(half, path);
      this.#used(path);
      return path;
    });
    if (kept === undefined) perhaps(() => rmSync(half, { force: true }));
  }

  /** Forgets what is more than the limit. */
  trim(): void {
    const names = perhaps(() => readdirSync(this.#folder)) ?? [];
    const files = names.flatMap((name) => {
      const path = join(this.#folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ path, size: stat.size, usedMs: stat.mtimeMs }];
    });
    let bytes = 0;
    for (const { path, size } of files.toSorted((a, b) => b.usedMs - a.usedMs)) {
      bytes += size;
      if (bytes > (this.#options.bytesMax ?? bytesMax)) rmSync(path, { force: true });
    }
  }

  #used(path: string): void {
    const seconds = this.#options.clock.nowMs() / 1000;
    utimesSync(path, seconds, seconds);
  }

  #path(name: string): string {
    if (!namePattern.test(name)) throw new RangeError(`Cannot find ${JSON.stringify(name)}: it names no piece`);
    return join(this.#folder, name);
  }
}

/** What `work` gives; undefined where the system refuses. */
function perhaps<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
