/** RESP, the protocol of Redis, version 2: enough for a small server and its client. Source: Redis serialization protocol specification. */

/** A value of the protocol: an error, nil, an integer, a string or a list. */
export type RespValue = Error | null | number | string | readonly RespValue[];

/** Longest bulk string taken, and most bytes that may wait for the rest of a value. */
const bulkBytesMax = 1024 * 1024;

/** The encoding of a value: strings as bulk strings. */
export function encodeResp(value: RespValue): string {
  if (value === null) return '$-1\r\n';
  if (value instanceof Error) return `-${value.message}\r\n`;
  if (typeof value === 'number') return `:${value}\r\n`;
  if (typeof value === 'string') return `$${Buffer.byteLength(value)}\r\n${value}\r\n`;
  return `*${value.length}\r\n${value.map(encodeResp).join('')}`;
}

/** Cuts a stream of bytes into values. Throws for what is not RESP; the connection is then of no use. */
export class RespReader {
  #buffer: Buffer = Buffer.alloc(0);

  /** Adds bytes and returns the values that are complete now. A line that is no RESP value is an inline command: a list of its words. */
  push(bytes: Buffer): readonly RespValue[] {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    if (this.#buffer.length > 2 * bulkBytesMax) throw new Error('ERR Protocol error: too big');
    const values: RespValue[] = [];
    let at = 0;
    for (;;) {
      const parsed = this.#parse(at);
      if (parsed === undefined) break;
      values.push(parsed.value);
      at = parsed.end;
    }
    this.#buffer = this.#buffer.subarray(at);
    return values;
  }

  #parse(at: number): { readonly value: RespValue; readonly end: number } | undefined {
    const lineEnd = this.#buffer.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const line = this.#buffer.toString('utf8', at, lineEnd);
    const end = lineEnd + 2;
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return { value: rest, end };
      case '-':
        return { value: new Error(rest), end };
      case ':':
        return { value: Number(rest), end };
      case '$':
        return this.#bulk(Number(rest), end);
      case '*':
        return this.#list(Number(rest), end);
      default:
        return { value: line.split(' ').filter((word) => word !== ''), end };
    }
  }

  #bulk(length: number, at: number): { readonly value: RespValue; readonly end: number } | undefined {
    if (length === -1) return { value: null, end: at };
    if (!(length >= 0 && length <= bulkBytesMax)) throw new Error('ERR Protocol error: invalid bulk length');
    if (this.#buffer.length < at + length + 2) return undefined;
    return { value: this.#buffer.toString('utf8', at, at + length), end: at + length + 2 };
  }

  #list(length: number, at: number): { readonly value: RespValue; readonly end: number } | undefined {
    if (!(length >= 0 && length <= 1024)) throw new Error('ERR Protocol error: invalid multibulk length');
    const items: RespValue[] = [];
    let end = at;
    for (let index = 0; index < length; index++) {
      const item = this.#parse(end);
      if (item === undefined) return undefined;
      items.push(item.value);
      end = item.end;
    }
    return { value: items, end };
  }
}
