/**
 * The client's end of a WebSocket over a connection that was upgraded: binary messages both ways at the pace of whoever reads them. What it sends is
 * masked, pings are answered. It keeps at most one message of `messageBytesMax`, and throws for a longer one. Source: RFC 6455.
 * Upstream counterpart: client-go `transport/websocket`.
 */
import { randomFillSync } from 'node:crypto';
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { applyMask } from '#pkg/serving/websocket/mask.ts';

/** Largest message that is taken: servers send 32 KiB at a time. */
const messageBytesMax = 16 * 1024 * 1024;
const binary = 2;
const closing = 8;
const ping = 9;
const pong = 10;

/** Bytes that came with the answer to the upgrade, and the connection that more of them come from. */
export interface OpenedConnection {
  readonly connection: UpgradedConnection & AsyncIterable<Uint8Array>;
  readonly head: Uint8Array;
  /** The protocol that the server chose. */
  readonly protocol: string;
}

/** A WebSocket of a client. */
export class ClientSocket {
  readonly protocol: string;
  readonly #connection: OpenedConnection['connection'];
  readonly #head: Uint8Array;
  #isClosed = false;
  /** Senders that wait for room. */
  #waiting: (() => void)[] = [];

  constructor({ connection, head, protocol }: OpenedConnection) {
    this.#connection = connection;
    this.#head = head;
    this.protocol = protocol;
    connection.on('error', () => {
      this.#isClosed = true;
    });
    connection.on('drain', () => this.#goOn());
    connection.on('close', () => this.#goOn());
  }

  /** Sends a message; resolves when there is room for more. What is sent after the end is lost. */
  async send(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed || this.#connection.destroyed || this.#write(binary, bytes)) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** What comes, whole and in order, until the server closes. Read in one place at most. */
  async *messages(): AsyncGenerator<Uint8Array> {
    const parser = new Parser();
    for await (const chunk of this.#chunks()) {
      for (const { code, payload } of parser.push(chunk)) {
        if (code === ping) this.#write(pong, payload);
        else if (code === closing) return;
        else if (code !== pong) yield payload;
      }
    }
  }

  /** Says that it is over and ends the connection. */
  close(): void {
    if (!this.#isClosed && !this.#connection.destroyed) this.#write(closing, Uint8Array.of(3, 232));
    this.#isClosed = true;
    this.#connection.end();
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    if (this.#head.length > 0) yield this.#head;
    try {
      yield* this.#connection;
    } catch {
      // A connection that breaks is one that ends: what came says whether it was enough.
    }
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #write(code: number, payload: Uint8Array): boolean {
    const { length } = payload;
    const extra = length < 126 ? 0 : length < 65_536 ? 2 : 8;
    const frame = Buffer.allocUnsafe(2 + extra + 4 + length);
    frame[0] = 0x80 | code;
    frame[1] = 0x80 | (extra === 0 ? length : extra === 2 ? 126 : 127);
    if (extra === 2) frame.writeUInt16BE(length, 2);
    if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
    const mask = frame.subarray(2 + extra, 6 + extra);
    randomFillSync(mask);
    frame.set(payload, 6 + extra);
    applyMask(frame.subarray(6 + extra), mask, 0);
    return this.#connection.write(frame);
  }
}

interface Message {
  readonly code: number;
  readonly payload: Uint8Array;
}

/** Puts frames together of what comes in any pieces. */
class Parser {
  #rest: Buffer = Buffer.alloc(0);
  /** The parts of a message that is not whole yet. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;

  *push(chunk: Uint8Array): Generator<Message> {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const [first = 0, second = 0] = this.#rest;
      if (this.#rest.length < 2) return;
      const short = second & 127;
      const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
      if (this.#rest.length < 2 + extra) return;
      const length =
        extra === 2 ? this.#rest.readUInt16BE(2) : extra === 8 ? Number(this.#rest.readBigUInt64BE(2)) : short;
      if (length + this.#partBytes > messageBytesMax)
        throw new Error(`Cannot take a message of ${length} bytes as ${messageBytesMax} is the most`);
      const end = 2 + extra + length;
      if (this.#rest.length < end) return;
      const payload = this.#rest.subarray(2 + extra, end);
      this.#rest = this.#rest.subarray(end);
      const code = first & 15;
      if (code >= closing) {
        yield { code, payload };
        continue;
      }
      this.#parts.push(payload);
      this.#partBytes += length;
      if (first < 128) continue;
      yield { code: binary, payload: this.#parts.length === 1 ? payload : Buffer.concat(this.#parts) };
      this.#parts = [];
      this.#partBytes = 0;
    }
  }
}
