/**
 * A wire that carries its machine's share and no more, for a machine whose network keeps it to none. What the machine is sent waits where it comes from, which is bounded there; what it
 * sends waits here, a while; what would wait longer is lost, by which senders know. The host's time counts, as what is shared is the host's. Counterpart: what `shape-link.ts` makes of a pod's link.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { burstBytes } from '#pkg/network/bandwidth.ts';
import type { PodBandwidth } from '#pkg/network/pod-network.ts';
import type { Wire } from './guest-loop.ts';
import { earliest, Share } from './share.ts';

/** Bytes that wait on their way out, at least, and the time that they wait: what the kernel's shaper holds. */
const waitingBytesMin = 64 * 1024;
const waitingMs = 25;

/** What went through, since the machine was started here. */
export interface WireCounts {
  networkInBytes: number;
  networkOutBytes: number;
  framesLost: number;
}

/** One machine's. */
export class ShapedWire implements Wire {
  readonly counts: WireCounts = { networkInBytes: 0, networkOutBytes: 0, framesLost: 0 };
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #toGuest: Share | undefined;
  readonly #fromGuest: Share | undefined;
  readonly #waitingMax: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** When the wire may give on what it holds for the guest. */
  #resumesMs: number | undefined;

  /** `bandwidth`: absent for no limits. */
  constructor(
    wire: Wire,
    { clock, bandwidth = {} }: { readonly clock: Clock; readonly bandwidth?: PodBandwidth | undefined },
  ) {
    this.#wire = wire;
    this.#clock = clock;
    this.#toGuest = shareOf(bandwidth.toPod);
    this.#fromGuest = shareOf(bandwidth.fromPod);
    this.#waitingMax = Math.max(waitingBytesMin, ((bandwidth.fromPod ?? 0) / 8000) * waitingMs);
  }

  tick(nowMs: number): number | undefined {
    const due = this.#wire.tick(nowMs);
    let sent = 0;
    for (const frame of this.#waiting) {
      if ((this.#fromGuest?.waitMs(nowMs) ?? 0) > 0) break;
      this.#send(frame);
      this.#waitingBytes -= frame.length;
      sent++;
    }
    if (sent > 0) this.#waiting = this.#waiting.slice(sent);
    return due;
  }

  flush(deliver: (frame: Uint8Array) => boolean): void {
    const nowMs = this.#clock.monotonicMs();
    this.#resumesMs = undefined;
    this.#wire.flush((frame) => {
      const waitMs = this.#toGuest?.waitMs(nowMs) ?? 0;
      if (waitMs > 0) this.#resumesMs = nowMs + waitMs;
      if (waitMs > 0 || !deliver(frame)) return false;
      this.#toGuest?.take(frame.length);
      this.counts.networkInBytes += frame.length;
      return true;
    });
  }

  receive(frame: Uint8Array): void {
    const waits = this.#waiting.length > 0 || (this.#fromGuest?.waitMs(this.#clock.monotonicMs()) ?? 0) > 0;
    if (!waits) this.#send(frame);
    else if (this.#waitingBytes + frame.length > this.#waitingMax) this.counts.framesLost++;
    else {
      this.#waiting.push(frame);
      this.#waitingBytes += frame.length;
    }
  }

  /** When what is held back may go on. */
  dueMs(nowMs: number): number | undefined {
    const times = [this.#wire.dueMs?.(nowMs), this.#resumesMs];
    if (this.#waiting.length > 0) times.push(nowMs + (this.#fromGuest?.waitMs(nowMs) ?? 0));
    return earliest(times);
  }

  #send(frame: Uint8Array): void {
    this.#fromGuest?.take(frame.length);
    this.counts.networkOutBytes += frame.length;
    this.#wire.receive(frame);
  }
}

function shareOf(bits: number | undefined): Share | undefined {
  return bits === undefined ? undefined : new Share({ perSecond: bits / 8, burst: burstBytes(bits) });
}
