/**
 * What may pass between a guest and a network that others are on, and as whose. Pure; frames are changed in place. Invariants: nothing leaves but ARP and IPv4 of the guest's own
 * addresses, whatever it writes into its frames; ports that are its host's alone are reached by nobody else. A guest that knows itself by other addresses than the network does, as one that
 * began as a copy of another, is known to the network by the network's: checksums go with that. Source: RFC 826, 791, 1624; RFC 9293 (3.1), 768. Counterpart: a bridge's filter of a virtual machine's port.
 */
import {
  ARP,
  ETHERNET,
  headBytes,
  IPV4,
  isLaterFragment,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  type Station,
  viewOf,
} from './frames.ts';

/** Who the guest is. */
export interface GuardedGuest {
  /** To itself. */
  readonly inner: Station;
  /** To the network. */
  readonly outer: Station;
  /** Ports of TCP that the network does not reach. */
  readonly closedPorts: readonly number[];
}

/** One guest's. */
export class WireGuard {
  readonly #guest: GuardedGuest;
  readonly #isOther: boolean;

  constructor(guest: GuardedGuest) {
    this.#guest = guest;
    const { inner, outer } = guest;
    this.#isOther = inner.address !== outer.address || inner.mac.some((byte, at) => byte !== outer.mac[at]);
  }

  /** Makes a frame of the guest one for the network; false where it may not leave. */
  leaves(frame: Uint8Array): boolean {
    const { inner, outer } = this.#guest;
    const at = senderAt(frame);
    if (at === undefined || !equal(frame, 6, inner.mac)) return false;
    const view = viewOf(frame);
    const isArp = view.getUint16(12) === ARP;
    if (isArp && !equal(frame, 22, inner.mac)) return false;
    const address = view.getUint32(at);
    // Who asks whether an address is free does not say that it is theirs.
    const isQuestion = isArp && address === 0;
    if (address !== inner.address && !isQuestion) return false;
    if (!this.#isOther) return true;
    frame.set(outer.mac, 6);
    if (isArp) frame.set(outer.mac, 22);
    if (!isQuestion) readdress(frame, at, outer.address);
    return true;
  }

  /** Makes a frame of the network one for the guest; false where it is not for it. */
  enters(frame: Uint8Array): boolean {
    const { inner, outer, closedPorts } = this.#guest;
    const at = receiverAt(frame);
    const isBroadcast = ((frame[0] ?? 0) & 1) === 1;
    if (at === undefined || !(isBroadcast || equal(frame, 0, outer.mac))) return false;
    const view = viewOf(frame);
    const port = portOf(frame, view);
    if (port !== undefined && closedPorts.includes(port)) return false;
    if (!this.#isOther) return true;
    if (!isBroadcast) frame.set(inner.mac, 0);
    if (view.getUint32(at) === outer.address) {
      if (view.getUint16(12) === ARP && equal(frame, 32, outer.mac)) frame.set(inner.mac, 32);
      readdress(frame, at, inner.address);
    }
    return true;
  }
}

/** Where an address of the sender is in a frame; undefined for what is neither ARP nor IPv4. */
function senderAt(frame: Uint8Array): number | undefined {
  if (frame.length < ETHERNET + 20) return undefined;
  const kind = viewOf(frame).getUint16(12);
  if (kind === IPV4) return ETHERNET + 12;
  return kind === ARP && frame.length >= 42 ? 28 : undefined;
}

function receiverAt(frame: Uint8Array): number | undefined {
  const at = senderAt(frame);
  return at === undefined ? undefined : at === 28 ? 38 : at + 4;
}

/** The port that the beginning of a segment is for. */
function portOf(frame: Uint8Array, view: DataView): number | undefined {
  if (view.getUint16(12) !== IPV4 || frame[ETHERNET + 9] !== PROTOCOL_TCP || isLaterFragment(view)) return undefined;
  const at = ETHERNET + headBytes(frame) + 2;
  return at + 2 <= frame.length ? view.getUint16(at) : undefined;
}

/** Writes another address, and what that makes of the checksums that are over it. */
function readdress(frame: Uint8Array, at: number, address: number): void {
  const view = viewOf(frame);
  const before = view.getUint32(at);
  view.setUint32(at, address);
  if (view.getUint16(12) !== IPV4) return;
  adjust(view, ETHERNET + 10, before, address);
  if (isLaterFragment(view)) return;
  const start = ETHERNET + headBytes(frame);
  const protocol = frame[ETHERNET + 9];
  if (protocol === PROTOCOL_TCP && start + 18 <= frame.length) adjust(view, start + 16, before, address);
  // Zero says that there is none.
  if (protocol === PROTOCOL_UDP && start + 8 <= frame.length && view.getUint16(start + 6) !== 0)
    adjust(view, start + 6, before, address);
}

/** Source: RFC 1624, equation 3. */
function adjust(view: DataView, at: number, before: number, after: number): void {
  let sum = ~view.getUint16(at) & 0xffff;
  sum += (~(before >>> 16) & 0xffff) + (~before & 0xffff) + (after >>> 16) + (after & 0xffff);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(at, ~sum & 0xffff);
}

function equal(frame: Uint8Array, at: number, mac: Uint8Array): boolean {
  return mac.every((byte, index) => frame[at + index] === byte);
}
