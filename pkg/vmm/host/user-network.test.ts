import { expect, test } from 'vitest';
import { ACK, addressNumber, FIN, readFrame, type Station, SYN, tcpFrame } from './frames.ts';
import { guestAddress, hostAddress, UserNetwork } from './user-network.ts';

const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
const guest: Station = { mac, address: addressNumber(guestAddress) };
const host: Station = { mac: Uint8Array.of(2, 0, 0, 0, 0, 2), address: addressNumber(hostAddress) };

/** A connection that is open, and a guest that says what it is told to. */
function opened() {
  const network = new UserNetwork(mac);
  const text: string[] = [];
  const connection = network.connect(80, {
    opened: () => undefined,
    data: (bytes) => {
      text.push(Buffer.from(bytes).toString());
      connection?.consumed(bytes.length);
    },
    ended: () => text.push('end'),
    drained: () => undefined,
    closed: () => undefined,
  });
  /** What the guest was sent since: what it acknowledges, and its bytes. */
  const taken = (): string[] => {
    const said: string[] = [];
    network.flush((bytes) => {
      const frame = readFrame(bytes);
      if (frame?.kind === 'tcp')
        said.push(`${frame.segment.acknowledged} ${Buffer.from(frame.segment.data).toString()}`.trim());
      return true;
    });
    return said;
  };
  const say = (sequence: number, data: string, flags = ACK): void =>
    network.receive(
      tcpFrame(guest, host, {
        ...{ sourcePort: 80, targetPort: 10_001, sequence, acknowledged: 2, flags, window: 1000 },
        data: Buffer.from(data),
      }),
    );
  network.tick(0);
  say(100, '', SYN | ACK);
  expect(taken()).toEqual(['0', '101']);
  return { network, connection, text, taken, say };
}

test('what is said next acknowledges what the guest has said', () => {
  const { connection, text, taken, say } = opened();
  say(101, 'one');
  expect([text, taken()]).toEqual([['one'], []]);
  connection?.write(Buffer.from('more'));
  expect(taken()).toEqual(['104 more']);
});

test('who has nothing to say acknowledges a segment after a while, and two at once', () => {
  const { network, taken, say } = opened();
  say(101, 'one');
  expect([network.tick(10), taken()]).toEqual([40, []]);
  expect([network.tick(40), taken()]).toEqual([undefined, ['104']]);
  say(104, 'two');
  say(107, 'three');
  expect([network.tick(41), taken()]).toEqual([undefined, ['112']]);
});

test('what comes out of order, again or last is acknowledged at once', () => {
  const { taken, say } = opened();
  say(105, 'late');
  expect(taken()).toEqual(['101']);
  say(101, 'one', ACK | FIN);
  expect(taken()).toEqual(['105']);
  say(101, 'one', ACK | FIN);
  expect(taken()).toEqual(['105']);
});

test('a frame whose checksum is wrong is none', () => {
  const whole = { sourcePort: 1, targetPort: 2, sequence: 3, acknowledged: 4, flags: ACK, window: 5 };
  for (const data of ['', 'a', 'ab', 'abc', 'x'.repeat(1459), 'x'.repeat(1460)]) {
    const frame = tcpFrame(guest, host, { ...whole, data: new Uint8Array(Buffer.from(data)) });
    expect(readFrame(frame)).toMatchObject({ kind: 'tcp', segment: { ...whole } });
    // At an odd place in its buffer as well.
    const shifted = new Uint8Array(frame.length + 1);
    shifted.set(frame, 1);
    expect(readFrame(shifted.subarray(1))).toEqual(readFrame(frame));
    for (const at of [20, 40, frame.length - 1]) {
      const broken = frame.slice();
      broken[at] = (broken[at] ?? 0) ^ 0x10;
      expect(readFrame(broken)).toBeUndefined();
    }
  }
});
