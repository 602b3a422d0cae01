/**
 * The other end of a machine's wire, without a network behind it: it answers ARP for one address and opens TCP connections to the guest's ports, for whoever relays
 * them. Invariants: bytes come whole and in order on both sides; the guest is given no more than its window allows, and its bytes are taken no faster than
 * the relay has room for. The wire loses nothing, but the guest may drop what it has no buffer for: what it has not acknowledged for a while is sent again.
 * Pure: time is an argument. Does not take connections from the guest, nor UDP. Counterpart: libslirp's host forwarding.
 */
import {
  ACK,
  addressNumber,
  arpAnswer,
  FIN,
  RST,
  readFrame,
  receiverOf,
  type Station,
  SYN,
  targetPortOf,
  tcpFrame,
} from './frames.ts';
import { add, Connection, type ConnectionEvents, type GuestConnection } from './user-connection.ts';

/** Where a machine of a user network is. */
export const guestAddress = '10.0.2.15';
/** Where its host is, to the guest. */
export const hostAddress = '10.0.2.2';
/** Where its host is to a machine that has an address among others: one that no network routes. Source: RFC 3927. */
export const linkLocalHost = '169.254.255.2';
const hostMac = Uint8Array.of(2, 0, 0, 0, 0, 2);

/**
 * Ports of this end, one after the other: those that are in use are passed over. They are dealt out in slots: networks that have the same guest one after the other
 * have one each, so that of a segment of the guest it is known whose connection it is of.
 */
const firstPort = 10_000;
const slotPorts = 1024;
/** How many slots there are. */
export const slots = 53;
/** Connections at a time, for a guest has memory for some hundreds. More are refused. */
const connectionsMax = 1000;

/** Where both ends are, where that is not the addresses here. */
export interface UserAddresses {
  readonly guest: string;
  readonly host: string;
}

/** A user network of one machine. */
export class UserNetwork {
  #mac: Uint8Array;
  #guest: number;
  #guestAddress: string;
  readonly #host: Station;
  #slot = 0;
  readonly #connections = new Map<number, Connection>();
  #frames: Uint8Array[] = [];
  #port = 0;
  #nowMs = 0;

  /** `mac`: that of the guest, as whoever made the machine knows it. */
  constructor(mac: Uint8Array, addresses: UserAddresses = { guest: guestAddress, host: hostAddress }) {
    this.#mac = mac;
    this.#guest = addressNumber(addresses.guest);
    this.#guestAddress = addresses.guest;
    this.#host = { mac: hostMac, address: addressNumber(addresses.host) };
  }

  /** Whether a frame of the guest is for this end, where there are others on its wire: for its address, or a question for that. */
  isFor(frame: Uint8Array): boolean {
    return receiverOf(frame) === this.#host.address;
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Something waits for the guest. */
  get hasFrames(): boolean {
    return this.#frames.length > 0;
  }

  get slot(): number {
    return this.#slot;
  }

  /** What the guest knows as its address. */
  get guestAddress(): string {
    return this.#guestAddress;
  }

  /** The slot of the connection that a frame of the guest is of, damaged or not; undefined for other frames. */
  slotOf(bytes: Uint8Array): number | undefined {
    const port = targetPortOf(bytes);
    if (port === undefined || !this.isFor(bytes)) return undefined;
    const slot = Math.floor((port - firstPort) / slotPorts);
    return slot >= 0 && slot < slots ? slot : undefined;
  }

  /** Is from now on that of a guest of other addresses, in another slot. Throws where there are connections. */
  become({ mac, address, slot }: { readonly mac: Uint8Array; readonly address: string; readonly slot: number }): void {
    if (this.#connections.size > 0) throw new Error('Cannot change the ports of a network as it has connections');
    this.#mac = mac;
    this.#guest = addressNumber(address);
    this.#guestAddress = address;
    this.#slot = slot;
    this.#frames = [];
  }

  /** Opens a connection; `closed` comes for one that is refused. Undefined: there are too many. */
  connect(port: number, events: ConnectionEvents): GuestConnection | undefined {
    if (this.#connections.size >= connectionsMax) return undefined;
    do this.#port = (this.#port + 1) % slotPorts;
    while (this.#connections.has(this.#ownPort));
    const own = this.#ownPort;
    const connection = new Connection({
      events,
      nowMs: () => this.#nowMs,
      send: (segment) => {
        const target = { mac: this.#mac, address: this.#guest };
        this.#frames.push(tcpFrame(this.#host, target, { ...segment, sourcePort: own, targetPort: port }));
      },
      forget: () => this.#connections.delete(own),
    });
    this.#connections.set(own, connection);
    connection.open();
    return connection;
  }

  get #ownPort(): number {
    return firstPort + this.#slot * slotPorts + this.#port;
  }

  /** Takes a frame of the guest. */
  receive(bytes: Uint8Array): void {
    const frame = readFrame(bytes);
    if (frame?.kind === 'arp' && frame.asks && frame.target === this.#host.address) {
      this.#frames.push(arpAnswer(this.#host, frame.sender));
    }
    if (frame?.kind !== 'tcp' || frame.target !== this.#host.address) return;
    const { segment } = frame;
    const connection = this.#connections.get(segment.targetPort);
    if (connection !== undefined) connection.receive(segment);
    else if ((segment.flags & RST) === 0) {
      const isAcknowledging = (segment.flags & ACK) !== 0;
      const refusal = {
        sourcePort: segment.targetPort,
        targetPort: segment.sourcePort,
        sequence: isAcknowledging ? segment.acknowledged : 0,
        acknowledged: add(segment.sequence, segment.data.length + ((segment.flags & (SYN | FIN)) === 0 ? 0 : 1)),
        flags: RST | ACK,
        window: 0,
        data: new Uint8Array(0),
      };
      this.#frames.push(tcpFrame(this.#host, frame.sender, refusal));
    }
  }

  /** Frames that were given, and taken back since: they go first. */
  giveAgain(frames: readonly Uint8Array[]): void {
    this.#frames = [...frames, ...this.#frames];
  }

  /** Gives the guest what waits for it, until `deliver` says that it has no buffer for more; true when all has gone. */
  flush(deliver: (frame: Uint8Array) => boolean): boolean {
    let sent = 0;
    while (sent < this.#frames.length && deliver(this.#frames[sent] ?? new Uint8Array(0))) sent++;
    this.#frames = sent === this.#frames.length ? [] : this.#frames.slice(sent);
    return this.#frames.length === 0;
  }

  /** Says what time it is; ms from any start. Returns when it wants to be called again, undefined for never. */
  tick(nowMs: number): number | undefined {
    this.#nowMs = nowMs;
    let next: number | undefined;
    for (const connection of [...this.#connections.values()]) {
      const due = connection.tick(nowMs);
      if (due !== undefined && (next === undefined || due < next)) next = due;
    }
    return next;
  }
}
