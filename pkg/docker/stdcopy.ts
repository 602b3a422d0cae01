/** Output without a terminal: pieces of both streams in one, each behind a head of eight bytes. Source: Docker Engine API, "Stream format". Pure. */

const numbers = { stdout: 1, stderr: 2 } as const;
const headBytes = 8;

/** A piece of a stream. */
export function streamPiece(stream: keyof typeof numbers, bytes: Uint8Array): Buffer {
  const piece = Buffer.alloc(headBytes + bytes.length);
  piece[0] = numbers[stream];
  piece.writeUInt32BE(bytes.length, headBytes / 2);
  piece.set(bytes, headBytes);
  return piece;
}
