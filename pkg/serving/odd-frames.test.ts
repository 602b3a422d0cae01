/** Frames of SPDY and WebSockets as no library sends them: each connection ends, and nothing is thrown that nobody meets. */
import { Buffer } from 'node:buffer';
import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { SpdyConnection } from './spdy/connection.ts';
import { encodeControl, encodeData, encodeNumbers } from './spdy/frames.ts';
import { HeaderWriter } from './spdy/header-block.ts';
import type { SpdyStream } from './spdy/stream.ts';
import { WebSocket } from './websocket/websocket.ts';

const connections = 600;

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

function pick<T>(random: Random, list: readonly [T, ...T[]]): T {
  return list[randomInt(random, list.length)] ?? list[0];
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => randomInt(random, 256)));
}

/** Bytes in pieces of any length. */
function pieces(random: Random, bytes: Buffer): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + randomInt(random, pick(random, [3, 50, 20_000]));
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

function spdyFrame(random: Random, writer: HeaderWriter): Buffer {
  const stream = pick(random, [1, 1, 3, 5, 2, 0, 0x7fffffff]);
  const head = Buffer.alloc(10);
  head.writeUInt32BE(stream);
  switch (randomInt(random, 9)) {
    case 0:
      return noise(random, randomInt(random, 40));
    case 1:
    case 2:
    case 3: {
      const block = writer.write({ streamtype: pick(random, ['stdin', 'error', '', '\u00ff']), ['__proto__']: 'x' });
      return encodeControl({ type: 1, flags: randomInt(random, 4), payload: Buffer.concat([head, block]) });
    }
    case 4:
      return Buffer.concat(encodeData(stream, Buffer.alloc(randomInt(random, 70_000)), randomInt(random, 3) === 0));
    case 5:
      return encodeNumbers(pick(random, [3, 6, 7, 9]), stream, randomInt(random, 20));
    case 6:
      return encodeControl({ type: randomInt(random, 12), flags: randomInt(random, 256), payload: noise(random, 12) });
    case 7:
      return encodeControl({ type: 4, flags: 0, payload: noise(random, randomInt(random, 30)) });
    default:
      return encodeNumbers(9, stream, pick(random, [0, 1, 0x7fffffff]));
  }
}

/** Reads what comes, or does not, as programs do. */
function useStream(random: Random, stream: SpdyStream): void {
  if (randomInt(random, 4) === 0) return;
  stream.accept();
  if (randomInt(random, 2) === 0) void readAll(stream);
}

async function readAll(stream: SpdyStream): Promise<void> {
  try {
    for await (const chunk of stream.input) await stream.write(chunk);
  } catch {
    // The stream was reset.
  }
}

test('odd frames of SPDY end their connection at most', async () => {
  const random = new SeededRandom(31);
  for (let i = 0; i < connections; i++) {
    const [near, far] = duplexPair();
    near.on('error', () => {});
    near.resume();
    const server = new SpdyConnection(far, {
      clock: new VirtualClock(),
      role: 'server',
      onStream: (stream) => useStream(random, stream),
    });
    const writer = new HeaderWriter();
    const frames = Array.from({ length: 1 + randomInt(random, 10) }, () => spdyFrame(random, writer));
    for (const piece of pieces(random, Buffer.concat(frames))) near.write(piece);
    await turns(3);
    near.destroy();
    await server.ended;
  }
});

function webSocketFrame(random: Random): Buffer {
  const payload = noise(random, pick(random, [0, 1, 2, 125, 126, 200]));
  const opcode = pick(random, [1, 1, 1, 2, 2, 0, 8, 9, 10, 3]);
  const first = (randomInt(random, 8) > 0 ? 0x80 : 0) | (randomInt(random, 12) === 0 ? 0x40 : 0) | opcode;
  const mask = randomInt(random, 12) === 0 ? 0 : 0x80;
  const size =
    randomInt(random, 12) === 0
      ? Buffer.from([mask | 127, ...noise(random, 8)])
      : payload.length < 126
        ? Buffer.from([mask | payload.length])
        : Buffer.from([mask | 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([Buffer.from([first]), size, noise(random, 4), payload]);
}

test('odd frames of WebSockets end their connection at most', async () => {
  const random = new SeededRandom(32);
  let messages = 0;
  for (let i = 0; i < connections; i++) {
    const [near, client] = duplexPair();
    client.on('error', () => {});
    near.on('error', () => {});
    client.resume();
    const socket = new WebSocket(near, { clock: new VirtualClock() });
    const read = (async () => {
      for await (const _ of socket.messages()) messages++;
    })();
    const frames = Array.from({ length: 1 + randomInt(random, 8) }, () => webSocketFrame(random));
    for (const piece of pieces(random, Buffer.concat(frames))) client.write(piece);
    await turns(3);
    client.destroy();
    await read;
  }
  expect(messages).toBeGreaterThan(0);
});
