/** The frames of a tap, for the thread that has them: read and written at once, or not at all. Needs `node:ffi`. */
import { Buffer } from 'node:buffer';
import { dlopen } from 'node:ffi';
import type { TapHandle } from './taps.ts';

const { functions: c } = dlopen(null, {
  read: { arguments: ['int32', 'pointer', 'uint64'], return: 'int64' },
  write: { arguments: ['int32', 'pointer', 'uint64'], return: 'int64' },
});

/** A link's largest frame, with some to spare. */
const frameBytesMax = 2048;

/** One tap's. */
export class TapFrames {
  readonly #handle: TapHandle;
  readonly #buffer = Buffer.alloc(frameBytesMax);

  /** `arrived`: there are frames; said again only once `read` has found none. */
  constructor(handle: TapHandle, arrived: () => void) {
    this.#handle = handle;
    handle.port.on('message', arrived);
    // Whoever has the frames ends when it likes.
    handle.port.unref();
  }

  /** Whether `read` would find something, or nobody has looked since something came. */
  get isTold(): boolean {
    return Atomics.load(this.#handle.flag, 0) === 1;
  }

  /** The next frame, a copy; undefined where none waits. */
  read(): Uint8Array | undefined {
    const length = this.#read();
    if (length > 0) return Uint8Array.from(this.#buffer.subarray(0, length));
    // One may have come since.
    Atomics.store(this.#handle.flag, 0, 0);
    const late = this.#read();
    return late > 0 ? Uint8Array.from(this.#buffer.subarray(0, late)) : undefined;
  }

  /** Sends a frame; false where the link has no room, or is gone: it is lost, as on a wire. */
  write(frame: Uint8Array): boolean {
    return (
      Number(
        c.write(this.#handle.tap, Buffer.from(frame.buffer, frame.byteOffset, frame.length), BigInt(frame.length)),
      ) === frame.length
    );
  }

  #read(): number {
    return Number(c.read(this.#handle.tap, this.#buffer, BigInt(frameBytesMax)));
  }
}
