/**
 * Reads tar archives as a stream: ustar, GNU's long names and numbers, and pax headers with extended attributes. It says what stands in the archive and
 * judges none of it; what it cannot read it refuses. Source: POSIX pax(1), GNU tar manual "Basic Tar Format", `SCHILY.xattr` of star(5).
 */
import { ImageStoreError } from '../image-store.ts';
import type { ByteSource } from './byte-source.ts';
import type { TarEntry, TarEntryKind } from './tar-entry.ts';

const blockBytes = 512;

/** Of one extended header: a path has at most 4 KiB, an attribute 64 KiB. What is larger is refused. */
const headerBytesMax = 1 << 20;

const attributePrefix = 'SCHILY.xattr.';

const kinds: Readonly<Record<string, TarEntryKind>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** What headers before an entry say of it. */
interface Said {
  path?: string;
  target?: string;
  records: ReadonlyMap<string, Buffer>;
}

/** An entry, and its contents, which end with the next one. */
export interface OpenTarEntry {
  readonly entry: TarEntry;
  /** Reads the contents, at most once. */
  body(): AsyncIterable<Buffer>;
}

/** The entries of an archive in order. What is not read of one is passed over. */
export async function* readTar(source: ByteSource): AsyncGenerator<OpenTarEntry> {
  let said: Said = { records: new Map() };
  for (;;) {
    const block = source.take(blockBytes) ?? (await source.read(blockBytes));
    // The end is two blocks of zeros; what comes after is nobody's.
    if (block === undefined || isZero(block)) return;
    checkSum(block);
    const type = block.toString('latin1', 156, 157);
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      const bytes = await readHeader(source, sizeOf(block));
      if (type === 'x') said = { ...said, records: paxRecords(bytes) };
      else if (type === 'L') said = { ...said, path: untilZero(bytes) };
      else if (type === 'K') said = { ...said, target: untilZero(bytes) };
      continue;
    }
    const entry = entryOf(block, type, said);
    said = { records: new Map() };
    let left = entry.size;
    yield {
      entry,
      async *body() {
        while (left > 0) {
          const some = await source.some(left);
          if (some === undefined) throw new ImageStoreError('damaged', 'archive ends in the midst of an entry');
          left -= some.length;
          yield some;
        }
      },
    };
    await skip(source, left + padding(entry.size));
  }
}

function entryOf(block: Buffer, type: string, said: Said): TarEntry {
  const { records } = said;
  const kind = kinds[type];
  const recorded = (name: string): string | undefined => records.get(name)?.toString('latin1');
  const path = recorded('path') ?? said.path ?? headerPath(block);
  if (kind === undefined || records.has('GNU.sparse.major') || records.has('GNU.sparse.map'))
    throw new ImageStoreError(
      'unsupported',
      `archive has an entry of the kind ${JSON.stringify(type)} that is not read: ${path.slice(0, 200)}`,
    );
  const isDirectory = kind === 'directory' || (kind === 'file' && path.endsWith('/'));
  // Links have no contents, whatever size they say.
  const size = kind === 'file' && !isDirectory ? numberIn(recorded('size'), sizeOf(block)) : 0;
  if (kind !== 'file' && kind !== 'link' && kind !== 'symlink' && sizeOf(block) !== 0 && !isDirectory)
    throw new ImageStoreError('damaged', `archive has contents for what has none: ${path.slice(0, 200)}`);
  return {
    kind: isDirectory ? 'directory' : kind,
    path,
    target: recorded('linkpath') ?? said.target ?? untilZero(block.subarray(157, 257)),
    mode: number(block, 100, 8) & 0o7777,
    uid: numberIn(recorded('uid'), number(block, 108, 8)),
    gid: numberIn(recorded('gid'), number(block, 116, 8)),
    modified: numberIn(recorded('mtime'), number(block, 136, 12)),
    size,
    device: { major: number(block, 329, 8), minor: number(block, 337, 8) },
    attributes: attributesOf(records),
  };
}

/** Name and prefix of ustar; GNU's archives have other things where the prefix is. */
function headerPath(block: Buffer): string {
  const name = untilZero(block.subarray(0, 100));
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? untilZero(block.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function sizeOf(block: Buffer): number {
  return number(block, 124, 12);
}

/** Octal digits, or a binary number where the first bit says so. */
function number(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) {
    const digits = Buffer.from(block.subarray(at, at + length));
    digits[0] = first & 0x7f;
    const value =
      first === 0xff
        ? BigInt.asIntN(64, BigInt(`0x${digits.subarray(-8).toString('hex')}`))
        : BigInt(`0x${digits.toString('hex')}`);
    return whole(Number(value));
  }
  const text = untilZero(block.subarray(at, at + length)).trim();
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw new ImageStoreError('damaged', 'archive has a header whose numbers are none');
  return Number.parseInt(text, 8);
}

function numberIn(text: string | undefined, fallback: number): number {
  if (text === undefined || text === '') return fallback;
  if (!/^-?[0-9]+(?:\.[0-9]*)?$/.test(text))
    throw new ImageStoreError('damaged', 'archive has a header whose numbers are none');
  return Number(text);
}

function whole(value: number): number {
  if (!Number.isSafeInteger(value))
    throw new ImageStoreError('damaged', 'archive has a header whose numbers are too large');
  return value;
}

async function readHeader(source: ByteSource, size: number): Promise<Buffer> {
  if (size > headerBytesMax)
    throw new ImageStoreError('damaged', `archive has a header of ${size} bytes, more than ${headerBytesMax}`);
  if (size === 0) return Buffer.alloc(0);
  const bytes = await source.read(size);
  if (bytes === undefined) throw new ImageStoreError('damaged', 'archive ends in the midst of a header');
  await skip(source, padding(size));
  return bytes;
}

/** `<length> <name>=<value>\n`, the value being bytes. */
function paxRecords(bytes: Buffer): ReadonlyMap<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(bytes.toString('latin1', at, space));
    const equals = bytes.indexOf(0x3d, space);
    const isRecord = Number.isInteger(length) && at + length <= bytes.length && equals > space && equals < at + length;
    if (!isRecord || bytes[at + length - 1] !== 0x0a)
      throw new ImageStoreError('damaged', 'archive has a damaged pax header');
    const value = bytes.subarray(equals + 1, at + length - 1);
    const name = bytes.toString('latin1', space + 1, equals);
    if ((name === 'path' || name === 'linkpath') && value.includes(0))
      throw new ImageStoreError('damaged', 'archive has a path with a zero in it');
    records.set(name, value);
    at += length;
  }
  return records;
}

function attributesOf(records: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Uint8Array> {
  const attributes = new Map<string, Uint8Array>();
  for (const [name, value] of records)
    if (name.startsWith(attributePrefix)) attributes.set(name.slice(attributePrefix.length), value);
  return attributes;
}

/** The sum of the bytes, the field of the sum being spaces; some programs have summed signed bytes. */
function checkSum(block: Buffer): void {
  const said = number(block, 148, 8);
  let [unsigned, signed] = [0, 0];
  for (let i = 0; i < blockBytes; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  if (said !== unsigned && said !== signed)
    throw new ImageStoreError('damaged', 'archive has a header with a wrong sum');
}

async function skip(source: ByteSource, count: number): Promise<void> {
  for (let left = count; left > 0; ) {
    const some = await source.some(left);
    if (some === undefined) throw new ImageStoreError('damaged', 'archive ends in the midst of an entry');
    left -= some.length;
  }
}

function padding(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
