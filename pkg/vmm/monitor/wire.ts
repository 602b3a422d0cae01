/**
 * A network interface on a wire whose other end sends each frame back, its two addresses changed. Registers, of 4 bytes each: 0 the length of a frame that is to be sent, then 4 its words, with the last of which it
 * is sent; 8 the length of the next frame that came, to be read, 0 for none, which begins it, then 12 its words.
 */

/** Bytes of a frame, at least and at most. */
const FRAME_MIN = 14;
const FRAME_MAX = 1514;
const ADDRESS_BYTES = 6;
/** Frames that came and were not taken; more are lost, as on a wire. */
const WAITING_MAX = 64;
const SEND_LENGTH = 0;
const SEND_DATA = 4;
const RECEIVE_LENGTH = 8;
const RECEIVE_DATA = 12;

/** The interface of one machine, and its wire. */
export class Wire {
  private readonly onMoved: () => void;
  private readonly waiting: Uint8Array[] = [];
  private readonly out = new DataView(new ArrayBuffer(FRAME_MAX + 2));
  private length = 0;
  private position = 0;
  private taken = new DataView(new ArrayBuffer(0));
  private takenAt = 0;

  constructor(onMoved: () => void) {
    this.onMoved = onMoved;
  }

  /** Sends a frame; false for one that is none by its length. */
  send(frame: Uint8Array): boolean {
    if (frame.length < FRAME_MIN || frame.length > FRAME_MAX) return false;
    this.onMoved();
    if (this.waiting.length === WAITING_MAX) return true;
    const back = Uint8Array.from(frame);
    back.copyWithin(0, ADDRESS_BYTES, 2 * ADDRESS_BYTES);
    back.set(frame.subarray(0, ADDRESS_BYTES), ADDRESS_BYTES);
    this.waiting.push(back);
    return true;
  }

  /** The next frame that came. */
  receive(): Uint8Array | undefined {
    const frame = this.waiting.shift();
    if (frame !== undefined) this.onMoved();
    return frame;
  }

  load(register: number, size: number): number | undefined {
    if (size !== 4) return undefined;
    if (register === RECEIVE_LENGTH) {
      const frame = this.receive();
      this.taken = new DataView(new ArrayBuffer(Math.ceil((frame?.length ?? 0) / 4) * 4));
      if (frame !== undefined) new Uint8Array(this.taken.buffer).set(frame);
      this.takenAt = 0;
      return frame?.length ?? 0;
    }
    if (register !== RECEIVE_DATA) return undefined;
    if (this.takenAt === this.taken.byteLength) return 0;
    this.takenAt += 4;
    return this.taken.getInt32(this.takenAt - 4, true);
  }

  store(register: number, size: number, value: number): boolean {
    if (size !== 4) return false;
    if (register === SEND_LENGTH) {
      this.length = value >= FRAME_MIN && value <= FRAME_MAX ? value : 0;
      this.position = 0;
      return true;
    }
    if (register !== SEND_DATA) return false;
    if (this.position >= this.length) return true;
    this.out.setInt32(this.position, value, true);
    this.position += 4;
    if (this.position >= this.length) this.send(new Uint8Array(this.out.buffer, 0, this.length));
    return true;
  }
}
