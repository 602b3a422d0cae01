/**
 * The end of a machine's wire that is a tap device: frames go between the guest and the pod's link, whose address the guest has, and TCP is the guest's. Frames for the guest wait in the
 * device, whose queue the kernel bounds. Whatever the guest writes into its frames, it speaks as itself alone (`WireGuard`).
 */
import type { TapFrames } from '#pkg/network/tap/tap-frames.ts';
import type { WireGuard } from '#pkg/vmm/host/wire-guard.ts';

/** A frame that the guest has no buffer for is offered again after so long. */
const retryMs = 1;
/** Between two looks at what else there is: of a flood the guest sees no more than it has buffers for anyway. */
const framesMax = 256;

/** One machine's. */
export class TapEnd {
  /** Frames that were not let through, and those that the link had no room for. */
  lost = 0;
  readonly #frames: Pick<TapFrames, 'isTold' | 'read' | 'write'>;
  readonly #guard: WireGuard;
  #pending: Uint8Array | undefined;

  constructor(frames: Pick<TapFrames, 'isTold' | 'read' | 'write'>, guard: WireGuard) {
    this.#frames = frames;
    this.#guard = guard;
  }

  /** Gives the guest what is there, as far as it has buffers. */
  flush(deliver: (frame: Uint8Array) => boolean): void {
    for (let count = 0; count < framesMax; count++) {
      this.#pending ??= this.#next();
      if (this.#pending === undefined || !deliver(this.#pending)) return;
      this.#pending = undefined;
    }
  }

  /** Takes a frame of the guest. */
  receive(frame: Uint8Array): void {
    if (!this.#guard.leaves(frame) || !this.#frames.write(frame)) this.lost++;
  }

  /** When what the guest had no buffer for, or no time, is to be offered again. */
  dueMs(nowMs: number): number | undefined {
    return this.#pending !== undefined || this.#frames.isTold ? nowMs + retryMs : undefined;
  }

  #next(): Uint8Array | undefined {
    while (this.#frames.isTold) {
      const frame = this.#frames.read();
      if (frame === undefined) return undefined;
      if (this.#guard.enters(frame)) return frame;
      this.lost++;
    }
    return undefined;
  }
}
