/** Many large bodies at once: a few are with the server, the rest with their clients, and nobody takes all the room (fault 59). */
import { Buffer } from 'node:buffer';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import { openRaw, type RawClient, serveForTest } from './test-server.ts';

const bodyBytes = 100_000;

/** A server whose handlers read their bodies and then wait for `release`; `inside` says who is there. */
async function setUp(limits: Parameters<typeof serveForTest>[1]) {
  const inside: string[] = [];
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const handler: ApiHandler = async ({ peer, headers, body }) => {
    const user = headers['x-user']!;
    peer.identified?.(user);
    const reply = (status: number, text: string) =>
      ({ status, headers: {}, body: { kind: 'bytes', bytes: Buffer.from(text) } }) as const;
    if (body?.kind !== 'unread') return reply(200, 'none');
    try {
      const { length } = await body.read({ limitBytes: 1_000_000 });
      inside.push(user);
      await released;
      return reply(200, `read ${length}.`);
    } catch (error) {
      return reply((error as StatusError).status.code, (error as StatusError).message);
    }
  };
  const server = await serveForTest(handler, limits);
  onTestFinished(() => server.close());
  const send = async (user: string, framing = `content-length: ${bodyBytes}`): Promise<RawClient> => {
    const client = await openRaw(server.port);
    onTestFinished(() => void client.socket.destroy());
    client.send(`POST / HTTP/1.1\r\nhost: x\r\nx-user: ${user}\r\n${framing}\r\n\r\n`);
    if (framing.startsWith('content')) client.send(Buffer.alloc(bodyBytes));
    return client;
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };
  return { inside, release, send, until };
}

const limits = { bodiesBytesMax: 3 * bodyBytes, shareBytesMax: 2 * bodyBytes, waitingMax: 12 };

test('one client has no more than its share at once, others go on, and all come to their turn', async () => {
  const { inside, release, send, until } = await setUp({ limits });
  const mine = await Promise.all(Array.from({ length: 8 }, () => send('ann')));
  await until(() => inside.length === 2);
  const theirs = await send('bob');
  await until(() => inside.includes('bob'));
  expect(inside.toSorted()).toEqual(['ann', 'ann', 'bob']);
  // A small body needs no room.
  const small = await send('ann', 'content-length: 2');
  small.send('{}');
  await until(() => inside.length === 4);
  release();
  const answers = await Promise.all([...mine, theirs].map((client) => client.until(/read 100000\.$/)));
  expect(answers).toHaveLength(9);
});

test('small bodies beyond the room for those are treated as large ones are', async () => {
  const own = { ...limits, smallBodyBytes: 2 * bodyBytes, smallBodiesBytesMax: 2 * bodyBytes };
  const { inside, release, send, until } = await setUp({ limits: own });
  const mine = await Promise.all(Array.from({ length: 8 }, () => send('ann')));
  await until(() => inside.length === 4);
  const theirs = await send('bob');
  await until(() => inside.includes('bob'));
  expect(inside.toSorted()).toEqual(['ann', 'ann', 'ann', 'ann', 'bob']);
  release();
  await Promise.all([...mine, theirs].map((client) => client.until(/read 100000\.$/)));
});

test('more than may wait are told to come back', async () => {
  const { inside, release, send, until } = await setUp({ limits: { ...limits, waitingMax: 1 } });
  const first = await Promise.all([send('ann'), send('ann')]);
  await until(() => inside.length === 2);
  const waiting = await send('ann');
  const refused = await send('ann');
  expect(await refused.until(/later\.$/)).toMatch(/^HTTP\/1\.1 429 /);
  // Others have nothing to do with it while there is room.
  await send('bob');
  await until(() => inside.includes('bob'));
  release();
  for (const client of [...first, waiting]) await client.until(/read 100000\.$/);
});

test('the rest of a body in chunks stays with its client until there is room for it', async () => {
  const { inside, release, send, until } = await setUp({ limits });
  await Promise.all([send('ann'), send('ann')]);
  await until(() => inside.length === 2);
  const chunked = await Promise.all([1, 2].map(() => send('bob', 'transfer-encoding: chunked')));
  for (const client of chunked) {
    client.send(`${(bodyBytes * 2).toString(16)}\r\n`);
    client.send(Buffer.alloc(bodyBytes * 2));
    client.send('\r\n0\r\n\r\n');
  }
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(inside).toEqual(['ann', 'ann']);
  release();
  for (const client of chunked) await client.until(/read 200000\.$/);
});

test('a client that goes while it waits gives up its place', async () => {
  const { inside, release, send, until } = await setUp({ limits: { ...limits, waitingMax: 1 } });
  await Promise.all([send('ann'), send('ann')]);
  await until(() => inside.length === 2);
  const leaving = await send('ann');
  const refused = await send('ann');
  await refused.until(/later\.$/);
  leaving.socket.destroy();
  release();
  const later = await send('ann');
  await later.until(/read 100000\.$/);
});
