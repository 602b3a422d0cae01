/** Finds the ends of HTTP/1.1 answers in what comes over a connection, with as little work as that needs. */

export interface Answer {
  readonly status: number;
  readonly bodyBytes: number;
  /** Empty unless it was asked for or the status is an error. */
  readonly body: string;
}

/** What is wanted of the next answer. */
export interface Expected {
  readonly keepBody: boolean;
  /** Given each piece of the body as it comes. */
  readonly onBody?: (piece: Buffer) => void;
  readonly onAnswer: (answer: Answer) => void;
}

/** Most characters of an error's body that are kept for the report. */
const errorCharactersMax = 2_000;

type State = 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer';

export class AnswerParser {
  #state: State = 'head';
  /** What has come of a head or a size line that is not complete. */
  #partial: Buffer = Buffer.alloc(0);
  #leftBytes = 0;
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
    while (at < data.length) {
      at = this.#state === 'body' || this.#state === 'chunk' ? this.#takeBody(data, at) : this.#takeText(data, at);
    }
  }

  #takeBody(data: Buffer, at: number): number {
    const end = Math.min(data.length, at + this.#leftBytes);
    const piece = data.subarray(at, end);
    this.#leftBytes -= piece.length;
    this.#bodyBytes += piece.length;
    this.#expected?.onBody?.(piece);
    this.#kept?.push(piece);
    if (this.#leftBytes === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end';
      else this.#finish();
    }
    return end;
  }

  /** Takes a head, or a line between chunks, once it is complete. */
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
    this.#takeLine(text.toString('latin1', 0, found));
    return at + taken;
  }

  #takeLine(line: string): void {
    switch (this.#state) {
      case 'head':
        this.#takeHead(line);
        return;
      case 'chunk-size':
        this.#leftBytes = Number.parseInt(line, 16);
        this.#state = this.#leftBytes === 0 ? 'trailer' : 'chunk';
        return;
      case 'chunk-end':
        this.#state = 'chunk-size';
        return;
      default:
        if (line === '') this.#finish();
    }
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
