/** How much may be sent before the other side has taken it: in HTTP/2 for each stream, and for a connection as a whole. Source: RFC 9113, section 5.2. */
import { frameTypes, numberFrame } from './frames.ts';

/** What each side may send before the other has said anything. */
const windowBytesFirst = 65_535;

/** What a server may send on a stream before it is taken: what holds it up is only this process. */
export const streamWindowBytes = 8 * 1024 * 1024;
/** Room is given anew when half is used up. */
const roomBytes = streamWindowBytes / 2;

/** What may still be sent; a server that takes its word back makes it less than nothing. */
export class FlowWindow {
  bytes: number;

  constructor(bytes: number = windowBytesFirst) {
    this.bytes = bytes;
  }

  add(bytes: number): void {
    this.bytes += bytes;
  }
}

/** What came and was taken, and of which the server was not told yet. */
export class ReceivedBytes {
  #bytes = 0;

  /** What a connection begins with, to give a server as much room on it as on a stream. */
  opening(): Buffer {
    return numberFrame({ type: frameTypes.windowUpdate, stream: 0 }, streamWindowBytes - windowBytesFirst);
  }

  /** Counts what came; the frame that gives room anew where it is time. */
  add(stream: number, bytes: number): Buffer | undefined {
    this.#bytes += bytes;
    if (this.#bytes < roomBytes) return undefined;
    const frame = numberFrame({ type: frameTypes.windowUpdate, stream }, this.#bytes);
    this.#bytes = 0;
    return frame;
  }
}
