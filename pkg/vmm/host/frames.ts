/** Ethernet frames of ARP and TCP over IPv4, read and made; pure. Counterpart: libslirp. Source: RFC 826, 791, 9293 (3.1), 1071. */

/** Flag of TCP: no more comes. */
export const FIN = 1;
/** Flag of TCP: it begins. */
export const SYN = 2;
/** Flag of TCP: it is broken off. */
export const RST = 4;
/** Flag of TCP: what came so far is for the program. */
export const PSH = 8;
/** Flag of TCP: it acknowledges. */
export const ACK = 16;

/** Bytes of the head of a frame, of a packet without options, and of a segment without options. */
export const ETHERNET = 14;
const IP = 20;
const TCP = 20;
/** What a frame says that it carries. */
export const IPV4 = 0x0800;
/** What a frame says that it carries. */
export const ARP = 0x0806;
/** What a packet says that it carries. */
export const PROTOCOL_TCP = 6;
/** What a packet says that it carries. */
export const PROTOCOL_UDP = 17;

/** One end of a wire: six bytes, and the address as a number. */
export interface Station {
  readonly mac: Uint8Array;
  readonly address: number;
}

/** A segment of TCP. Numbers are unsigned, of 32 bits; the data of one that was read are its frame's. */
export interface Segment {
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
  readonly window: number;
  readonly data: Uint8Array;
}

/** What a frame is, as far as a small network cares. */
export type Frame =
  | { readonly kind: 'arp'; readonly asks: boolean; readonly sender: Station; readonly target: number }
  | { readonly kind: 'tcp'; readonly sender: Station; readonly target: number; readonly segment: Segment };

/** The numbers of a frame. */
export function viewOf(frame: Uint8Array): DataView {
  return new DataView(frame.buffer, frame.byteOffset, frame.length);
}

/** Bytes of the head of the packet in a frame of IPv4, with its options. */
export function headBytes(frame: Uint8Array): number {
  return ((frame[ETHERNET] ?? 0) & 15) * 4;
}

/** Whether the packet in a frame of IPv4 is a later fragment, which has no head of what it carries. */
export function isLaterFragment(view: DataView): boolean {
  return (view.getUint16(ETHERNET + 6) & 0x1fff) !== 0;
}

/** Reads a frame; undefined for all else, and for what is cut off or damaged. */
export function readFrame(frame: Uint8Array): Frame | undefined {
  if (frame.length < 42) return undefined;
  const view = viewOf(frame);
  const mac = frame.slice(6, 12);
  if (view.getUint16(12) === ARP) {
    const sender = { mac: frame.slice(22, 28), address: view.getUint32(28) };
    return { kind: 'arp', asks: view.getUint16(20) === 1, sender, target: view.getUint32(38) };
  }
  const total = view.getUint16(16);
  const isPlain = view.getUint16(12) === IPV4 && frame[14] === 0x45 && (view.getUint16(20) & 0x3fff) === 0;
  if (!isPlain || frame[23] !== PROTOCOL_TCP || total < IP + TCP || total > frame.length - ETHERNET) return undefined;
  const sender = { mac, address: view.getUint32(26) };
  const target = view.getUint32(30);
  const start = ETHERNET + IP;
  const header = ((frame[start + 12] ?? 0) >> 4) * 4;
  const length = total - IP;
  if (header < TCP || header > length) return undefined;
  if (sum(frame, ETHERNET, IP, 0) !== 0 || sum(frame, start, length, pseudo(sender.address, target, length)) !== 0)
    return undefined;
  const segment = {
    sourcePort: view.getUint16(start),
    targetPort: view.getUint16(start + 2),
    sequence: view.getUint32(start + 4),
    acknowledged: view.getUint32(start + 8),
    flags: frame[start + 13] ?? 0,
    window: view.getUint16(start + 14),
    data: frame.subarray(start + header, start + length),
  };
  return { kind: 'tcp', sender, target, segment };
}

/** The address that a frame is for, or asks for; undefined for what is neither IPv4 nor ARP. */
export function receiverOf(frame: Uint8Array): number | undefined {
  if (frame.length < ETHERNET + IP) return undefined;
  const view = viewOf(frame);
  if (view.getUint16(12) === IPV4) return view.getUint32(30);
  return view.getUint16(12) === ARP && frame.length >= 42 ? view.getUint32(38) : undefined;
}

/** The port that a frame of TCP is for, whole or not, in a packet without options; undefined for others. */
export function targetPortOf(frame: Uint8Array): number | undefined {
  const isPlain = frame.length >= ETHERNET + IP + TCP && frame[ETHERNET] === 0x45;
  return isPlain && frame[23] === PROTOCOL_TCP ? viewOf(frame).getUint16(ETHERNET + IP + 2) : undefined;
}

/** An address of four numbers as the number that it is. */
export function addressNumber(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

/** An answer to who asked for an address. */
export function arpAnswer(from: Station, to: Station): Uint8Array {
  return arpFrame(from, to, 2);
}

/** A question of all who hear it for an address. */
export function arpQuestion(from: Station, address: number): Uint8Array {
  const frame = arpFrame(from, { mac: new Uint8Array(6), address }, 1);
  frame.fill(0xff, 0, 6);
  return frame;
}

function arpFrame(from: Station, to: Station, operation: number): Uint8Array {
  const frame = new Uint8Array(42);
  const view = viewOf(frame);
  frame.set(to.mac, 0);
  frame.set(from.mac, 6);
  view.setUint16(12, ARP);
  frame.set([0, 1, 8, 0, 6, 4, 0, operation], 14);
  frame.set(from.mac, 22);
  view.setUint32(28, from.address);
  frame.set(to.mac, 32);
  view.setUint32(38, to.address);
  return frame;
}

/** A segment in its frame; with SYN it says the largest segment that is taken. */
export function tcpFrame(from: Station, to: Station, segment: Segment): Uint8Array {
  const options = (segment.flags & SYN) === 0 ? [] : [2, 4, 5, 0xb4];
  const length = TCP + options.length + segment.data.length;
  const start = ETHERNET + IP;
  const frame = new Uint8Array(start + length);
  const view = viewOf(frame);
  frame.set(to.mac, 0);
  frame.set(from.mac, 6);
  view.setUint16(12, IPV4);
  frame[14] = 0x45;
  view.setUint16(16, IP + length);
  view.setUint16(20, 0x4000);
  frame[22] = 64;
  frame[23] = 6;
  view.setUint32(26, from.address);
  view.setUint32(30, to.address);
  view.setUint16(24, sum(frame, ETHERNET, IP, 0));
  view.setUint16(start, segment.sourcePort);
  view.setUint16(start + 2, segment.targetPort);
  view.setUint32(start + 4, segment.sequence);
  view.setUint32(start + 8, segment.acknowledged);
  frame[start + 12] = ((TCP + options.length) / 4) << 4;
  frame[start + 13] = segment.flags;
  view.setUint16(start + 14, segment.window);
  frame.set(options, start + TCP);
  frame.set(segment.data, start + TCP + options.length);
  view.setUint16(start + 16, sum(frame, start, length, pseudo(from.address, to.address, length)));
  return frame;
}

/** What the checksum of a segment covers besides it. */
function pseudo(from: number, to: number, length: number): number {
  return (from >>> 16) + (from & 0xffff) + (to >>> 16) + (to & 0xffff) + 6 + length;
}

/** The checksum over bytes from an even offset; 0 over bytes that have theirs in them. */
function sum(bytes: Uint8Array, start: number, length: number, initial: number): number {
  // The sum is the same in either order of bytes, but for that order: words as this machine has them are added fastest.
  const from = bytes.byteOffset + start;
  let swapped = 0;
  if ((from & 1) === 0) {
    const words = new Uint16Array(bytes.buffer, from, length >> 1);
    for (let at = 0; at < words.length; at++) swapped += words[at] ?? 0;
  } else
    for (let at = start; at + 1 < start + length; at += 2) swapped += (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  if ((length & 1) === 1) swapped += bytes[start + length - 1] ?? 0;
  const folded = fold(swapped);
  return ~fold(initial + ((folded & 0xff) << 8) + (folded >> 8)) & 0xffff;
}

/** A sum with what is carried out of its 16 bits added to them. */
function fold(sum: number): number {
  let total = sum;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}
