/**
 * Writes tar archives: ustar headers, and pax ones before them for what does not fit. The same entries give the same bytes. Contents are written by the
 * caller, in the size that the entry says. Source: POSIX pax(1), `SCHILY.xattr` of star(5).
 */
import type { TarEntry, TarEntryKind } from './tar-entry.ts';

const blockBytes = 512;
const nameBytesMax = 100;
const prefixBytesMax = 155;
/** Of an octal number in eight and in twelve bytes. */
const smallMax = 0o7777777;
const largeMax = 0o77777777777;

const types: Readonly<Record<TarEntryKind, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** What is not said of an entry is that of a plain file of root's, of the beginning of time. */
export type NewTarEntry = Pick<TarEntry, 'path'> & Partial<TarEntry>;

/** The headers of an entry. */
export function tarHeader(given: NewTarEntry): Buffer {
  const entry = whole(given);
  const records: [string, Uint8Array][] = [];
  const text = (name: string, value: string): void => void records.push([name, Buffer.from(value, 'latin1')]);
  const split = splitPath(entry.path);
  if (split === undefined || isNotAscii(entry.path)) text('path', entry.path);
  if (entry.target.length > nameBytesMax || isNotAscii(entry.target)) text('linkpath', entry.target);
  if (entry.size > largeMax) text('size', String(entry.size));
  if (entry.uid > smallMax) text('uid', String(entry.uid));
  if (entry.gid > smallMax) text('gid', String(entry.gid));
  const isOdd = !Number.isInteger(entry.modified) || entry.modified < 0 || entry.modified > largeMax;
  if (isOdd) text('mtime', String(entry.modified));
  for (const [name, value] of [...entry.attributes].sort(([a], [b]) => (a < b ? -1 : 1)))
    records.push([`SCHILY.xattr.${name}`, value]);
  const own = block(entry, types[entry.kind], split ?? { prefix: '', name: entry.path.slice(0, nameBytesMax) });
  if (records.length === 0) return own;
  const body = Buffer.concat(records.map(([name, value]) => paxRecord(name, value)));
  const header = whole({ path: 'pax', size: body.length });
  return Buffer.concat([block(header, 'x', { prefix: '', name: 'pax' }), body, tarPadding(body.length), own]);
}

/** What comes after contents of a size. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

/** The end of an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * blockBytes);
}

/** An entry with contents in memory; the size is theirs. */
export function tarFile(entry: NewTarEntry, contents: Uint8Array | string): Buffer {
  const bytes = Buffer.from(contents);
  return Buffer.concat([tarHeader({ ...entry, size: bytes.length }), bytes, tarPadding(bytes.length)]);
}

function whole(given: NewTarEntry): TarEntry {
  const kind = given.kind ?? 'file';
  return {
    kind,
    target: '',
    mode: kind === 'directory' ? 0o755 : kind === 'symlink' ? 0o777 : 0o644,
    uid: 0,
    gid: 0,
    modified: 0,
    size: 0,
    device: { major: 0, minor: 0 },
    attributes: new Map(),
    ...given,
  };
}

function block(
  entry: TarEntry,
  type: string,
  { prefix, name }: { readonly prefix: string; readonly name: string },
): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => {
    const digits = Math.trunc(value >= 0 && value <= 8 ** (length - 1) - 1 ? value : 0).toString(8);
    bytes.write(digits.padStart(length - 1, '0'), at, 'latin1');
  };
  bytes.write(name, 0, nameBytesMax, 'latin1');
  octal(entry.mode, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(entry.size, 124, 12);
  octal(entry.modified, 136, 12);
  bytes.write(type, 156, 'latin1');
  bytes.write(entry.target.slice(0, nameBytesMax), 157, 'latin1');
  bytes.write('ustar\x0000', 257, 'latin1');
  octal(entry.device.major, 329, 8);
  octal(entry.device.minor, 337, 8);
  bytes.write(prefix, 345, prefixBytesMax, 'latin1');
  bytes.write('        ', 148, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

/** A path in the two fields of ustar; undefined where it does not fit. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } | undefined {
  if (path.length <= nameBytesMax) return { prefix: '', name: path };
  // The first slash that leaves a name short enough.
  const slash = path.indexOf('/', path.length - nameBytesMax - 1);
  if (slash <= 0 || slash > prefixBytesMax || slash === path.length - 1) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Its length is part of what it counts. */
function paxRecord(name: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${name}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function isNotAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is asked.
  return /[^\x01-\x7f]/.test(text);
}
