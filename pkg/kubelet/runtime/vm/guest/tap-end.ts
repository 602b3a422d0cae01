/**
 * The end of a machine's wire that is a tap device: frames go between the guest and the pod's link, whose address the guest has, and TCP is the guest's. Frames for the guest wait in the
 * device, whose queue the kernel bounds. Whatever the guest writes into its frames, it speaks as itself alone (`WireGuard`). Where the guest has come from another link, or has left this one and is
 * relayed, it does not see who its neighbours are (`GatewayLink`).
 */
import type { TapFrames } from '#pkg/network/tap/tap-frames.ts';
import { addressNumber, type Station } from '#pkg/vmm/host/frames.ts';
import { GatewayLink, type Handling } from '#pkg/vmm/host/gateway-link.ts';
import { WireGuard } from '#pkg/vmm/host/wire-guard.ts';

/** A frame that the guest has no buffer for is offered again after so long. */
const retryMs = 1;
/** Between two looks at what else there is: of a flood the guest sees no more than it has buffers for anyway. */
const framesMax = 256;
/** Answers to the guest's questions that wait for it; further ones are asked again. */
const answersMax = 64;

/** The frames of a device. */
type Frames = Pick<TapFrames, 'isTold' | 'read' | 'write'>;

/** Where a tap is. */
export interface TapPlace {
  /** Who is at it, to others. */
  readonly outer: Station;
  /** By whom all else is reached; absent: nothing leads out, and who comes from elsewhere reaches nobody. */
  readonly gateway?: string;
  /** Ports of TCP that others do not reach. */
  readonly closedPorts: readonly number[];
}

/** One machine's. */
export class TapEnd {
  /** Frames that were not let through, and those that the link had no room for. */
  lost = 0;
  readonly #frames: Frames;
  readonly #place: TapPlace;
  readonly #gateway: GatewayLink | undefined;
  #guard: WireGuard;
  /** The guest is not one that knows this link. */
  #isForeign = false;
  #answers: Uint8Array[] = [];
  #pending: Uint8Array | undefined;

  /** `inner`: who the guest is to itself. */
  constructor(frames: Frames, { place, inner }: { readonly place: TapPlace; readonly inner: Station }) {
    this.#frames = frames;
    this.#place = place;
    const { gateway, outer } = place;
    this.#gateway = gateway === undefined ? undefined : new GatewayLink(outer, addressNumber(gateway));
    this.#guard = this.#guardOf(inner);
  }

  /** A guest of other addresses is to come here. */
  become(inner: Station): void {
    this.#guard = this.#guardOf(inner);
    this.#isForeign = true;
  }

  /** The guest is here, where it may not have been before: the link hears of it. */
  arrived(): void {
    if (this.#isForeign) this.#ask();
  }

  /** The guest has left: what it goes on with by this link is relayed. */
  left(): void {
    this.#isForeign = true;
  }

  /** Gives the guest what is there, as far as it has buffers. */
  flush(deliver: (frame: Uint8Array) => boolean): void {
    while (this.#answers[0] !== undefined && deliver(this.#answers[0])) this.#answers.shift();
    for (let count = 0; count < framesMax; count++) {
      this.#pending ??= this.#next();
      if (this.#pending === undefined || !deliver(this.#pending)) return;
      this.#pending = undefined;
    }
  }

  /** Takes a frame of the guest. */
  receive(frame: Uint8Array): void {
    const handling = this.#handlingOf(() => this.#gateway?.leaves(frame));
    if (typeof handling === 'object' && this.#answers.length < answersMax) this.#answers.push(handling.answer);
    if (handling === 'lost') this.#ask();
    if (handling === 'lost' || (handling === 'goes' && !this.#leaves(frame))) this.lost++;
  }

  /** When what the guest had no buffer for, or no time, is to be offered again. */
  dueMs(nowMs: number): number | undefined {
    const isDue = this.#pending !== undefined || this.#answers.length > 0 || this.#frames.isTold;
    return isDue ? nowMs + retryMs : undefined;
  }

  #guardOf(inner: Station): WireGuard {
    const { outer, closedPorts } = this.#place;
    return new WireGuard({ inner, outer, closedPorts });
  }

  #ask(): void {
    if (this.#gateway !== undefined) this.#frames.write(this.#gateway.ask());
  }

  #leaves(frame: Uint8Array): boolean {
    return this.#guard.leaves(frame) && this.#frames.write(frame);
  }

  /** A guest that knows its link sees to its neighbours itself. */
  #handlingOf(handle: () => Handling | undefined): Handling {
    return this.#isForeign ? (handle() ?? 'lost') : 'goes';
  }

  #next(): Uint8Array | undefined {
    while (this.#frames.isTold) {
      const frame = this.#frames.read();
      if (frame === undefined) return undefined;
      this.#gateway?.heard(frame);
      const handling = this.#handlingOf(() => this.#gateway?.enters(frame));
      if (typeof handling === 'object') this.#frames.write(handling.answer);
      if (handling !== 'goes') continue;
      if (this.#guard.enters(frame)) return frame;
      this.lost++;
    }
    return undefined;
  }
}
