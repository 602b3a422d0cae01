/** The virtio console: one port, its input kept up to `INPUT_MAX` bytes for a guest that reads late. Source: VIRTIO 1.1, section 5.3. */
import { type Plain, type PlainReader, plainBytes } from '../../plain-state.ts';
import { INPUT_MAX } from '../uart.ts';
import { lengthOf, type Virtqueue } from './queue.ts';
import type { Backend } from './transport.ts';

/** Bytes of one write that are taken; the rest of a longer one is lost. */
const WRITE_MAX = 65_536;

/** A console; `output` is told every byte. */
export class VirtioConsole implements Backend {
  readonly kind = 3;
  readonly queues = 2;
  readonly features = 0;
  readonly config = new Uint8Array(12);
  private readonly output: (byte: number) => void;
  private input: Uint8Array = new Uint8Array(0);

  constructor(output: (byte: number) => void) {
    this.output = output;
  }

  /** Says how many of the bytes it took. */
  give(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, INPUT_MAX - this.input.length);
    this.input = Uint8Array.from([...this.input, ...taken]);
    return taken.length;
  }

  process([receive, send]: readonly Virtqueue[]): boolean {
    let isWanted = false;
    while (receive !== undefined && this.input.length > 0) {
      const chain = receive.next();
      if (chain === undefined) break;
      const room = lengthOf(chain.writable);
      if (receive.finish(chain, this.input.subarray(0, room))) isWanted = true;
      receive.take();
      this.input = this.input.slice(room);
    }
    for (let chain = send?.next(); send !== undefined && chain !== undefined; chain = send.next()) {
      const bytes = send.gather(chain.readable, WRITE_MAX);
      if (send.finish(chain, new Uint8Array(0))) isWanted = true;
      send.take();
      for (const byte of bytes) this.output(byte);
    }
    return isWanted;
  }

  reset(): void {
    this.input = new Uint8Array(0);
  }

  save(): { readonly [name: string]: Plain } {
    return { input: plainBytes(this.input) };
  }

  restore(state: PlainReader): void {
    this.input = state.bytes('input');
  }
}
