/**
 * Watch frames as HTTP's chunked coding (RFC 9112 section 7.1), so that they go to a socket as they are. What several watchers are told is put
 * together once: frames keep their own chunk (`WatchFrame.chunk`), and a batch that several are given its joined bytes.
 */
import { Buffer } from 'node:buffer';
import type { WatchFrame } from '#pkg/apimachinery/http.ts';

const chunkEnd = Buffer.from('\r\n');
const lineFeed = 10;

/** A way to put frames together; the same array of them is put together once. */
export type JoinFrames = (batch: readonly WatchFrame[]) => Uint8Array;

/** Frames as chunks, one after the other. */
export const chunksOf: JoinFrames = joining(chunkOf);

/** Frames as lines, for HTTP/2, which has frames of its own around them. */
export const linesOf: JoinFrames = joining(lineOf);

function joining(of: (frame: WatchFrame) => Uint8Array): JoinFrames {
  /** Frames that were put together for one watcher, by the array they came in: the others that are given the same array use them. */
  const joinedOf = new WeakMap<readonly WatchFrame[], Uint8Array>();
  return (batch) => {
    if (batch.length === 1) return of(batch[0]!);
    let joined = joinedOf.get(batch);
    if (joined === undefined) {
      joined = Buffer.concat(batch.map(of));
      joinedOf.set(batch, joined);
    }
    return joined;
  };
}

function chunkOf(frame: WatchFrame): Uint8Array {
  return frame.chunk ?? chunkAround(frame.bytes());
}

/** The line in a chunk that is kept anyway, so that both are held once. */
function lineOf(frame: WatchFrame): Uint8Array {
  const { chunk } = frame;
  return chunk === undefined ? frame.bytes() : chunk.subarray(chunk.indexOf(lineFeed) + 1, -chunkEnd.length);
}

/** Bytes as one chunk; they must not be empty, as an empty chunk ends the body. */
export function chunkAround(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, chunkEnd]);
}
