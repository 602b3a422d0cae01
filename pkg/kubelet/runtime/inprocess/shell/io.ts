/** What commands read from and write to. A pipe (`BytePipe`) is both. */
import type { FileHandle } from 'node:fs/promises';

/** Where bytes come from. */
export interface Source {
  /** The next bytes; undefined at the end. Of a terminal the end is one of many. */
  read(): Promise<Uint8Array | undefined>;
  /** Puts back what was read and not used. */
  unread(bytes: Uint8Array): void;
  /** Nobody reads it any more. */
  cancel(): void;
}

/** Where bytes go. */
export interface Sink {
  /** False when nobody takes them any more. */
  write(bytes: Uint8Array): Promise<boolean> | boolean;
  /** No more comes. */
  end(): void;
}

/** Whoever writes where nobody reads is ended, as by SIGPIPE. */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe';
}

/** What a command was told to end for. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/** What a command says is wrong, and its exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

const encoder = new TextEncoder();

/** Writes text or bytes. Throws `BrokenPipe` when nobody takes them. */
export async function put(sink: Sink, data: Uint8Array | string): Promise<void> {
  const bytes = typeof data === 'string' ? encoder.encode(data) : data;
  if (bytes.length > 0 && !(await sink.write(bytes))) throw new BrokenPipe();
}

/** Nothing to read. */
export const noInput: Source = { read: async () => undefined, unread() {}, cancel() {} };

/** Takes everything and keeps nothing. */
export const noOutput: Sink = { write: () => true, end() {} };

/** Most that is read into memory at once. */
const wholeBytesMax = 64 * 1024 * 1024;

/** All that a source has. Throws `CommandError` beyond a limit. */
export async function readAll(source: Source): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > wholeBytesMax) throw new CommandError('the input is too large');
  }
  return Buffer.concat(chunks, length);
}

/** Longest line that is waited for. */
const lineBytesMax = 1024 * 1024;

/** The next line with its newline, which the last one may lack; undefined at the end. What follows stays to be read. */
export async function readLine(source: Source): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    const newline = chunk.indexOf(10);
    chunks.push(newline < 0 ? chunk : chunk.subarray(0, newline + 1));
    length += chunk.length;
    if (newline >= 0) {
      source.unread(chunk.subarray(newline + 1));
      return Buffer.concat(chunks);
    }
    if (length > lineBytesMax) throw new CommandError('a line is too long');
  }
  return chunks.length === 0 ? undefined : Buffer.concat(chunks);
}

/** Lines without their newlines. */
export async function* lines(source: Source): AsyncGenerator<string> {
  for (let line = await readLine(source); line !== undefined; line = await readLine(source)) {
    yield line.toString().replace(/\n$/, '');
  }
}

/** Bytes of a file that are read at a time. */
const fileBytes = 64 * 1024;

/** A file that is read. `cancel` closes it. */
export function fileSource(handle: FileHandle): Source {
  const back: Uint8Array[] = [];
  let isClosed = false;
  return {
    async read() {
      const first = back.pop();
      if (first !== undefined) return first;
      if (isClosed) return undefined;
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(fileBytes), 0, fileBytes, null);
      return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
    },
    unread: (bytes) => void (bytes.length > 0 && back.push(bytes)),
    cancel() {
      if (!isClosed) void handle.close().catch(() => {});
      isClosed = true;
    },
  };
}

/** A file that is written. Its owner closes it. */
export function fileSink(handle: FileHandle): Sink {
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
      return true;
    },
    end() {},
  };
}

/** Bytes that are there. */
export function bytesSource(bytes: Uint8Array): Source {
  const left: Uint8Array[] = bytes.length === 0 ? [] : [bytes];
  return {
    read: async () => left.pop(),
    unread: (back) => void (back.length > 0 && left.push(back)),
    cancel: () => void left.splice(0),
  };
}
