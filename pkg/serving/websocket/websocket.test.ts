import { Buffer } from 'node:buffer';
import { type Duplex, duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { WebSocket } from './websocket.ts';

const turns = async (count = 50): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A server's end and the bytes at the client's. */
function setUp() {
  const clock = new VirtualClock();
  const [near, client] = duplexPair();
  const socket = new WebSocket(near, { clock });
  client.on('error', () => {});
  near.on('error', () => {});
  let received = Buffer.alloc(0);
  const listen = (): void => {
    client.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
    });
  };
  return { clock, socket, near, client, listen, received: () => received.toString('latin1') };
}

/** Sends a frame that is masked with zeros. */
function send(client: Duplex, first: number, payload: string): void {
  client.write(
    Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload, 'latin1')]),
  );
}

test('messages go both ways, and a ping is answered with what it carries', async () => {
  const { socket, client, listen, received } = setUp();
  listen();
  send(client, 0x81, 'one');
  send(client, 0x89, 'hm');
  send(client, 0x82, 'two');
  const seen: string[] = [];
  for await (const { isText, bytes } of socket.messages()) {
    seen.push(`${isText} ${Buffer.from(bytes)}`);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual(['true one', 'false two']);
  socket.send(Buffer.from('three'), 'text');
  await turns();
  expect(received()).toBe('\x8a\x02hm\x81\x05three');
});

test('a client that closes is told so, and no more comes', async () => {
  const { socket, near, client, listen, received } = setUp();
  listen();
  send(client, 0x81, 'last');
  send(client, 0x88, '\x03\xe9');
  const seen: string[] = [];
  for await (const { bytes } of socket.messages()) seen.push(Buffer.from(bytes).toString());
  expect(seen).toEqual(['last']);
  expect((await socket.ended).code).toBe(1001);
  socket.send(Buffer.from('late'), 'text');
  const closing = socket.close();
  await turns();
  expect(received()).toBe('\x88\x02\x03\xe9');
  client.end();
  await closing;
  expect(near.destroyed).toBe(true);
});

test('the server closes with a code and a reason, and waits for the same only so long', async () => {
  const { clock, socket, near, client, listen, received } = setUp();
  listen();
  const closing = socket.close(1011, 'broken');
  await turns();
  expect(received()).toBe('\x88\x08\x03\xf3broken');
  expect(near.destroyed).toBe(false);
  await clock.advance(5_000);
  await closing;
  expect([near.destroyed, (await socket.ended).code]).toEqual([true, 1006]);
  client.destroy();
});

test('a client that breaks the protocol is told how', async () => {
  const { socket, client, listen, received } = setUp();
  listen();
  client.write(Buffer.from([0x81, 1, 97]));
  expect(await socket.ended).toEqual({ code: 1002, reason: 'frames of clients are masked' });
  await turns();
  expect(received()).toBe('\x88\x1e\x03\xeaframes of clients are masked');
});

test('a client that goes has ended', async () => {
  const { socket, client } = setUp();
  client.end();
  expect((await socket.ended).code).toBe(1006);
});

test('messages beyond those that may wait stay with the client, and come in order once they are read', async () => {
  const { socket, near, client } = setUp();
  const count = 5_000;
  for (let i = 0; i < count; i++) send(client, 0x82, `message ${i}`);
  await turns();
  expect(near.isPaused()).toBe(true);
  let next = 0;
  for await (const { bytes } of socket.messages()) {
    expect(Buffer.from(bytes).toString()).toBe(`message ${next++}`);
    if (next === count) break;
  }
});

test('a few large messages are enough to wait for', async () => {
  const { socket, near, client } = setUp();
  const large = 'x'.repeat(100);
  // 128 KiB in a frame of the long form.
  const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
  for (let i = 0; i < 3; i++) client.write(Buffer.concat([head, Buffer.alloc(128 * 1024, large)]));
  await turns();
  expect(near.isPaused()).toBe(true);
  let count = 0;
  for await (const { bytes } of socket.messages()) {
    expect(bytes.length).toBe(128 * 1024);
    if (++count === 3) break;
  }
  await turns();
  expect(near.isPaused()).toBe(false);
});

test('a client that pings without reading what it is answered holds no more than the last answer', async () => {
  const { near, client, listen, received } = setUp();
  for (let i = 0; i < 5_000; i++) send(client, 0x89, `${i}`.padStart(100, '.'));
  await turns(200);
  expect(near.writableLength).toBeLessThan(200_000);
  listen();
  await turns(200);
  expect(received()).toMatch(/\.4999$/);
});

test('who sends is told when the client should be waited for, and when it has taken what there was', async () => {
  const { socket, client, listen } = setUp();
  let sent = 0;
  while (socket.send(Buffer.alloc(10_000), 'binary')) sent++;
  expect(sent).toBeLessThan(100);
  let hasDrained = false;
  const drained = socket.drained().then(() => {
    hasDrained = true;
  });
  await turns();
  expect(hasDrained).toBe(false);
  listen();
  await drained;
  // Nobody waits for a client that is gone.
  while (socket.send(Buffer.alloc(10_000), 'binary'));
  client.pause();
  const waiting = socket.drained();
  client.end();
  await waiting;
});

test('a silent client is asked whether it is there, and given up when it does not answer', async () => {
  const { clock, socket, near, client, listen, received } = setUp();
  listen();
  await clock.advance(31_000);
  expect(received()).toBe('\x89\x00');
  send(client, 0x8a, '');
  await turns();
  await clock.advance(31_000);
  expect(near.destroyed).toBe(false);
  await clock.advance(60_000);
  expect([near.destroyed, (await socket.ended).reason]).toEqual([true, 'no answer']);
});
