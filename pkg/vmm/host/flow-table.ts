/**
 * Which connections of a guest there are, and by which of several links each of them came: what the guest answers goes back by that. Pure; time is an argument. Invariants: a flow is of one link, that by which a frame of it
 * came last; of at most `flowsMax` those that were quiet longest are forgotten first. Counterpart: the kernel's connection tracking. Source: RFC 791, 9293 (3.1), 768.
 */
import {
  ETHERNET,
  FIN,
  headBytes,
  IPV4,
  isLaterFragment,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  RST,
  SYN,
  viewOf,
} from './frames.ts';

/** Flows at a time: more than a guest has memory for. */
const flowsMax = 4096;
/** A connection of TCP that says nothing for so long is taken for gone, and so is whatever else, and what has ended. */
const tcpQuietMs = 3_600_000;
const quietMs = 30_000;

interface Flow<Link> {
  link: Link;
  readonly isTcp: boolean;
  seenMs: number;
  /** Which of both sides has said that it sends no more. */
  ended: { peer: boolean; guest: boolean };
}

/** What of a frame says which flow it is of. */
interface Heads {
  readonly name: string;
  /** Of TCP; absent for what else there is. */
  readonly flags?: number;
}

/** Flows of one guest; a link is whatever names it. */
export class FlowTable<Link> {
  /** In the order in which they were seen last. */
  readonly #flows = new Map<string, Flow<Link>>();

  /** A frame for the guest has come by a link. */
  entered(frame: Uint8Array, { link, nowMs }: { readonly link: Link; readonly nowMs: number }): void {
    const heads = headsOf(frame, { peer: 'source' });
    if (heads !== undefined) this.#see(heads, { link, nowMs, side: 'peer' });
  }

  /** The guest begins something by a link. */
  began(frame: Uint8Array, { link, nowMs }: { readonly link: Link; readonly nowMs: number }): void {
    const heads = headsOf(frame, { peer: 'target' });
    if (heads !== undefined) this.#see(heads, { link, nowMs, side: 'guest' });
  }

  /** By which link a frame of the guest is to leave; `new` where it begins something, `unknown` where it goes on with what is not known here. */
  leaves(frame: Uint8Array, nowMs: number): { readonly link: Link } | 'new' | 'unknown' {
    const heads = headsOf(frame, { peer: 'target' });
    if (heads === undefined) return 'new';
    const known = this.#flows.get(heads.name);
    if (known === undefined) return heads.flags === undefined || (heads.flags & SYN) !== 0 ? 'new' : 'unknown';
    this.#see(heads, { link: known.link, nowMs, side: 'guest' });
    return { link: known.link };
  }

  /** How many flows of a link go on. */
  open(link: Link, nowMs: number): number {
    this.#forget(nowMs);
    let count = 0;
    for (const flow of this.#flows.values()) if (flow.link === link && !hasEnded(flow)) count++;
    return count;
  }

  #see(
    { name, flags }: Heads,
    { link, nowMs, side }: { readonly link: Link; readonly nowMs: number; readonly side: 'guest' | 'peer' },
  ): void {
    const known = this.#flows.get(name);
    this.#flows.delete(name);
    const begins = flags !== undefined && (flags & SYN) !== 0;
    const ended = known === undefined || begins ? { peer: false, guest: false } : known.ended;
    if (flags !== undefined && (flags & RST) !== 0) ended.peer = ended.guest = true;
    if (flags !== undefined && (flags & FIN) !== 0) ended[side] = true;
    this.#flows.set(name, { link, isTcp: flags !== undefined, seenMs: nowMs, ended });
    if (this.#flows.size > flowsMax) this.#forget(nowMs);
    for (const [oldest] of this.#flows) {
      if (this.#flows.size <= flowsMax) break;
      this.#flows.delete(oldest);
    }
  }

  #forget(nowMs: number): void {
    for (const [name, flow] of this.#flows) {
      const lastsMs = flow.isTcp && !hasEnded(flow) ? tcpQuietMs : quietMs;
      if (nowMs - flow.seenMs > lastsMs) this.#flows.delete(name);
    }
  }
}

function hasEnded({ ended }: Flow<unknown>): boolean {
  return ended.peer && ended.guest;
}

/** Undefined for what is not IPv4. What has no ports is one flow with each peer; later fragments are of that, as they have no head. */
function headsOf(frame: Uint8Array, { peer }: { readonly peer: 'source' | 'target' }): Heads | undefined {
  if (frame.length < ETHERNET + 20) return undefined;
  const view = viewOf(frame);
  if (view.getUint16(12) !== IPV4) return undefined;
  const protocol = frame[ETHERNET + 9] ?? 0;
  const other = view.getUint32(ETHERNET + (peer === 'source' ? 12 : 16));
  const start = ETHERNET + headBytes(frame);
  const isKnown = protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP;
  const hasPorts = isKnown && !isLaterFragment(view) && frame.length >= start + 14;
  if (!hasPorts) return { name: `${protocol} ${other}` };
  const ports = [view.getUint16(start), view.getUint16(start + 2)];
  if (peer === 'target') ports.reverse();
  const name = `${protocol} ${other} ${ports.join(' ')}`;
  return protocol === PROTOCOL_TCP ? { name, flags: frame[start + 13] ?? 0 } : { name };
}
