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

/** Puts messages together from the chunks of a stream, which it holds until a message is whole. */
export class FrameReader {
  readonly #bytesMax: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Of messages with at most so many bytes. Default: 512 MiB. */
  constructor(bytesMax = messageBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** Takes a chunk and returns the messages that are whole with it. Throws `GrpcError` for what is no such stream. */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: Buffer[] = [];
    while (this.#bytes >= frameHeadBytes) {
      const length = this.#messageBytes();
      if (this.#bytes < frameHeadBytes + length) break;
      const all = this.#joined();
      const end = frameHeadBytes + length;
      messages.push(all.subarray(frameHeadBytes, end));
      this.#chunks = end === all.length ? [] : [all.subarray(end)];
      this.#bytes = all.length - end;
    }
    return messages;
  }

  #messageBytes(): number {
    const [first] = this.#chunks;
    const head = first !== undefined && first.length >= frameHeadBytes ? first : this.#joined();
    const length = head.readUInt32BE(1);
    const problem =
      head[0] === 0 ? `at most ${this.#bytesMax} are taken` : 'it is compressed, or no message of gRPC at all';
    if (head[0] === 0 && length <= this.#bytesMax) return length;
    throw new GrpcError(`Cannot read a message of ${length} bytes: ${problem}`, {
      code: grpcCodes.resourceExhausted,
      wasSent: true,
    });
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && this.#chunks.length === 1) return first;
    const all = Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [all];
    return all;
  }
}
