/**
 * The network card. Frames to the guest wait for buffers, at most `RECEIVE_MAX`; frames from it wait for the host, at most `SEND_MAX`: more are
 * lost as on a wire, and counted. Checksums and segmentation are the guest's own work. Source: VIRTIO 1.1, section 5.1.
 */
import { type Plain, type PlainReader, plainBytes } from '../../plain-state.ts';
import { lengthOf, type Virtqueue } from './queue.ts';
import type { Backend } from './transport.ts';

/** Frames kept for a guest that has no buffers: a burst of a small window of TCP. */
const RECEIVE_MAX = 64;
/** Frames kept for a host that does not come. */
const SEND_MAX = 256;
/** The longest frame without its check sequence, with a VLAN's tag. */
const FRAME_MAX = 1518;
const HEADER = 12;
/** Before a frame to the guest: it has one buffer. */
const header = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
/** VIRTIO_NET_F_MAC. */
const FEATURES = 1 << 5;

/** A card with the address `mac`. */
export class VirtioNetwork implements Backend {
  readonly kind = 1;
  readonly queues = 2;
  readonly features = FEATURES;
  readonly config = new Uint8Array(16);
  /** Frames that were lost on the way out, and on the way in. */
  droppedOut = 0;
  droppedIn = 0;
  /** With their headers. */
  private incoming: Uint8Array[] = [];
  private outgoing: Uint8Array[] = [];

  constructor(mac: Uint8Array) {
    this.config.set(mac.subarray(0, 6));
  }

  get hasFrames(): boolean {
    return this.outgoing.length > 0;
  }

  /** False where the frame is lost. */
  deliver(frame: Uint8Array): boolean {
    if (this.incoming.length >= RECEIVE_MAX || frame.length > FRAME_MAX || frame.length === 0) {
      this.droppedIn++;
      return false;
    }
    const bytes = new Uint8Array(HEADER + frame.length);
    bytes.set(header);
    bytes.set(frame, HEADER);
    this.incoming.push(bytes);
    return true;
  }

  takeFrames(): readonly Uint8Array[] {
    const taken = this.outgoing;
    this.outgoing = [];
    return taken;
  }

  process([receive, send]: readonly Virtqueue[]): boolean {
    const hasReceived = receive !== undefined && this.receive(receive);
    const hasSent = send !== undefined && this.send(send);
    return hasReceived || hasSent;
  }

  reset(): void {
    this.incoming = [];
  }

  save(): { readonly [name: string]: Plain } {
    const incoming = this.incoming.map((bytes) => bytes.subarray(HEADER));
    const lists = { incoming, outgoing: this.outgoing };
    const frames = Object.entries(lists).map(([name, list]) => [
      name,
      list.map((frame) => ({ frame: plainBytes(frame) })),
    ]);
    return { ...Object.fromEntries(frames), droppedOut: this.droppedOut, droppedIn: this.droppedIn };
  }

  restore(state: PlainReader): void {
    this.incoming = [];
    for (const part of state.parts('incoming')) this.deliver(part.bytes('frame'));
    this.outgoing = state.parts('outgoing').map((part) => part.bytes('frame'));
    this.droppedOut = state.number('droppedOut');
    this.droppedIn = state.number('droppedIn');
  }

  private receive(queue: Virtqueue): boolean {
    let isWanted = false;
    for (let bytes = this.incoming[0]; bytes !== undefined; bytes = this.incoming[0]) {
      const chain = queue.next();
      if (chain === undefined) break;
      // A frame that does not fit its buffer is lost, and the buffer goes back empty.
      const fits = lengthOf(chain.writable) >= bytes.length;
      if (queue.finish(chain, fits ? bytes : new Uint8Array(0))) isWanted = true;
      if (!fits) this.droppedIn++;
      queue.take();
      this.incoming.shift();
    }
    return isWanted;
  }

  private send(queue: Virtqueue): boolean {
    let isWanted = false;
    for (let chain = queue.next(); chain !== undefined; chain = queue.next()) {
      const length = lengthOf(chain.readable);
      const isFrame = length > HEADER && length <= HEADER + FRAME_MAX && this.outgoing.length < SEND_MAX;
      const bytes = isFrame ? queue.gather(chain.readable, length, HEADER) : undefined;
      if (queue.finish(chain, new Uint8Array(0))) isWanted = true;
      queue.take();
      if (bytes === undefined) this.droppedOut++;
      else this.outgoing.push(bytes);
    }
    return isWanted;
  }
}
