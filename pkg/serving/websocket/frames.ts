/**
 * Frames of a WebSocket as a server sees them: what it sends is whole and not masked, what comes is masked and may come in any pieces. Invariants:
 * nothing is kept beyond `messageBytesMax` of one message and 125 bytes of a control frame, and no more than about twice what has come; whatever a
 * client sends is a message, a control frame or a `WebSocketError`. No extensions.
 * Source: RFC 6455 section 5. Upstream counterpart: `golang.org/x/net/websocket` `hybi.go`.
 */
import { Buffer } from 'node:buffer';

import { applyMask } from './mask.ts';

/** Why a connection ends. Source: RFC 6455 section 7.4.1. */
export const closeCode = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  /** A close frame without a code; never sent. */
  none: 1005,
  /** The connection went without a close frame; never sent. */
  abnormal: 1006,
  invalidText: 1007,
  tooBig: 1009,
  internalError: 1011,
} as const;

const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** What frames carry that a server sends. */
export type FrameKind = 'binary' | 'close' | 'ping' | 'pong' | 'text';

/** Largest payload of a control frame. */
const controlBytesMax = 125;
/** Largest head of a frame from a client: two bytes, eight of length, four of mask. */
const headBytesMax = 14;

/** One message, put together. Its bytes are the reader's own. */
export interface WebSocketMessage {
  readonly isText: boolean;
  readonly bytes: Uint8Array;
}

/** What a client did that ends its connection, with the code to say so. */
export class WebSocketError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Payloads that are copied, to be one write with what goes before them. */
const copiedBytesMax = 16 * 1024;

/** One whole frame, in one piece or two. */
export function encodeFrame(kind: FrameKind, payload: Uint8Array): readonly Uint8Array[] {
  const head = frameHead(kind, payload.length);
  return payload.length > copiedBytesMax ? [head, payload] : [Buffer.concat([head, payload])];
}

function frameHead(kind: FrameKind, length: number): Buffer {
  const first = 0x80 | opcode[kind];
  if (length <= controlBytesMax) return Buffer.from([first, length]);
  if (length < 0x1_0000) return Buffer.from([first, 126, length >> 8, length & 255]);
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** The payload of a close frame. The reason is cut to what fits. */
export function closePayload(code: number, reason: string): Uint8Array {
  const text = Buffer.from(reason).subarray(0, controlBytesMax - 2);
  const payload = Buffer.alloc(2 + text.length);
  payload.writeUInt16BE(code, 0);
  payload.set(text, 2);
  return payload;
}

/** Told of what has come, in order. */
export interface FrameListener {
  onMessage(message: WebSocketMessage): void;
  onPing(payload: Uint8Array): void;
  onPong(): void;
  onClose(code: number, reason: string): void;
}

/** Bytes that grow by what is added, up to twice what they hold. */
class Growing {
  #bytes = Buffer.alloc(0);
  length = 0;

  /** Adds bytes as they are once the mask is taken off; `at` says how far into the mask they begin. */
  addMasked(bytes: Uint8Array, mask: Uint8Array, at: number): void {
    const end = this.length + bytes.length;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.length);
    applyMask(this.#bytes.subarray(this.length, end), mask, at);
    this.length = end;
  }

  /** What was added, which belongs to the caller from now on. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.length);
    this.#bytes = Buffer.alloc(0);
    this.length = 0;
    return taken;
  }
}

interface Head {
  readonly code: number;
  readonly isLast: boolean;
  readonly length: number;
  readonly mask: Uint8Array;
}

/** Puts together what a client sends. */
export class FrameReader {
  readonly #listener: FrameListener;
  readonly #messageBytesMax: number;
  readonly #headBytes = Buffer.alloc(headBytesMax);
  #headLength = 0;
  /** The frame whose payload is coming, and how much of it has. */
  #head: Head | undefined;
  #payloadLength = 0;
  readonly #message = new Growing();
  readonly #control = new Growing();
  /** Of the message under way; undefined between messages. */
  #isText: boolean | undefined;

  constructor(listener: FrameListener, messageBytesMax: number) {
    this.#listener = listener;
    this.#messageBytesMax = messageBytesMax;
  }

  /** Takes bytes as they come. Throws a `WebSocketError`, after which it takes no more. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      this.#head ??= this.#readHead(bytes[at++]!);
      const head = this.#head;
      if (head === undefined) continue;
      const piece = bytes.subarray(at, at + head.length - this.#payloadLength);
      at += piece.length;
      const into = isControl(head.code) ? this.#control : this.#message;
      into.addMasked(piece, head.mask, this.#payloadLength);
      this.#payloadLength += piece.length;
      if (this.#payloadLength === head.length) this.#finish(head);
    }
  }

  /** Adds a byte of a head; the head once it is whole. */
  #readHead(byte: number): Head | undefined {
    const bytes = this.#headBytes;
    bytes[this.#headLength++] = byte;
    if (this.#headLength < 2) return undefined;
    const [first = 0, second = 0] = bytes;
    if (this.#headLength === 2) this.#checkStart(first, second);
    const short = second & 0x7f;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    const end = 2 + lengthBytes + 4;
    if (this.#headLength < end) return undefined;
    this.#headLength = 0;
    const length =
      lengthBytes === 8 ? Number(bytes.readBigUInt64BE(2)) : lengthBytes === 2 ? bytes.readUInt16BE(2) : short;
    const code = first & 15;
    if (!isControl(code) && this.#message.length + length > this.#messageBytesMax) {
      throw new WebSocketError(closeCode.tooBig, `messages have ${this.#messageBytesMax} bytes at most`);
    }
    this.#payloadLength = 0;
    return { code, isLast: first >= 0x80, length, mask: Uint8Array.from(bytes.subarray(end - 4, end)) };
  }

  #checkStart(first: number, second: number): void {
    const code = first & 15;
    const isMessage = code === opcode.text || code === opcode.binary;
    const fault =
      (first & 0x70) !== 0
        ? 'no extension was agreed on'
        : second < 0x80
          ? 'frames of clients are masked'
          : isControl(code)
            ? faultOfControl(code, first >= 0x80, second & 0x7f)
            : !isMessage && code !== opcode.continuation
              ? 'unknown kind of frame'
              : isMessage === (this.#isText !== undefined)
                ? 'fragments of messages are out of order'
                : undefined;
    if (fault !== undefined) throw new WebSocketError(closeCode.protocolError, fault);
    if (isMessage) this.#isText = code === opcode.text;
  }

  #finish({ code, isLast }: Head): void {
    this.#head = undefined;
    if (isControl(code)) this.#finishControl(code, this.#control.take());
    else if (isLast) {
      const isText = this.#isText === true;
      this.#isText = undefined;
      const bytes = this.#message.take();
      if (isText) decodeText(bytes);
      this.#listener.onMessage({ isText, bytes });
    }
  }

  #finishControl(code: number, payload: Buffer): void {
    if (code === opcode.ping) this.#listener.onPing(payload);
    else if (code === opcode.pong) this.#listener.onPong();
    else if (payload.length === 0) this.#listener.onClose(closeCode.none, '');
    else if (payload.length === 1) throw new WebSocketError(closeCode.protocolError, 'half a close code');
    else {
      const given = payload.readUInt16BE(0);
      if (!isCloseCode(given)) throw new WebSocketError(closeCode.protocolError, 'no close code that may be sent');
      this.#listener.onClose(given, decodeText(payload.subarray(2)));
    }
  }
}

function isControl(code: number): boolean {
  return code >= 8;
}

function faultOfControl(code: number, isLast: boolean, length: number): string | undefined {
  if (code > opcode.pong) return 'unknown kind of frame';
  return isLast && length <= controlBytesMax ? undefined : 'control frames are short and whole';
}

function isCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code < 5000)
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new WebSocketError(closeCode.invalidText, 'text is UTF-8');
  }
}
