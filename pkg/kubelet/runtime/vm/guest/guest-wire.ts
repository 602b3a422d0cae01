/**
 * The other end of a machine's wire at the place where it is: its own network, and those of the relays that it has left behind. A frame of the machine goes to the
 * network whose connection it is of; each of them gives the machine its own. Where the machine has a tap, what is not for its host goes there, or where the connection came from: what goes on that is not known here
 * is told to all relays, each of which knows its own.
 */

import { FlowTable } from '#pkg/vmm/host/flow-table.ts';
import { addressNumber } from '#pkg/vmm/host/frames.ts';
import type { UserNetwork } from '#pkg/vmm/host/user-network.ts';
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
  /** What came by the tap, and by which relay what else came. */
  readonly #flows = new FlowTable<'tap' | number>();
  #nowMs = 0;

  /** `tap`: where others than the host are; absent: the host is alone. */
  constructor(network: UserNetwork, tap?: TapEnd) {
    this.#network = network;
    this.#tap = tap;
  }

  /** The relays, for the next place. */
  get relays(): readonly RelayPlace[] {
    return [...this.#aways.values()].map(({ place }) => place);
  }

  /** Connections that are of this place. */
  connections(nowMs: number): number {
    return this.#network.connections + (this.#tap === undefined ? 0 : this.#flows.open('tap', nowMs));
  }

  /** A guest that was elsewhere is to come. Throws where there are connections of another. */
  become(guest: Parameters<UserNetwork['become']>[0]): void {
    this.#network.become(guest);
    this.#tap?.become({ mac: guest.mac, address: addressNumber(guest.address) });
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
    this.#tap?.arrived();
    for (const { frames } of this.#aways.values()) frames.begin();
  }

  /** The machine has moved on, or does not come: the relays hear of its next place by that. */
  clear(): void {
    this.#tap?.left();
    for (const { frames } of this.#aways.values()) frames.end();
    this.#aways.clear();
  }

  tick(nowMs: number): number | undefined {
    this.#nowMs = nowMs;
    return this.#network.tick(nowMs);
  }

  flush(deliver: (frame: Uint8Array) => boolean): void {
    this.flushOwn(deliver);
    for (const [slot, { frames }] of this.#aways) frames.flush((frame) => this.#entered(deliver(frame), frame, slot));
  }

  /** What is for the machine here, without what relays have for it. */
  flushOwn(deliver: (frame: Uint8Array) => boolean): void {
    this.#network.flush(deliver);
    this.#tap?.flush((frame) => this.#entered(deliver(frame), frame, 'tap'));
  }

  dueMs(nowMs: number): number | undefined {
    return this.#tap?.dueMs(nowMs);
  }

  receive(frame: Uint8Array): void {
    if (this.#tap !== undefined && !this.#network.isFor(frame)) {
      this.#leaves(frame, this.#tap);
      return;
    }
    const slot = this.#aways.size === 0 ? undefined : this.#network.slotOf(frame);
    const away = slot === undefined || slot === this.#network.slot ? undefined : this.#aways.get(slot);
    if (away === undefined) this.#network.receive(frame);
    else away.frames.send(frame);
  }

  /** A frame of the machine, which is elsewhere: it goes on only where it is of what is relayed here. */
  relayed(frame: Uint8Array): void {
    if (this.#tap === undefined || this.#network.isFor(frame)) this.#network.receive(frame);
    else if (this.#isOfTap(frame)) this.#tap.receive(frame);
  }

  #isOfTap(frame: Uint8Array): boolean {
    const leaving = this.#flows.leaves(frame, this.#nowMs);
    return typeof leaving === 'object' && leaving.link === 'tap';
  }

  #entered(isTaken: boolean, frame: Uint8Array, link: 'tap' | number): boolean {
    if (isTaken && this.#tap !== undefined) this.#flows.entered(frame, { link, nowMs: this.#nowMs });
    return isTaken;
  }

  #leaves(frame: Uint8Array, tap: TapEnd): void {
    const leaving = this.#flows.leaves(frame, this.#nowMs);
    const link = typeof leaving === 'object' ? leaving.link : undefined;
    if (leaving === 'new') this.#flows.began(frame, { link: 'tap', nowMs: this.#nowMs });
    if (leaving === 'new' || link === 'tap' || this.#aways.size === 0) tap.receive(frame);
    else if (link !== undefined) this.#aways.get(link)?.frames.send(frame);
    else for (const { frames } of this.#aways.values()) frames.send(frame);
  }
}
