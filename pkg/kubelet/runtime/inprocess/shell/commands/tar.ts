/**
 * `tar`: what `kubectl cp` is made of. Invariants: nothing is written outside of the folder that is named, whatever names and links an archive has; a
 * damaged archive is an error; files go through in pieces.
 * Source: POSIX.1-2024 `pax`, ustar and pax formats; GNU tar for long names.
 */

import { Buffer } from 'node:buffer';
import { chmod, link, mkdir, readlink, rm, symlink, utimes } from 'node:fs/promises';
import { posix } from 'node:path';
import { createGunzip, createGzip } from 'node:zlib';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { pathError } from '../files.ts';
import { CommandError, fileSink, fileSource, put, type Sink, type Source } from '../io.ts';
import type { Invocation, Utility } from '../utility.ts';

const blockBytes = 512;
/** Longest name, or list of attributes, that an archive may have. */
const attributesBytesMax = 64 * 1024;
const depthMax = 100;

interface Options {
  readonly mode: 'c' | 't' | 'x';
  readonly file: string;
  readonly folder: string;
  readonly isVerbose: boolean;
  readonly isZipped: boolean;
  readonly keepsTimes: boolean;
  readonly keepsModes: boolean;
  readonly strip: number;
  readonly paths: readonly string[];
}

function parseOptions(args: readonly string[]): Options {
  let mode: string | undefined;
  let [file, folder, strip] = ['-', '.', 0];
  const flags = new Set<string>();
  const paths: string[] = [];
  const rest = [...args];
  // The first may be without a dash.
  if (rest[0] !== undefined && !rest[0].startsWith('-')) rest[0] = `-${rest[0]}`;
  const next = (letter: string): string => {
    const value = rest.shift();
    if (value === undefined) throw new CommandError(`option requires an argument: ${letter}`, 2);
    return value;
  };
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg.startsWith('--')) {
      const stripped = /^--strip-components=(\d+)$/.exec(arg);
      if (stripped !== null) strip = Number(stripped[1]);
      else if (/^--(no-same-owner|no-same-permissions|no-overwrite-dir|warning=.*)$/.test(arg)) flags.add(arg);
      else throw new CommandError(`unrecognized option: ${arg}`, 2);
    } else if (arg.startsWith('-') && arg.length > 1) {
      for (const letter of arg.slice(1)) {
        if ('ctx'.includes(letter)) mode = letter;
        else if (letter === 'f') file = next('f');
        else if (letter === 'C') folder = next('C');
        else if ('hkmopvz'.includes(letter)) flags.add(letter);
        else throw new CommandError(`unrecognized option: -${letter}`, 2);
      }
    } else paths.push(arg);
  }
  if (mode === undefined) throw new CommandError('one of c, t and x is required', 2);
  return {
    mode: mode as Options['mode'],
    file,
    folder,
    isVerbose: flags.has('v'),
    isZipped: flags.has('z'),
    keepsTimes: !flags.has('m'),
    keepsModes: !flags.has('--no-same-permissions'),
    strip,
    paths,
  };
}

/** The command: `-c`, `-x` and `-t`, from and to a file or the standard streams. */
export const tar: Utility = async (invocation) => {
  const options = parseOptions(invocation.args);
  const { files } = invocation.container;
  const path = files.absolute(invocation.cwd, options.file);
  if (options.mode === 'c') {
    if (options.paths.length === 0) throw new CommandError('empty archive');
    if (options.file === '-') return create(invocation, options, invocation.stdout);
    const handle = await files.open(path, 'w').catch((error: unknown) => {
      throw pathError(options.file, error);
    });
    try {
      return await create(invocation, options, fileSink(handle));
    } finally {
      await handle.close();
    }
  }
  if (options.file === '-') return extract(invocation, options, invocation.stdin);
  const source = fileSource(
    await files.open(path, 'r').catch((error: unknown) => {
      throw pathError(options.file, error);
    }),
  );
  try {
    return await extract(invocation, options, source);
  } finally {
    source.cancel();
  }
};

async function create(invocation: Invocation, options: Options, target: Sink): Promise<number> {
  const { files } = invocation.container;
  const zip = options.isZipped ? zipped(target) : undefined;
  const sink = zip?.sink ?? target;
  const base = files.absolute(invocation.cwd, options.folder);
  let status = 0;
  let hasWarned = false;
  const add = async (given: string, depth: number): Promise<void> => {
    const path = files.absolute(base, given);
    const name = given.replace(/^\/+/, '');
    if (name !== given && !hasWarned) {
      hasWarned = true;
      await put(invocation.stderr, `tar: removing leading '/' from member names\n`);
    }
    const stats = await files.lstat(path);
    if (options.isVerbose) await put(invocation.stderr, `${name}\n`);
    const entry = { name: name === '' ? './' : name, mode: stats.mode & 0o7777, mtimeMs: stats.mtimeMs };
    if (stats.isSymbolicLink()) {
      const linkName = await readlink(await files.host(path, { followLast: false }));
      await putHeader(sink, { ...entry, type: '2', size: 0, linkName });
    } else if (stats.isDirectory()) {
      await putHeader(sink, { ...entry, name: entry.name.replace(/\/*$/, '/'), type: '5', size: 0 });
      if (depth >= depthMax) throw new CommandError(`${given}: folders are too deep`);
      for (const child of await files.list(path)) await add(posix.join(given, child), depth + 1);
    } else if (stats.isFile()) {
      await putHeader(sink, { ...entry, type: '0', size: stats.size });
      await putFile(sink, fileSource(await files.open(path, 'r')), stats.size);
    }
  };
  for (const path of options.paths) {
    try {
      await add(path, 0);
    } catch (error) {
      if (!(error instanceof CommandError) && errorCode(error) === undefined) throw error;
      status = 1;
      await put(invocation.stderr, `tar: ${pathError(path, error).message}\n`);
    }
  }
  await put(sink, Buffer.alloc(2 * blockBytes));
  await zip?.end();
  return status;
}

/** Exactly as many bytes as the header says, whatever becomes of the file meanwhile. */
async function putFile(sink: Sink, source: Source, size: number): Promise<void> {
  let left = size;
  try {
    while (left > 0) {
      const chunk = (await source.read()) ?? Buffer.alloc(Math.min(left, blockBytes));
      const piece = chunk.subarray(0, left);
      left -= piece.length;
      await put(sink, piece);
    }
  } finally {
    source.cancel();
  }
  await put(sink, Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes));
}

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly mtimeMs: number;
  readonly type: string;
  readonly size: number;
  readonly linkName?: string;
}

async function putHeader(sink: Sink, entry: Entry): Promise<void> {
  const attributes: Record<string, string> = {};
  if (Buffer.byteLength(entry.name) > 100) attributes.path = entry.name;
  if (Buffer.byteLength(entry.linkName ?? '') > 100) attributes.linkpath = entry.linkName!;
  if (entry.size >= 8 ** 11) attributes.size = String(entry.size);
  if (Object.keys(attributes).length > 0) {
    const bytes = Buffer.concat(Object.entries(attributes).map(([key, value]) => record(key, value)));
    await put(
      sink,
      headerOf({ name: 'attributes', mode: 0o644, mtimeMs: entry.mtimeMs, type: 'x', size: bytes.length }),
    );
    await put(sink, bytes);
    await put(sink, Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes));
  }
  await put(sink, headerOf(entry));
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function record(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function headerOf({ name, mode, mtimeMs, type, size, linkName = '' }: Entry): Buffer {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => {
    header.write(
      `${Math.floor(value)
        .toString(8)
        .padStart(length - 1, '0')
        .slice(-(length - 1))}\0`,
      at,
    );
  };
  Buffer.from(name).copy(header, 0, 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(mtimeMs / 1000, 136, 12);
  header.write('        ', 148);
  header.write(type, 156);
  Buffer.from(linkName).copy(header, 157, 0, 100);
  header.write('ustar\x0000', 257);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  header.write(' ', 155);
  return header;
}

async function extract(invocation: Invocation, options: Options, packed: Source): Promise<number> {
  const source = options.isZipped ? unzipped(packed) : packed;
  const reader = new EntryReader(source);
  let status = 0;
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    if (!isWanted(entry.name, options.paths)) continue;
    if (options.mode === 't') {
      await put(invocation.stdout, `${entry.name}\n`);
      continue;
    }
    try {
      if (options.isVerbose) await put(invocation.stderr, `${entry.name}\n`);
      await extractEntry(invocation, options, entry, reader);
    } catch (error) {
      if (!(error instanceof CommandError) && errorCode(error) === undefined) throw error;
      if (error instanceof DamagedArchive) throw error;
      status = 1;
      await put(invocation.stderr, `tar: ${pathError(entry.name, error).message}\n`);
    }
  }
  return status;
}

function isWanted(name: string, paths: readonly string[]): boolean {
  const plain = name.replace(/\/$/, '');
  return paths.length === 0 || paths.some((path) => plain === path || plain.startsWith(`${path}/`));
}

async function extractEntry(
  { container: { files }, cwd }: Invocation,
  { folder, strip, keepsTimes, keepsModes }: Options,
  entry: Entry,
  reader: EntryReader,
): Promise<void> {
  const parts = entry.name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new CommandError(`${entry.name}: name contains '..'`);
  const name = parts.slice(strip).join('/');
  if (name === '' && strip > 0) return;
  const base = files.absolute(cwd, folder);
  const path = posix.join(base, name);
  const mode = entry.mode & 0o777;
  if (entry.type === '5') {
    await mkdir(await files.writable(path), { recursive: true });
    return;
  }
  await mkdir(await files.writable(posix.dirname(path)), { recursive: true });
  const place = await files.writable(path, { followLast: false });
  if (entry.type === '2') {
    await rm(place, { force: true });
    await symlink(entry.linkName ?? '', place);
  } else if (entry.type === '1') {
    const target = (entry.linkName ?? '').split('/').filter((part) => part !== '' && part !== '.');
    if (target.includes('..')) throw new CommandError(`${entry.linkName}: name contains '..'`);
    await rm(place, { force: true });
    await link(await files.host(posix.join(base, target.join('/'))), place);
  } else if (entry.type === '0') {
    // A link of that name is replaced, not written through.
    const found = await files.lstat(path).catch(() => undefined);
    if (found?.isSymbolicLink() === true) await rm(place);
    const handle = await files.open(path, 'w', mode);
    try {
      await reader.copy(fileSink(handle));
    } finally {
      await handle.close();
    }
    if (keepsModes) await chmod(place, mode);
    if (keepsTimes) await utimes(place, entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  }
}

class DamagedArchive extends CommandError {}

/** Reads an archive, an entry at a time. */
class EntryReader {
  readonly #source: Source;
  #left = 0;
  #padding = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** The next entry; what is left of the last one is passed over. Throws `DamagedArchive`. */
  async next(): Promise<Entry | undefined> {
    let attributes: Record<string, string> = {};
    for (;;) {
      await this.#skip(this.#left + this.#padding);
      const header = await this.#bytes(blockBytes);
      if (header === undefined || header.every((byte) => byte === 0)) {
        // What follows the end is thrown away, as whoever sends it waits for that.
        for (let rest = await this.#source.read(); rest !== undefined; rest = await this.#source.read());
        return undefined;
      }
      const entry = entryOf(header);
      this.#left = entry.size;
      this.#padding = (blockBytes - (entry.size % blockBytes)) % blockBytes;
      if (!'xgLK'.includes(entry.type)) {
        const size = attributes.size === undefined ? entry.size : Number(attributes.size);
        this.#left = size;
        this.#padding = (blockBytes - (size % blockBytes)) % blockBytes;
        const linkName = attributes.linkpath ?? entry.linkName;
        return { ...entry, size, name: attributes.path ?? entry.name, ...(linkName === undefined ? {} : { linkName }) };
      }
      if (entry.size > attributesBytesMax) throw new DamagedArchive('a name in the archive is too long');
      const bytes = (await this.#bytes(entry.size)) ?? Buffer.alloc(0);
      this.#left = 0;
      if (entry.type === 'L') attributes.path = textOf(bytes, 0, bytes.length);
      else if (entry.type === 'K') attributes.linkpath = textOf(bytes, 0, bytes.length);
      else if (entry.type === 'x') attributes = { ...attributes, ...recordsOf(bytes) };
    }
  }

  /** Copies the entry's contents. */
  async copy(sink: Sink): Promise<void> {
    while (this.#left > 0) {
      const chunk = await this.#source.read();
      if (chunk === undefined) throw new DamagedArchive('short read');
      const piece = chunk.subarray(0, this.#left);
      this.#source.unread(chunk.subarray(piece.length));
      this.#left -= piece.length;
      await put(sink, piece);
    }
  }

  async #skip(count: number): Promise<void> {
    let left = count;
    while (left > 0) {
      const chunk = await this.#source.read();
      if (chunk === undefined) throw new DamagedArchive('short read');
      this.#source.unread(chunk.subarray(Math.min(left, chunk.length)));
      left -= Math.min(left, chunk.length);
    }
  }

  /** So many bytes; undefined at the end. */
  async #bytes(count: number): Promise<Buffer | undefined> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length < count) {
      const chunk = await this.#source.read();
      if (chunk === undefined) {
        if (length === 0) return undefined;
        throw new DamagedArchive('short read');
      }
      const piece = chunk.subarray(0, count - length);
      this.#source.unread(chunk.subarray(piece.length));
      chunks.push(piece);
      length += piece.length;
    }
    return Buffer.concat(chunks);
  }
}

function textOf(bytes: Buffer, from: number, to: number): string {
  const end = bytes.indexOf(0, from);
  return bytes.toString('utf8', from, end < 0 || end > to ? to : end);
}

function entryOf(header: Buffer): Entry {
  const number = (from: number, length: number): number => {
    const text = textOf(header, from, from + length).trim();
    if (!/^[0-7]*$/.test(text)) throw new DamagedArchive('invalid tar header');
    return text === '' ? 0 : Number.parseInt(text, 8);
  };
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (number(148, 8) !== sum) throw new DamagedArchive('invalid tar header checksum');
  const isUstar = header.toString('latin1', 257, 262) === 'ustar' && header[263] === 48;
  const prefix = isUstar ? textOf(header, 345, 500) : '';
  const name = textOf(header, 0, 100);
  const type = String.fromCharCode(header[156]!);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(100, 8),
    size: '0\x0067xgLK'.includes(type) ? number(124, 12) : 0,
    mtimeMs: number(136, 12) * 1000,
    type: type === '\0' || type === '7' ? '0' : type,
    linkName: textOf(header, 157, 257),
  };
}

function recordsOf(bytes: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString('latin1', at, Math.max(at, space)));
    if (!(length > 0) || space < 0 || at + length > bytes.length) throw new DamagedArchive('invalid attributes');
    const [, key = '', value = ''] = /^([^=]*)=([\s\S]*)\n$/.exec(bytes.toString('utf8', space + 1, at + length)) ?? [];
    records[key] = value;
    at += length;
  }
  return records;
}

/** Compresses what is written. */
function zipped(target: Sink): { readonly sink: Sink; end(): Promise<void> } {
  const zip = createGzip();
  const carrying = (async () => {
    for await (const chunk of zip) await put(target, chunk as Buffer);
  })();
  carrying.catch(() => zip.destroy());
  return {
    sink: {
      write: (bytes) =>
        new Promise((resolve) => zip.write(bytes, (error) => resolve(error === null || error === undefined))),
      end() {},
    },
    end: async () => {
      zip.end();
      await carrying;
    },
  };
}

function unzipped(source: Source): Source {
  const zip = createGunzip();
  const pipe = new BytePipe();
  void (async () => {
    for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
      if (!zip.write(chunk)) await new Promise((resolve) => zip.once('drain', resolve));
    }
    zip.end();
  })().catch(() => zip.destroy());
  void (async () => {
    for await (const chunk of zip) if (!(await pipe.write(chunk as Buffer))) break;
    pipe.end();
  })().catch((error: unknown) => pipe.end(new CommandError(`invalid compressed data: ${String(errorText(error))}`)));
  return pipe;
}
