/**
 * Reads a container's log file: all of it, its end, or what comes to it. Only the file that is written is looked at, and where it is put aside meanwhile, its rest
 * and then the new one. Source: kubelet `logs.ReadLogs`, KEP-2411 (CRI container log file).
 */
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { LogLine, LogOptions } from './runtime.ts';

const blockBytes = 64 * 1024;
const newline = 10;

/** What is read, and when it ends. */
export interface LogSource {
  readonly path: string;
  /** Resolves once nothing more is written. */
  readonly ended: Promise<void>;
  /** Whether it already is so. */
  hasEnded(): boolean;
}

/** The lines that are asked for. */
export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<LogLine> {
  const { sinceMs, tailLines, follow = false, signal } = options;
  const changes = follow ? new Changes(source, signal) : undefined;
  const tail = new Tail(source.path);
  try {
    await tail.open(tailLines);
    for (;;) {
      // Looked at before the reading: what is written until then is read.
      const isLast = !follow || source.hasEnded() || signal?.aborted === true;
      for await (const line of tail.lines()) {
        if (signal?.aborted) return;
        if (sinceMs === undefined || line.timeMs >= sinceMs) yield line;
      }
      if (isLast) return;
      await changes?.next();
    }
  } finally {
    changes?.close();
    await tail.close();
  }
}

/** Wakes who waits for something to change: the file, the container, or the reader's wish. */
class Changes {
  readonly #watcher: FSWatcher;
  #isNew = true;
  #wake: (() => void) | undefined;

  constructor({ path, ended }: LogSource, signal: AbortSignal | undefined) {
    const changed = (): void => {
      this.#isNew = true;
      this.#wake?.();
    };
    // Its folder, as the file may be put aside, or not be there yet.
    this.#watcher = watch(dirname(path), (_, name) => {
      if (name === null || name === basename(path)) changed();
    });
    this.#watcher.on('error', changed);
    signal?.addEventListener('abort', changed, { once: true });
    void ended.then(changed);
  }

  async next(): Promise<void> {
    if (!this.#isNew) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isNew = false;
    this.#wake = undefined;
  }

  close(): void {
    this.#watcher.close();
  }
}

/** The file as lines, from some place to its end, again and again. */
class Tail {
  readonly #path: string;
  #file: FileHandle | undefined;
  #inode = 0;
  #at = 0;
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /** Goes to the start of the last lines; to the start of all where no number is given. */
  async open(tailLines: number | undefined): Promise<void> {
    await this.#reopen();
    if (this.#file !== undefined && tailLines !== undefined) this.#at = await startOfLast(this.#file, tailLines);
  }

  async *lines(): AsyncGenerator<LogLine> {
    for (;;) {
      yield* this.#toEnd();
      const found = await stat(this.#path).catch(() => undefined);
      if (found === undefined || found.ino === this.#inode) return;
      // It was put aside: what was written before that is read before the new one is.
      yield* this.#toEnd();
      await this.#reopen();
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #reopen(): Promise<void> {
    await this.close();
    this.#file = await open(this.#path, 'r').catch(() => undefined);
    this.#inode = (await this.#file?.stat())?.ino ?? 0;
    this.#at = 0;
    this.#rest = Buffer.alloc(0);
  }

  async *#toEnd(): AsyncGenerator<LogLine> {
    const block = Buffer.alloc(blockBytes);
    for (;;) {
      const { bytesRead = 0 } = (await this.#file?.read(block, 0, blockBytes, this.#at)) ?? {};
      if (bytesRead === 0) return;
      this.#at += bytesRead;
      let text = Buffer.concat([this.#rest, block.subarray(0, bytesRead)]);
      for (let end = text.indexOf(newline); end >= 0; end = text.indexOf(newline)) {
        const line = parseLogLine(text.subarray(0, end));
        text = text.subarray(end + 1);
        if (line !== undefined) yield line;
      }
      this.#rest = text;
    }
  }
}

/** Where the last lines of a file begin. */
async function startOfLast(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines <= 0) return size;
  const block = Buffer.alloc(blockBytes);
  let found = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - blockBytes);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) {
      // The last line's own newline begins none.
      if (block[at] !== newline || start + at === size - 1) continue;
      if (++found === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}

/** A line of such a file: its time, stream, tag and text; undefined for what is none. */
export function parseLogLine(bytes: Buffer): LogLine | undefined {
  const text = bytes.toString('utf8');
  const match = /^(\S+) (stdout|stderr) (\S+) ?/.exec(text);
  if (match === null) return undefined;
  const [head, time = '', stream, tags = ''] = match;
  const timeMs = Date.parse(time);
  if (Number.isNaN(timeMs) || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  const line = { timeMs, stream, text: text.slice(head.length) } as const;
  return tags.split(':')[0] === 'P' ? { ...line, partial: true } : line;
}
