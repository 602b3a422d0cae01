/** Messages that no library writes: whatever is asked, and whatever others answer, the server goes on, and passes on what it cannot write itself as it came. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Answerer } from './answerer.ts';
import { serveDns } from './dns-server.ts';
import { Forwarder } from './forwarder.ts';
import { isPlainName, questionPart, ttlOffsets } from './wire.ts';
import { ClusterZone } from './zone.ts';
import { ZoneLookup } from './zone-lookup.ts';

const clock = new SystemClock();
const domain = 'cluster.local';
const zone = ['cluster', 'local'];

function newAnswerer(forwarder?: Forwarder): Answerer {
  const options = { lookup: new ZoneLookup(new ClusterZone(), domain), random: new SeededRandom(1), domain };
  return new Answerer(forwarder === undefined ? options : { ...options, forwarder });
}

/** A name as it is written: labels with their lengths. */
function named(labels: readonly string[]): Buffer {
  return Buffer.from(`${labels.map((label) => `${String.fromCharCode(label.length)}${label}`).join('')}\0`, 'latin1');
}

function asking(labels: readonly string[], type = 1): Buffer {
  return Buffer.concat([
    Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    named(labels),
    Buffer.from([0, type, 0, 1]),
  ]);
}

const nonAscii = '\xff'.repeat(63);

test.each([
  ['a dot that is a label', ['a', '.', ...zone]],
  ['a dot in a label', ['web.ns', 'svc', ...zone]],
  ['dots alone', ['.'.repeat(63), ...zone]],
  ['bytes that are no text', [nonAscii, nonAscii, nonAscii, ...zone]],
  ['a new line before a dot', ['a', '\n', ...zone]],
])('a name with %s is not there, and is answered as it was asked (fault 52)', async (_, labels) => {
  const asked = asking(labels);
  const bytes = await newAnswerer().answer(asked, 'udp');
  expect(bytes?.readUInt16BE(2).toString(16)).toBe('8183');
  expect(bytes?.subarray(12).equals(asked.subarray(12))).toBe(true);
});

test('an odd name of elsewhere is refused as it was asked where there is nobody to ask', async () => {
  const asked = asking(['a', '.', '..', 'org']);
  const bytes = await newAnswerer().answer(asked, 'udp');
  expect(bytes?.readUInt16BE(2).toString(16)).toBe('8185');
  expect(bytes?.subarray(12).equals(asked.subarray(12))).toBe(true);
});

test('a name that is a pointer, or longer than names are, makes no sense', async () => {
  const head = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  const pointing = Buffer.from([...head, 0xc0, 0x04, 0, 1, 0, 1]);
  const long = asking(Array.from({ length: 5 }, () => 'x'.repeat(63)));
  for (const one of [pointing, long, Buffer.concat([asking(zone), Buffer.alloc(5_000)])])
    expect((await newAnswerer().answer(one, 'tcp'))?.readUInt16BE(2).toString(16)).toBe('8101');
});

test('ten thousand odd messages are answered, or are no questions (faults 52, 65)', async () => {
  const random = new SeededRandom(3);
  const answerer = newAnswerer();
  const counts: Record<string, number> = {};
  for (let i = 0; i < 10_000; i++) {
    const message = oddMessage(random);
    const bytes = await answerer.answer(message, randomInt(random, 2) === 0 ? 'udp' : 'tcp');
    const code = bytes === undefined ? 'none' : String(bytes.readUInt8(3) & 0xf);
    counts[code] = (counts[code] ?? 0) + 1;
    if (bytes !== undefined) expect(bytes.readUInt16BE(0)).toBe(message.readUInt16BE(0));
  }
  // No question, malformed, not there, not implemented, refused: each of them came up.
  expect(Object.keys(counts).sort()).toEqual(['0', '1', '3', '4', '5', 'none']);
});

function oddMessage(random: SeededRandom): Buffer {
  const labels = Array.from({ length: randomInt(random, 4) }, () => oddLabel(random));
  const asked = asking([...labels, ...(randomInt(random, 2) === 0 ? zone : [])], randomInt(random, 256));
  const kind = randomInt(random, 4);
  if (kind === 0) asked[randomInt(random, asked.length)] = randomInt(random, 256);
  if (kind === 1) return asked.subarray(0, randomInt(random, asked.length + 1));
  return asked;
}

function oddLabel(random: SeededRandom): string {
  const letters = '.\0\n\xff\xc0-_aA*é'.split('');
  return Array.from({ length: 1 + randomInt(random, 12) }, () => letters[randomInt(random, letters.length)]).join('');
}

test('what others answer is passed on as it came, and with less time to live from memory', async () => {
  const pointer = [0xc0, 12];
  const service = named(['Brother HL.1234', '_ipp', '_tcp', 'local']);
  const record = [...pointer, 0, 12, 0, 1, 0, 0, 0, 20, 0, service.length, ...service];
  const upstream = createSocket('udp4').bind(0, '127.0.0.1');
  onTestFinished(() => void upstream.close());
  await once(upstream, 'listening');
  let questions = 0;
  upstream.on('message', (message, from) => {
    questions++;
    const reply = Buffer.concat([message, Buffer.from(record)]);
    reply.writeUInt16BE(0x8180, 2);
    reply.writeUInt16BE(1, 6);
    upstream.send(reply, from.port, from.address);
  });
  const { port } = upstream.address();
  const servers = [{ address: '127.0.0.1', port }];
  const virtual = new VirtualClock();
  const forwarder = new Forwarder({ servers, clock: virtual, random: new SeededRandom(2) });
  onTestFinished(() => forwarder.close());
  const answerer = newAnswerer(forwarder);
  const asked = asking(['_ipp', '_tcp', 'local'], 12);
  const first = await answerer.answer(asked, 'udp');
  expect(first?.readUInt16BE(0)).toBe(7);
  expect([...(first?.subarray(asked.length) ?? [])]).toEqual(record);
  await virtual.advance(5_000);
  const second = await answerer.answer(asked, 'udp');
  expect(questions).toBe(1);
  expect([...(second?.subarray(asked.length) ?? [])]).toEqual(record.with(9, 15));
});

test('a server to which nothing leads is one that does not answer', async () => {
  // The system refuses to connect to the address of everybody.
  const servers = [{ address: '255.255.255.255', port: 53 }];
  const forwarder = new Forwarder({ servers, clock: new VirtualClock(), random: new SeededRandom(2) });
  onTestFinished(() => forwarder.close());
  const asked = asking(['far', 'example'], 1);
  const answer = await newAnswerer(forwarder).answer(asked, 'udp');
  expect((answer?.readUInt16BE(2) ?? 0) & 0xf).toBe(2);
});

test('an answer whose lengths do not fit is none', async () => {
  const upstream = createSocket('udp4').bind(0, '127.0.0.1');
  onTestFinished(() => void upstream.close());
  await once(upstream, 'listening');
  // An address of four bytes that says it has two thousand.
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 20, 8, 0, 1, 2, 3, 4];
  const clockOfTimeouts = new VirtualClock();
  upstream.on('message', (message, from) => {
    const reply = Buffer.concat([message, Buffer.from(record)]);
    reply.writeUInt16BE(0x8180, 2);
    reply.writeUInt16BE(1, 6);
    upstream.send(reply, from.port, from.address, () => void clockOfTimeouts.advance(10_000));
  });
  const servers = [{ address: '127.0.0.1', port: upstream.address().port }];
  const forwarder = new Forwarder({ servers, clock: clockOfTimeouts, random: new SeededRandom(2) });
  onTestFinished(() => forwarder.close());
  const bytes = await newAnswerer(forwarder).answer(asking(['a', 'org']), 'udp');
  expect(bytes?.readUInt16BE(2).toString(16)).toBe('8182');
});

test('of a client that asks much, no more is taken while answers are awaited', async () => {
  const asked = asking(['web', 'example', 'org']);
  const piece = Buffer.concat([Buffer.from([0, asked.length]), asked]);
  const asks: ((answer: Buffer) => void)[] = [];
  const answerer = { answer: () => new Promise<Buffer>((resolve) => void asks.push(resolve)) };
  const server = await serveDns({ answerer, address: '127.0.0.1', port: 0, clock });
  onTestFinished(() => server.close());
  const client = connect(server.port, server.address);
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  let received = 0;
  client.on('data', (bytes: Buffer) => {
    received += bytes.length;
  });
  const count = 100_000;
  client.write(Buffer.concat(Array.from({ length: count }, () => piece)));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  while (asks.length === 0) await turn();
  for (let i = 0; i < 200; i++) await turn();
  // What came in one piece is taken whole.
  expect(asks.length).toBeLessThanOrEqual(64 + 65_536 / piece.length);
  let answered = 0;
  while (answered < count) {
    for (; answered < asks.length; answered++) asks[answered]?.(Buffer.alloc(10));
    await turn();
  }
  while (received < 12 * count) await turn();
});

test('the parts of a message are found by its bytes', () => {
  const asked = asking(['a', 'b']);
  expect(questionPart(asked)).toEqual({ end: asked.length, isPlain: true });
  expect(questionPart(asked.subarray(0, -1))).toBeUndefined();
  expect(questionPart(asking(['é'.normalize('NFC')]))?.isPlain).toBe(false);
  expect(['a.b', 'a..b', '', 'a b', 'x'.repeat(64)].map(isPlainName)).toEqual([true, false, false, false, false]);
  expect(ttlOffsets(asked)).toEqual([]);
});
