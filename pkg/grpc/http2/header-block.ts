/**
 * Headers as HTTP/2 writes them, without what makes a block depend on those before it: this side's settings leave the server no table to keep headers in, and
 * this side keeps none. So each block can be read by itself, and one that came before is known by its bytes. Source: RFC 7541.
 */
import { lostError } from '../grpc-error.ts';
import { decodeHuffman } from './huffman.ts';

/** Header fields by name, in lower case. Of a name that comes twice the last one counts. */
export type HeaderFields = ReadonlyMap<string, string>;

/** Longest block that is read, and that is sent. */
export const headerBytesMax = 16_384;

/** The headers that both sides know by a number, which begins at 1; most of them without a value. */
const known: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((status) => [':status', status] as const),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow', 'authorization'],
    ...['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-length'],
    ...['content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag', 'expect', 'expires', 'from'],
    ...['host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified'],
    ...['link', 'location', 'max-forwards', 'proxy-authenticate', 'proxy-authorization', 'range', 'referer', 'refresh'],
    ...['retry-after', 'server', 'set-cookie', 'strict-transport-security', 'transfer-encoding', 'user-agent', 'vary'],
    ...['via', 'www-authenticate'],
  ].map((name) => [name, ''] as const),
];

/** First bits of an entry: a known header, its number in the other 7; a value that may be kept, the number of its name in the other 6. */
const isKnown = 0x80;
const isKept = 0x40;
/** And: the size of the table, in the other 5 bits. Otherwise a value that is not kept, the number of its name in the last 4. */
const isTableSize = 0x20;

/** The headers of a request, a POST. Throws `GrpcError` where they are too long. */
export function requestBlock(
  { isSecure, authority, path }: { readonly isSecure: boolean; readonly authority: string; readonly path: string },
  headers: Readonly<Record<string, string>>,
): Buffer {
  const block = Buffer.concat([
    Buffer.from([isKnown | 3, isKnown | (isSecure ? 7 : 6), 4]),
    textOf(path),
    Buffer.from([1]),
    textOf(authority),
    ...Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), textOf(name), textOf(value)]),
  ]);
  if (block.length > headerBytesMax) throw lostError('the headers of the call are too long', false);
  return block;
}

function textOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const head: number[] = [];
  if (bytes.length < 127) head.push(bytes.length);
  else {
    head.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>= 7) head.push((rest & 127) | 128);
    head.push(rest);
  }
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Blocks that came, by their bytes: a server answers with few different ones. */
const blocksMax = 64;
const blockBytesMax = 256;

/** Reads the blocks of one server. */
export class HeaderReader {
  readonly #blocks = new Map<string, HeaderFields>();

  /** Throws `GrpcError` for what is no block, or refers to headers of earlier ones. */
  read(block: Buffer): HeaderFields {
    if (block.length > blockBytesMax) return fieldsOf(block);
    const bytes = block.toString('latin1');
    let fields = this.#blocks.get(bytes);
    if (fields === undefined) {
      fields = fieldsOf(block);
      if (this.#blocks.size >= blocksMax) this.#blocks.clear();
      this.#blocks.set(bytes, fields);
    }
    return fields;
  }
}

function fieldsOf(block: Buffer): HeaderFields {
  const fields = new Map<string, string>();
  const reader = new BlockReader(block);
  while (!reader.atEnd) {
    const first = reader.peek();
    if ((first & isKnown) !== 0) fields.set(...knownAt(reader.integer(7)));
    else if ((first & isKept) === 0 && (first & isTableSize) !== 0) reader.integer(5);
    else {
      const number = reader.integer((first & isKept) === 0 ? 4 : 6);
      const name = number === 0 ? reader.text() : knownAt(number)[0];
      fields.set(name, reader.text());
    }
  }
  return fields;
}

function knownAt(number: number): readonly [name: string, value: string] {
  const header = known[number - 1];
  if (header === undefined) throw unreadable();
  return header;
}

/** Integers and texts, one after the other. */
class BlockReader {
  readonly #block: Buffer;
  #at = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  get atEnd(): boolean {
    return this.#at >= this.#block.length;
  }

  peek(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw unreadable();
    return byte;
  }

  #next(): number {
    const byte = this.peek();
    this.#at++;
    return byte;
  }

  /** One that begins in the last bits of an octet. */
  integer(bits: number): number {
    const most = 2 ** bits - 1;
    let value = this.#next() & most;
    if (value < most) return value;
    for (let weight = 1; ; weight *= 128) {
      const byte = this.#next();
      value += (byte & 127) * weight;
      if (value > headerBytesMax || weight > headerBytesMax) throw unreadable();
      if (byte < 128) return value;
    }
  }

  text(): string {
    const isCoded = (this.peek() & 128) !== 0;
    const length = this.integer(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw unreadable();
    const bytes = this.#block.subarray(this.#at, end);
    this.#at = end;
    return isCoded ? decodeHuffman(bytes) : bytes.toString('latin1');
  }
}

function unreadable(): Error {
  return lostError('the server sends headers that cannot be read', true);
}
