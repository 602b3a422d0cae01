import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connectTo, type PortConnection } from './port-forward.ts';

/** A connection to a program that says what it is told to. */
async function connected(say: (socket: Socket) => void): Promise<PortConnection> {
  const server = createServer(say).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const socket = await connectTo({ port, addresses: ['127.0.0.1'] });
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Takes what it gives, from now on. */
function listen(socket: PortConnection, take: (bytes: Uint8Array) => void): void {
  socket.on('data', (bytes) => {
    if (typeof bytes !== 'string') take(bytes);
  });
  socket.resume();
}

/** A megabyte in which no two places look alike. */
const long = Buffer.from(Uint32Array.from({ length: 256 * 1024 }, (_, i) => i).buffer);

test('what a program says at once waits until somebody listens, and its end comes after it', async () => {
  const socket = await connected((program) => program.end('greeting'));
  const pieces: Uint8Array[] = [];
  listen(socket, (bytes) => pieces.push(bytes));
  await once(socket, 'end');
  expect(Buffer.concat(pieces).toString()).toBe('greeting');
});

test('what a reader does not give back is not written over', async () => {
  const socket = await connected((program) => program.end(long));
  const pieces: Uint8Array[] = [];
  listen(socket, (bytes) => pieces.push(bytes));
  await once(socket, 'end');
  expect(Buffer.concat(pieces).equals(long)).toBe(true);
});

test('what a reader gives back is used for what comes next, and the bytes of now are not', async () => {
  const socket = await connected((program) => program.end(long));
  const copies: Buffer[] = [];
  const memories = new Set<ArrayBufferLike>();
  let last: { readonly bytes: Uint8Array; readonly copy: Buffer } | undefined;
  listen(socket, (bytes) => {
    memories.add(bytes.buffer);
    // Each lives until the next has come.
    if (last !== undefined) expect(last.copy.equals(last.bytes)).toBe(true);
    socket.reuse();
    last = { bytes, copy: Buffer.from(bytes) };
    copies.push(last.copy);
  });
  await once(socket, 'end');
  expect(Buffer.concat(copies).equals(long)).toBe(true);
  expect([copies.length > 4, memories.size]).toEqual([true, 2]);
});

test('one that is paused is read no further, and goes on from there', async () => {
  const socket = await connected((program) => program.end(long));
  const pieces: Uint8Array[] = [];
  listen(socket, (bytes) => {
    pieces.push(bytes);
    socket.pause();
    setImmediate(() => socket.resume());
  });
  await once(socket, 'end');
  expect(Buffer.concat(pieces).equals(long)).toBe(true);
});
