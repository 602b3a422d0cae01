/**
 * The output of a container as a file that other tools read, too: a line for each line, with its time and stream. A line is cut at `lineBytesMax`, and what has no
 * newline when the container ends is tagged as partial. Beyond `fileBytesMax` the file is put aside and a new one begun; the oldest of those put aside goes.
 * When more than `pendingBytesMax` wait for the disk, the container does. A disk that is full loses lines, and the container goes on.
 * Source: KEP-2411 (CRI container log file), kubelet `containerLogMaxSize`, `containerLogMaxFiles`, containerd `cri/io/logger.go`.
 */
import { Buffer } from 'node:buffer';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';

const lineBytesMax = 16 * 1024;
const newline = 10;
/** Written at a time, and waiting, before the container has to wait. */
const pendingBytesMax = 1024 * 1024;

/** Where it is and how much of it is kept. */
export interface LogFileOptions {
  readonly path: string;
  /** Default 10 MiB. */
  readonly fileBytesMax?: number;
  /** With the one that is written. Default 5. */
  readonly filesMax?: number;
  /** Called when there is room again. */
  readonly onRoom: () => void;
}

/** A stream of a container. */
export type LogStream = 'stderr' | 'stdout';

/** The file that was put aside `age` times; 0 for the one that is written. */
function logPathOf(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`;
}

/** The output of one container. */
export class LogFile {
  readonly #options: LogFileOptions;
  readonly #rest: Record<LogStream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #fileBytes = 0;

  constructor(options: LogFileOptions) {
    this.#options = options;
  }

  /** Whether there is room for more; `onRoom` says when again. */
  get hasRoom(): boolean {
    return this.#pendingBytes < pendingBytesMax;
  }

  /** Takes output. */
  write(stream: LogStream, bytes: Uint8Array, timeMs: number): void {
    let rest = this.#rest[stream].length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest[stream], bytes]);
    const time = new Date(timeMs).toISOString();
    for (;;) {
      const end = rest.indexOf(newline);
      const length = end < 0 ? rest.length : end;
      if (length > lineBytesMax) {
        this.#add(`${time} ${stream} P `, rest.subarray(0, lineBytesMax));
        rest = rest.subarray(lineBytesMax);
      } else if (end >= 0) {
        this.#add(`${time} ${stream} F `, rest.subarray(0, end));
        rest = rest.subarray(end + 1);
      } else break;
    }
    this.#rest[stream] = Buffer.from(rest);
    this.#write();
  }

  /** No more comes; resolves when all is written. */
  async end(timeMs: number): Promise<void> {
    const time = new Date(timeMs).toISOString();
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#rest[stream].length > 0) this.#add(`${time} ${stream} P `, this.#rest[stream]);
      this.#rest[stream] = Buffer.alloc(0);
    }
    this.#write();
    while (this.#writing !== undefined) await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  #add(head: string, text: Buffer): void {
    const line = Buffer.concat([Buffer.from(head, 'latin1'), text, Buffer.of(newline)]);
    this.#pending.push(line);
    this.#pendingBytes += line.length;
  }

  #write(): void {
    if (this.#writing !== undefined || this.#pendingBytes === 0) return;
    const had = this.hasRoom;
    this.#writing = this.#writeOut().then(() => {
      this.#writing = undefined;
      if (!had && this.hasRoom) this.#options.onRoom();
      this.#write();
    });
  }

  async #writeOut(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    try {
      await this.#append(bytes);
    } catch {
      // The disk is full, or the container's folder has gone.
    } finally {
      this.#pendingBytes -= bytes.length;
    }
  }

  async #append(bytes: Buffer): Promise<void> {
    const { path, fileBytesMax = 10 * 1024 * 1024 } = this.#options;
    if (this.#file === undefined) {
      this.#file = await open(path, 'a', 0o640);
      this.#fileBytes = (await this.#file.stat()).size;
    }
    for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at)).bytesWritten;
    this.#fileBytes += bytes.length;
    if (this.#fileBytes >= fileBytesMax) await this.#putAside();
  }

  async #putAside(): Promise<void> {
    const { path, filesMax = 5 } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    await rm(logPathOf(path, filesMax - 1), { force: true });
    for (let age = filesMax - 2; age >= 0; age--) {
      await rename(logPathOf(path, age), logPathOf(path, age + 1)).catch(() => {});
    }
  }
}
