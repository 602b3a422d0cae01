/** Finds the ends of HTTP/1.1 answers in what comes over a connection, with as little work as that needs. */

/** What came back for one request. */
export interface Answer {
  readonly status: number;
  readonly bodyBytes: number;
  /** Empty unless it was asked for or the status is an error. */
  readonly body: string;
}

/** What is wanted of the next answer. */
export interface Expected {
  readonly keepBody: boolean;
  /** Given each piece of the body as it comes; its memory is used again for what comes next. */
  readonly onBody?: (piece: Buffer) => void;
  readonly onAnswer: (answer: Answer) => void;
}

/** Most characters of an error's body that are kept for the report. */
const errorCharactersMax = 2_000;

const lineFeed = 10;
const carriageReturn = 13;

type State = 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer';

/** Reads the answers of one connection. */
export class AnswerParser {
  #state: State = 'head';
  /** What has come of a head or a trailing line that is not complete. */
  #partial: Buffer = Buffer.alloc(0);
  #leftBytes = 0;
  /** What has come of the size of the next chunk. */
  #chunkBytes = 0;
  #status = 0;
  #bodyBytes = 0;
  #kept: Buffer[] | undefined;
  #expected: Expected | undefined;

  /** Says what is wanted of the next answer; the one before must have come. */
  expect(expected: Expected): void {
    this.#expected = expected;
    this.#kept = expected.keepBody ? [] : undefined;
    this.#bodyBytes = 0;
  }

  /** Takes the next bytes of the connection. */
  receive(data: Buffer): void {
    let at = 0;
    while (at < data.length) at = this.#take(data, at);
  }

  #take(data: Buffer, at: number): number {
    switch (this.#state) {
      case 'body':
      case 'chunk':
        return this.#takeBody(data, at);
      case 'chunk-size':
        return this.#takeSize(data, at);
      case 'chunk-end':
        if (data[at] === lineFeed) this.#state = 'chunk-size';
        return at + 1;
      default:
        return this.#takeText(data, at);
    }
  }

  /** Takes as much as there is of the line before a chunk. */
  #takeSize(data: Buffer, start: number): number {
    for (let at = start; at < data.length; at++) {
      const byte = data[at]!;
      if (byte === lineFeed) {
        this.#leftBytes = this.#chunkBytes;
        this.#chunkBytes = 0;
        this.#state = this.#leftBytes === 0 ? 'trailer' : 'chunk';
        return at + 1;
      }
      // Digits, and letters of either case.
      if (byte !== carriageReturn)
        this.#chunkBytes = this.#chunkBytes * 16 + (byte <= 57 ? byte - 48 : (byte & 31) + 9);
    }
    return data.length;
  }

  #takeBody(data: Buffer, at: number): number {
    const end = Math.min(data.length, at + this.#leftBytes);
    const piece = data.subarray(at, end);
    this.#leftBytes -= piece.length;
    this.#bodyBytes += piece.length;
    this.#expected?.onBody?.(piece);
    this.#kept?.push(Buffer.from(piece));
    if (this.#leftBytes === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end';
      else this.#finish();
    }
    return end;
  }

  /** Takes a head, or a line after the last chunk, once it is complete. */
  #takeText(data: Buffer, at: number): number {
    const mark = this.#state === 'head' ? '\r\n\r\n' : '\r\n';
    const text = this.#partial.length === 0 ? data.subarray(at) : Buffer.concat([this.#partial, data.subarray(at)]);
    const found = text.indexOf(mark, 0, 'latin1');
    if (found < 0) {
      this.#partial = Buffer.from(text);
      return data.length;
    }
    const taken = found + mark.length - this.#partial.length;
    this.#partial = Buffer.alloc(0);
    if (this.#state === 'head') this.#takeHead(text.toString('latin1', 0, found));
    else if (found === 0) this.#finish();
    return at + taken;
  }

  #takeHead(head: string): void {
    this.#status = Number(head.slice(9, 12));
    if (this.#status >= 400) this.#kept ??= [];
    const lower = head.toLowerCase();
    if (lower.includes('\r\ntransfer-encoding: chunked')) {
      this.#state = 'chunk-size';
      return;
    }
    this.#leftBytes = Number(/\r\ncontent-length: *(\d+)/.exec(lower)?.[1] ?? 0);
    if (this.#leftBytes === 0) this.#finish();
    else this.#state = 'body';
  }

  #finish(): void {
    this.#state = 'head';
    const whole = this.#kept === undefined ? '' : Buffer.concat(this.#kept).toString();
    const body = this.#status >= 400 ? whole.slice(0, errorCharactersMax) : whole;
    const expected = this.#expected;
    this.#expected = undefined;
    expected?.onAnswer({ status: this.#status, bodyBytes: this.#bodyBytes, body });
  }
}
