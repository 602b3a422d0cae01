/**
 * A file of lines that is put aside when it is as large as it may be (`audit-2026-11-28T14-49-46.123.log`), of which so many, and so long, are kept. Lines are written
 * within the call, so that what was said is with the system before the answer goes out. Invariant: a line is never divided between two files.
 * Upstream counterpart: `gopkg.in/natefinch/lumberjack.v2`.
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '#pkg/base/clock.ts';

/** Where, and how much is kept. */
export interface RotatingFileOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Bytes after which another file is begun. */
  readonly sizeMax: number;
  /** Days that files which were put aside are kept; 0 keeps them. */
  readonly ageDaysMax: number;
  /** Files put aside that are kept; 0 keeps all. */
  readonly backupsMax: number;
  /** Whether what was put aside is compressed. */
  readonly compress: boolean;
  /** Told of what went wrong beside the writing. */
  onError(error: unknown): void;
}

const dayMs = 86_400_000;
const compressedEnd = '.gz';

/** Opens the file, or makes it with its folders. Throws what the system says. */
export class RotatingFile {
  readonly #options: RotatingFileOptions;
  #file: number;
  #size: number;
  #tidying: Promise<void> = Promise.resolve();

  constructor(options: RotatingFileOptions) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o755 });
    this.#file = this.#open();
    this.#size = fstatSync(this.#file).size;
    this.#tidy();
  }

  /** Writes whole lines. Throws what the system says. */
  write(lines: string): void {
    const bytes = Buffer.from(lines);
    if (this.#size > 0 && this.#size + bytes.length > this.#options.sizeMax) this.#rotate();
    for (let at = 0; at < bytes.length; ) {
      const written = writeSync(this.#file, bytes, at);
      at += written;
      this.#size += written;
    }
  }

  /** Ends it, once what was put aside is in order. */
  async close(): Promise<void> {
    closeSync(this.#file);
    await this.#tidying;
  }

  #open(): number {
    return openSync(this.#options.path, 'a', 0o600);
  }

  #rotate(): void {
    const { path } = this.#options;
    renameSync(path, this.#backupPath());
    const next = this.#open();
    closeSync(this.#file);
    this.#file = next;
    this.#size = 0;
    this.#tidy();
  }

  #backupPath(): string {
    const { path, clock } = this.#options;
    const end = extname(path);
    const time = new Date(clock.nowMs()).toISOString().slice(0, 23).replaceAll(':', '-');
    return join(dirname(path), `${basename(path, end)}-${time}${end}`);
  }

  /** One at a time, after the others. */
  #tidy(): void {
    this.#tidying = this.#tidying.then(() => this.#tidyNow()).catch((error: unknown) => this.#options.onError(error));
  }

  async #tidyNow(): Promise<void> {
    const { path, backupsMax, ageDaysMax, compress, clock } = this.#options;
    const end = extname(path);
    const head = `${basename(path, end)}-`;
    const folder = dirname(path);
    const backups = (await readdir(folder))
      .filter((name) => name.startsWith(head) && (name.endsWith(end) || name.endsWith(`${end}${compressedEnd}`)))
      .map((name) => ({ name, timeMs: timeOf(name.slice(head.length)) }))
      .filter(({ timeMs }) => !Number.isNaN(timeMs))
      .sort((a, b) => b.timeMs - a.timeMs);
    const oldestMs = ageDaysMax === 0 ? Number.NEGATIVE_INFINITY : clock.nowMs() - ageDaysMax * dayMs;
    for (const [at, { name, timeMs }] of backups.entries()) {
      const file = join(folder, name);
      if ((backupsMax > 0 && at >= backupsMax) || timeMs < oldestMs) await rm(file, { force: true });
      else if (compress && !name.endsWith(compressedEnd)) await compressFile(file);
    }
  }
}

/** `NaN` for a name that is none of ours. */
function timeOf(text: string): number {
  const [, date, hour, minute, second] = /^(\d{4}-\d{2}-\d{2})T(\d{2})-(\d{2})-(\d{2}\.\d{3})/.exec(text) ?? [];
  return date === undefined ? Number.NaN : Date.parse(`${date}T${hour}:${minute}:${second}Z`);
}

async function compressFile(file: string): Promise<void> {
  const made = `${file}${compressedEnd}`;
  const part = `${made}.part`;
  await pipeline(createReadStream(file), createGzip(), createWriteStream(part, { mode: 0o600 }));
  await rename(part, made);
  await rm(file);
}
