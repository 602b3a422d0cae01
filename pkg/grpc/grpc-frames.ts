/** Messages on a gRPC stream: each has five bytes before it, whether it is compressed (here never) and its length. Source: gRPC over HTTP/2. */
import { GrpcError, grpcCodes } from './grpc-error.ts';

/** Bytes before a message. */
const frameHeadBytes = 5;

/** Largest message taken, a page of many large objects: one that says more is refused before it is read. */
const messageBytesMax = 512 * 1024 * 1024;

/** The head of a message of that many bytes. */
export function frameHead(bytes: number): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUInt32BE(bytes, 1);
  return head;
}

/** What is put by for a message at first, whatever length it tells: a server that says more than it sends costs no memory. */
const roomBytesFirst = 64 * 1024;

/** Puts messages together from the chunks of a stream, of which nothing is kept: each message has memory of its own. */
export class FrameReader {
  readonly #bytesMax: number;
  readonly #head = Buffer.allocUnsafe(frameHeadBytes);
  #headBytes = 0;
  /** The message that is coming, what there is of it, and how long it will be. */
  #message: Buffer | undefined;
  #bytes = 0;
  #length = 0;

  /** Of messages with at most so many bytes. Default: 512 MiB. */
  constructor(bytesMax = messageBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** Takes a chunk and returns the messages that are whole with it. Throws `GrpcError` for what is no such stream. */
  push(chunk: Buffer): readonly Buffer[] {
    const messages: Buffer[] = [];
    for (let at = 0; at < chunk.length; ) {
      at = this.#message === undefined ? this.#takeHead(chunk, at) : this.#takeBytes(chunk, at, this.#message);
      if (this.#message === undefined || this.#bytes < this.#length) continue;
      messages.push(this.#message);
      this.#message = undefined;
      this.#headBytes = 0;
    }
    return messages;
  }

  /** Begins a message once its head is whole. */
  #takeHead(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + frameHeadBytes - this.#headBytes);
    chunk.copy(this.#head, this.#headBytes, start, end);
    this.#headBytes += end - start;
    if (this.#headBytes < frameHeadBytes) return end;
    this.#length = this.#messageBytes();
    this.#bytes = 0;
    this.#message = Buffer.allocUnsafe(Math.min(this.#length, roomBytesFirst));
    return end;
  }

  #takeBytes(chunk: Buffer, start: number, message: Buffer): number {
    const end = Math.min(chunk.length, start + this.#length - this.#bytes);
    const bytes = this.#bytes + end - start;
    let room = message;
    if (bytes > message.length) {
      room = Buffer.allocUnsafe(Math.min(this.#length, Math.max(bytes, 2 * message.length)));
      message.copy(room, 0, 0, this.#bytes);
      this.#message = room;
    }
    chunk.copy(room, this.#bytes, start, end);
    this.#bytes = bytes;
    return end;
  }

  #messageBytes(): number {
    const length = this.#head.readUInt32BE(1);
    const isPlain = this.#head[0] === 0;
    if (isPlain && length <= this.#bytesMax) return length;
    const problem = isPlain ? `at most ${this.#bytesMax} are taken` : 'it is compressed, or no message of gRPC at all';
    throw new GrpcError(`Cannot read a message of ${length} bytes: ${problem}`, {
      code: grpcCodes.resourceExhausted,
      wasSent: true,
    });
  }
}
