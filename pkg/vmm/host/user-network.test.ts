/** The host's end of connections to a guest: what a guest's frames are answered with. */
import { expect, test } from 'vitest';
import { ACK, addressNumber, type Frame, readFrame, type Station, SYN, tcpFrame } from './frames.ts';
import { guestAddress, hostAddress, UserNetwork } from './user-network.ts';

const guest: Station = { mac: Uint8Array.of(2, 0, 0, 0, 0, 9), address: addressNumber(guestAddress) };
const host: Station = { mac: Uint8Array.of(2, 0, 0, 0, 0, 2), address: addressNumber(hostAddress) };

type Tcp = Extract<Frame, { readonly kind: 'tcp' }>['segment'];

/** An open connection to port 80; `say` has the guest send bytes, `heard` takes what has come for it. */
function connected() {
  const network = new UserNetwork(guest.mac);
  const data: string[] = [];
  const events = { opened: () => undefined, ended: () => undefined, drained: () => undefined, closed: () => undefined };
  const connection = network.connect(80, { ...events, data: (bytes) => data.push(Buffer.from(bytes).toString()) });
  const heard = (): readonly Tcp[] => {
    const segments: Tcp[] = [];
    network.flush((bytes) => {
      const frame = readFrame(bytes);
      if (frame?.kind === 'tcp') segments.push(frame.segment);
      return true;
    });
    return segments;
  };
  let sequence = 1000;
  const port = heard()[0]?.sourcePort ?? 0;
  const send = (flags: number, text: string): void => {
    const ends = { sourcePort: 80, targetPort: port, acknowledged: 2, window: 65_535 };
    network.receive(tcpFrame(guest, host, { ...ends, sequence, flags, data: new Uint8Array(Buffer.from(text)) }));
    sequence += text.length + ((flags & SYN) === 0 ? 0 : 1);
  };
  send(SYN | ACK, '');
  heard();
  return { connection, data, heard, say: (text: string) => send(ACK, text) };
}

test('what comes before the guest is given anything is acknowledged once', () => {
  const { data, heard, say } = connected();
  for (const text of ['one', 'two', 'three']) say(text);
  expect(data).toEqual(['one', 'two', 'three']);
  expect(heard().map(({ acknowledged, flags }) => ({ acknowledged, flags }))).toEqual([
    { acknowledged: 1001 + 11, flags: ACK },
  ]);
  expect(heard()).toEqual([]);
});

test('what is sent to the guest acknowledges what came', () => {
  const { connection, heard, say } = connected();
  say('question');
  connection?.write(new Uint8Array(Buffer.from('answer')));
  expect(heard().map(({ acknowledged, data }) => ({ acknowledged, length: data.length }))).toEqual([
    { acknowledged: 1001 + 8, length: 6 },
  ]);
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
