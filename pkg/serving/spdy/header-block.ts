/**
 * Blocks of headers, which SPDY compresses with one state per connection and direction. What is read is inflated a block at a time, each with what
 * came before as its dictionary; what is written is stored as it is, in the same format, as servers have nothing to say there. Invariant: a block is
 * refused, not grown, beyond `blockBytesMax`.
 * Source: SPDY protocol draft 3, sections 2.6.10 and 2.6.10.1; RFC 1950, RFC 1951.
 */
import { Buffer } from 'node:buffer';
import { constants, inflateRawSync } from 'node:zlib';

/** Largest block, once inflated. Those of Kubernetes have some hundred bytes. */
const blockBytesMax = 64 * 1024;
/** How far back a compressed block may refer. Source: RFC 1951 section 2. */
const windowBytes = 32 * 1024;
/** An empty block, behind which readers give what they have: Go's gives nothing before. */
const flushMark = Buffer.from([0, 0, 0, 0xff, 0xff]);
/** Bytes of a stored block. Source: RFC 1951 section 3.2.4. */
const storedBytesMax = 65_535;

/** By lower-case names; several values of one name are joined by `, `. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** What both ends know before the first block. */
const words =
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control ' +
  'connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect ' +
  'expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma ' +
  'proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning ' +
  'www-authenticate method get status 200+OK version HTTP/1.1 url public set-cookie keep-alive origin';
const codes =
  '100 101 201 202 205 206 300 302 303 304 305 306 307 402 405 406 407 408 409 410 411 412 413 414 415 416 417 502 504 505';
const phrases =
  '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found' +
  '500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 ' +
  'Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,' +
  'text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

/** The dictionary that SPDY 3 begins with. Source: section 2.6.10.1. */
export const headerDictionary: Buffer = Buffer.concat([
  ...words.split(' ').map((word) => lengthPrefixed(word.replace('+', ' '))),
  Buffer.from(codes.replaceAll(' ', '') + phrases),
]);

/** Reads the blocks of one direction, in order. */
export class HeaderInflater {
  #window: Buffer = headerDictionary;
  #isFirst = true;

  /** The headers of the next block. Throws for one that is damaged or too large, after which the connection is of no use. */
  read(block: Uint8Array): SpdyHeaders {
    const deflated = this.#isFirst ? block.subarray(prefixBytes(block)) : block;
    this.#isFirst = false;
    const inflated = inflateRawSync(deflated, {
      dictionary: this.#window,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: blockBytesMax,
    });
    this.#window = Buffer.concat([this.#window, inflated]).subarray(-windowBytes);
    return parseBlock(inflated);
  }
}

/** The start of a stream of zlib: two bytes, and four more where it names its dictionary. */
function prefixBytes(block: Uint8Array): number {
  const [method = 0, flags = 0] = block;
  if ((method & 15) !== 8 || (method * 256 + flags) % 31 !== 0) throw new Error('Cannot read headers: no zlib');
  return (flags & 0x20) === 0 ? 2 : 6;
}

function parseBlock(bytes: Buffer): SpdyHeaders {
  let at = 0;
  const number = (): number => {
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  const value = (): string => {
    const length = number();
    if (length > bytes.length - at) throw new Error('Cannot read headers: one is longer than their block');
    at += length;
    return bytes.toString('latin1', at - length, at);
  };
  const headers: Record<string, string> = {};
  for (let left = number(); left > 0; left--) {
    const name = value().toLowerCase();
    headers[name] = value().replaceAll('\0', ', ');
  }
  return headers;
}

/** Writes the blocks of one direction, in order. */
export class HeaderWriter {
  #isFirst = true;

  write(headers: SpdyHeaders): Buffer {
    const entries = Object.entries(headers);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(entries.length);
    const block = Buffer.concat([count, ...entries.flatMap((pair) => pair.map(lengthPrefixed))]);
    const pieces: Buffer[] = this.#isFirst ? [Buffer.from([0x78, 0x01])] : [];
    this.#isFirst = false;
    for (let at = 0; at < block.length; at += storedBytesMax) {
      const piece = block.subarray(at, at + storedBytesMax);
      const head = Buffer.alloc(5);
      head.writeUInt16LE(piece.length, 1);
      head.writeUInt16LE(piece.length ^ 0xffff, 3);
      pieces.push(head, piece);
    }
    return Buffer.concat([...pieces, flushMark]);
  }
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
