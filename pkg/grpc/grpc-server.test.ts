import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { GrpcError, grpcCodes } from './grpc-error.ts';
import { serveGrpc } from './grpc-server.ts';
import { Fields, framed } from './message.ts';

/** What is heard by the other end of a connection comes when it comes. */
const patience = { timeout: 60_000, interval: 5 };

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'grpc-'));
  const socketPath = join(folder, 'socket');
  // Whoever was there before has left it.
  await writeFile(socketPath, '');
  const seen: AbortSignal[] = [];
  const server = await serveGrpc(socketPath, {
    '/test.Service/Echo': async (request) => framed((message) => message.string(1, request.string(1))),
    '/test.Service/Refuse': async () => {
      throw new GrpcError('100 % sold, désolé\n', { code: grpcCodes.resourceExhausted, wasSent: true });
    },
    '/test.Service/Fail': async () => {
      throw new Error('broken');
    },
    '/test.Service/Wait': (_, signal) => {
      seen.push(signal);
      return new Promise(() => {});
    },
  });
  const connection = new GrpcConnection({ endpoint: 'http://localhost', socketPath, clock: new SystemClock() });
  onTestFinished(async () => {
    connection.close();
    await server.close();
    await rm(folder, { recursive: true });
  });
  const call = (method: string, text: string, signal?: AbortSignal) =>
    connection.call(
      { path: `/test.Service/${method}` },
      { message: framed((message) => message.string(1, text)), timeoutMs: 60_000, signal },
    );
  return { call, seen, server, socketPath };
}

test('a call gets its answer, however many there are at once', async () => {
  const { call } = await start();
  const texts = Array.from({ length: 50 }, (_, index) => `häuser ${index}`);
  const answers = await Promise.all(texts.map((text) => call('Echo', text)));
  expect(answers.map((answer) => new Fields(answer).string(1))).toEqual(texts);
});

test.each([
  ['Refuse', { code: grpcCodes.resourceExhausted, message: '100 % sold, désolé\n' }],
  ['Fail', { code: grpcCodes.unknown, message: 'broken' }],
  ['Nothing', { code: grpcCodes.unimplemented, message: 'unknown method /test.Service/Nothing' }],
  ['constructor', { code: grpcCodes.unimplemented }],
])('what goes wrong is said as it is: %s', async (method, error) => {
  await expect((await start()).call(method, '')).rejects.toMatchObject(error);
});

test('a message of more than 4 MiB is refused', async () => {
  const { call } = await start();
  await expect(call('Echo', 'x'.repeat(4 * 1024 * 1024))).rejects.toMatchObject({ code: grpcCodes.resourceExhausted });
  expect(new Fields(await call('Echo', 'x')).string(1)).toBe('x');
});

test('who gives a call up is heard, and who waits when the server closes is told', async () => {
  const { call, seen, server, socketPath } = await start();
  const controller = new AbortController();
  const given = call('Wait', '', controller.signal);
  const waiting = call('Wait', '');
  waiting.catch(() => {});
  await expect.poll(() => seen.length, patience).toBe(2);
  controller.abort();
  await expect(given).rejects.toMatchObject({ isLost: true });
  await expect.poll(() => seen[0]?.aborted, patience).toBe(true);
  expect(seen[1]?.aborted).toBe(false);
  await server.close();
  await expect(waiting).rejects.toMatchObject({ isLost: true });
  expect(existsSync(socketPath)).toBe(false);
});
