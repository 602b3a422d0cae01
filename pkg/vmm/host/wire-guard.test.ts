import { expect, test } from 'vitest';
import { addressNumber, arpAnswer, readFrame, type Station, SYN, tcpFrame } from './frames.ts';
import { WireGuard } from './wire-guard.ts';

const station = (last: number, address: string): Station => ({
  mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, last),
  address: addressNumber(address),
});
const own = station(1, '10.65.0.7');
const copied = station(9, '10.65.0.3');
const other = station(2, '10.65.0.1');
const segment = {
  sourcePort: 4000,
  targetPort: 80,
  sequence: 1,
  acknowledged: 0,
  flags: SYN,
  window: 100,
  data: Uint8Array.of(1, 2, 3),
};
const plain = new WireGuard({ inner: own, outer: own, closedPorts: [1] });
const copy = new WireGuard({ inner: copied, outer: own, closedPorts: [1] });

/** A datagram with its checksum, or with the 0 that says that there is none. */
function datagram(from: Station, to: Station, hasSum: boolean): Uint8Array {
  const frame = tcpFrame(from, to, { ...segment, flags: 0, data: new Uint8Array(0) }).slice(0, 14 + 20 + 8);
  const view = new DataView(frame.buffer);
  frame[23] = 17;
  view.setUint16(16, 28);
  view.setUint16(34 + 4, 8);
  view.setUint16(34 + 6, 0);
  if (hasSum) view.setUint16(34 + 6, sumOf(frame, from, to));
  return frame;
}

/** Of UDP over its pseudo header and itself. */
function sumOf(frame: Uint8Array, from: Station, to: Station): number {
  const view = new DataView(frame.buffer);
  let sum = (from.address >>> 16) + (from.address & 0xffff) + (to.address >>> 16) + (to.address & 0xffff) + 17 + 8;
  for (let at = 34; at < 42; at += 2) sum += at === 40 ? 0 : view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

test('what a guest says as itself leaves as it is', () => {
  for (const frame of [tcpFrame(own, other, segment), arpAnswer(own, other), datagram(own, other, true)]) {
    const before = frame.slice();
    expect(plain.leaves(frame)).toBe(true);
    expect(frame).toEqual(before);
  }
});

test.each([
  ['another address', tcpFrame({ ...own, address: other.address }, other, segment)],
  ['another hardware address', tcpFrame({ ...own, mac: other.mac }, other, segment)],
  ['an answer that an address of others is its own', arpAnswer({ ...own, address: other.address }, other)],
  ['IPv6', Uint8Array.from(tcpFrame(own, other, segment), (byte, at) => (at === 12 ? 0x86 : at === 13 ? 0xdd : byte))],
  ['a piece of a frame', tcpFrame(own, other, segment).subarray(0, 20)],
  ['nothing', new Uint8Array(0)],
])('%s does not leave', (_, frame) => {
  expect(plain.leaves(frame)).toBe(false);
});

test('what is for the guest enters, but to ports that are its host’s; what is for others does not', () => {
  expect(plain.enters(tcpFrame(other, own, segment))).toBe(true);
  expect(plain.enters(arpAnswer(other, own))).toBe(true);
  expect(plain.enters(tcpFrame(other, own, { ...segment, targetPort: 1 }))).toBe(false);
  expect(plain.enters(tcpFrame(other, copied, segment))).toBe(false);
  expect(plain.enters(new Uint8Array(10))).toBe(false);
  // The head of a segment is in the first fragment alone.
  const later = tcpFrame(other, own, { ...segment, targetPort: 1 });
  later[21] = 1;
  expect(plain.enters(later)).toBe(true);
});

test('a guest that began as a copy of another is known by its own addresses, with checksums that are right', () => {
  const leaving = tcpFrame(copied, other, segment);
  expect(copy.leaves(leaving)).toBe(true);
  expect(leaving).toEqual(tcpFrame(own, other, segment));
  const entering = tcpFrame(other, own, segment);
  expect(copy.enters(entering)).toBe(true);
  expect(entering).toEqual(tcpFrame(other, copied, segment));
  expect(readFrame(entering)).toMatchObject({ kind: 'tcp', target: copied.address });
  for (const hasSum of [true, false]) {
    const sent = datagram(copied, other, hasSum);
    expect(copy.leaves(sent)).toBe(true);
    expect(sent).toEqual(datagram(own, other, hasSum));
  }
  const answer = arpAnswer(copied, other);
  expect(copy.leaves(answer)).toBe(true);
  expect(answer).toEqual(arpAnswer(own, other));
  const asked = arpAnswer(other, own);
  expect(copy.enters(asked)).toBe(true);
  expect(asked).toEqual(arpAnswer(other, copied));
  // It is not the other that it was copied of.
  expect(copy.enters(tcpFrame(other, copied, segment))).toBe(false);
  expect(copy.leaves(tcpFrame(own, other, segment))).toBe(false);
});
