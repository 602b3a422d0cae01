/**
 * The neighbourhood of a guest that is not where its addresses are: it has moved, or what is relayed for it comes by a link that it has left. Its questions for neighbours are answered here, all by the gateway of the link, to
 * which all that it sends goes; and who asks for it on the link is answered in its place. Pure; frames are changed in place. Counterpart: proxy ARP, and the announcement of a machine that has moved. Source: RFC 826, 1027.
 */
import { arpAnswer, arpQuestion, readFrame, type Station } from './frames.ts';

/** What is to be done with a frame: it goes on, it ends here, or it is answered by another, to where it came from. */
export type Handling = 'answered' | 'goes' | 'lost' | { readonly answer: Uint8Array };

/** One guest's. */
export class GatewayLink {
  readonly #own: Station;
  readonly #gateway: number;
  #mac: Uint8Array | undefined;

  /** `own`: who the guest is on the link. */
  constructor(own: Station, gateway: number) {
    this.#own = own;
    this.#gateway = gateway;
  }

  /** Asks for the gateway, by which all who hear it learn where the guest is. */
  ask(): Uint8Array {
    return arpQuestion(this.#own, this.#gateway);
  }

  /** A frame of the link, whoever sees to it. */
  heard(frame: Uint8Array): void {
    if (!isArp(frame)) return;
    const heard = readFrame(frame);
    if (heard?.kind === 'arp' && heard.sender.address === this.#gateway) this.#mac = heard.sender.mac;
  }

  /** A frame of the link for the guest. */
  enters(frame: Uint8Array): Handling {
    if (!isArp(frame)) return 'goes';
    const asked = readFrame(frame);
    if (asked?.kind !== 'arp' || !asked.asks || asked.target !== this.#own.address) return 'answered';
    return { answer: arpAnswer(this.#own, asked.sender) };
  }

  /** A frame of the guest, as it wrote it, for the link; `lost`: the gateway is not known yet. */
  leaves(frame: Uint8Array): Handling {
    if (this.#mac === undefined) return 'lost';
    if (!isArp(frame)) {
      frame.set(this.#mac, 0);
      return 'goes';
    }
    const asked = readFrame(frame);
    // What it says of itself is said here.
    if (asked?.kind !== 'arp' || !asked.asks || asked.target === asked.sender.address) return 'answered';
    return { answer: arpAnswer({ mac: this.#mac, address: asked.target }, asked.sender) };
  }
}

function isArp(frame: Uint8Array): boolean {
  return frame[12] === 8 && frame[13] === 6;
}
