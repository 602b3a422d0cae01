/**
 * The other end of a machine's wire at the place where it is: its own network, and those of the relays that it has left behind. A frame of the machine goes to the
 * network whose connection it is of; each of them gives the machine its own. Where the machine has a tap, what is not for its host goes there.
 */
import { slotOf, type UserNetwork } from '#pkg/vmm/host/user-network.ts';
import type { FramesAway } from './frame-tunnel.ts';
import type { Wire } from './guest-loop.ts';
import type { RelayPlace } from './link.ts';
import type { TapEnd } from './tap-end.ts';

/** A relay that the machine has connections of. */
export interface Away {
  readonly place: RelayPlace;
  readonly frames: FramesAway;
}

/** A wire with several other ends. */
export class GuestWire implements Wire {
  readonly #network: UserNetwork;
  readonly #tap: TapEnd | undefined;
  readonly #aways = new Map<number, Away>();

  /** `tap`: where others than the host are; absent: the host is alone. */
  constructor(network: UserNetwork, tap?: TapEnd) {
    this.#network = network;
    this.#tap = tap;
  }

  /** The relays, for the next place. */
  get relays(): readonly RelayPlace[] {
    return [...this.#aways.values()].map(({ place }) => place);
  }

  /** Adds one, in the place of another of its slot. */
  add(away: Away): void {
    this.#aways.get(away.place.slot)?.frames.end();
    this.#aways.set(away.place.slot, away);
  }

  /** Takes one away; another of its slot stays. */
  remove(away: Away): void {
    if (this.#aways.get(away.place.slot) === away) this.#aways.delete(away.place.slot);
  }

  /** The machine runs here: the relays send their frames here from now on. */
  begin(): void {
    for (const { frames } of this.#aways.values()) frames.begin();
  }

  /** The machine has moved on, or does not come: the relays hear of its next place by that. */
  clear(): void {
    for (const { frames } of this.#aways.values()) frames.end();
    this.#aways.clear();
  }

  tick(nowMs: number): number | undefined {
    return this.#network.tick(nowMs);
  }

  flush(deliver: (frame: Uint8Array) => boolean): void {
    this.#network.flush(deliver);
    this.#tap?.flush(deliver);
    for (const { frames } of this.#aways.values()) frames.flush(deliver);
  }

  dueMs(nowMs: number): number | undefined {
    return this.#tap?.dueMs(nowMs);
  }

  receive(frame: Uint8Array): void {
    if (this.#tap !== undefined && !this.#network.isFor(frame)) {
      this.#tap.receive(frame);
      return;
    }
    const slot = this.#aways.size === 0 ? undefined : slotOf(frame);
    const away = slot === undefined || slot === this.#network.slot ? undefined : this.#aways.get(slot);
    if (away === undefined) this.#network.receive(frame);
    else away.frames.send(frame);
  }
}
