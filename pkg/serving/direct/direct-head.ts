/**
 * Reads the head of a request of HTTP/1.1 where it is in the plain form that clients send: the whole of it in one piece, a path as the target, each
 * header once on a line of its own, a body of stated length or none. Invariants: what it takes, Node's parser takes and reads the same (a test
 * compares them); of what it does not take it says nothing, as that is for Node's parser to read or refuse; time is linear in the bytes.
 * Source: RFC 9112 sections 2 to 6.
 */
import { Buffer } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';

const requestLine = /^(?:DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) \/[!-"$-~]* HTTP\/1\.1\r$/;
const fieldLines = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n)+$/;
const bodyLength = /^[0-9]{1,10}$/;
/** Behind the target. */
const versionLength = ' HTTP/1.1\r'.length;
const headEnd = '\r\n\r\n';
const lineFeed = 10;
/** Clients send a dozen. */
const fieldsMax = 64;

/** Headers that change how a connection or a body is read, or that no request has. */
const unusual: ReadonlySet<string> = new Set([
  '__proto__',
  'expect',
  'http2-settings',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The header lines of a head, which a client sends again and again. */
export interface HeadFields {
  /** From the first line's start to the end of the head, in memory of their own. */
  readonly bytes: Buffer;
  /** By names in lower case. Never changed, as several requests may have them. */
  readonly headers: IncomingHttpHeaders;
  readonly bodyBytes: number;
}

/** A head. */
export interface DirectHead {
  readonly method: string;
  readonly url: string;
  readonly fields: HeadFields;
  /** Where the body begins in the piece, or the next request. */
  readonly end: number;
}

/** The head that `piece` begins with, or undefined where it is not in the plain form. `before` are the fields of the last one of the same client. */
export function readHead(piece: Buffer, before: HeadFields | undefined): DirectHead | undefined {
  const lineEnd = piece.indexOf(lineFeed);
  if (lineEnd < 0) return undefined;
  const line = piece.toString('latin1', 0, lineEnd);
  if (!requestLine.test(line)) return undefined;
  const space = line.indexOf(' ');
  const start = lineEnd + 1;
  const fields = before !== undefined && areSame(piece, start, before) ? before : readFields(piece, start);
  if (fields === undefined) return undefined;
  return {
    method: line.slice(0, space),
    url: line.slice(space + 1, -versionLength),
    fields,
    end: start + fields.bytes.length,
  };
}

function areSame(piece: Buffer, start: number, { bytes }: HeadFields): boolean {
  const end = start + bytes.length;
  return end <= piece.length && bytes.compare(piece, start, end) === 0;
}

function readFields(piece: Buffer, start: number): HeadFields | undefined {
  const last = piece.indexOf(headEnd, start, 'latin1');
  if (last < 0) return undefined;
  const text = piece.toString('latin1', start, last + 2);
  if (!fieldLines.test(text)) return undefined;
  const headers: Record<string, string> = {};
  let count = 0;
  for (let at = 0; at < text.length; ) {
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r', colon);
    const name = text.slice(at, colon).toLowerCase();
    if (unusual.has(name) || name in headers || ++count > fieldsMax) return undefined;
    headers[name] = text.slice(colon + 1, end).trim();
    at = end + 2;
  }
  const { host, connection, 'content-length': length = '0' } = headers;
  if (host === undefined || !bodyLength.test(length)) return undefined;
  if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined;
  return { bytes: copyOf(piece.subarray(start, last + headEnd.length)), headers, bodyBytes: Number(length) };
}

/** In memory of its own: a piece is part of what was read with it of other connections, all of which it would keep. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
