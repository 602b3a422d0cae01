/** What the guest wrote and its host has not taken: bytes in order. A machine whose console holds `CONSOLE_MAX` runs no further until it was taken; what one request of a device writes is taken whole. */

/** Bytes from which on it is full. */
const CONSOLE_MAX = 65_536;
/** From so many on the host is asked to come; less waits until the machine stops anyway. */
const ASK_AT = 4096;

/** A console's output. */
export class Console {
  private bytes = new Uint8Array(1024);
  private length = 0;

  readonly write = (byte: number): void => {
    if (this.length === this.bytes.length) {
      const grown = new Uint8Array(this.bytes.length * 2);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes[this.length++] = byte;
  };

  take(): Uint8Array {
    const taken = this.bytes.slice(0, this.length);
    this.length = 0;
    return taken;
  }

  /** What was written and not taken, which stays. */
  peek(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  get wantsHost(): boolean {
    return this.length >= ASK_AT;
  }

  get isFull(): boolean {
    return this.length >= CONSOLE_MAX;
  }
}
