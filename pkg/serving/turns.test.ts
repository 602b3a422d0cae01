/** Requests in a row have their turns, whoever reads them. */
import { Buffer } from 'node:buffer';
import { expect, onTestFinished, test } from 'vitest';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { openRaw, serveForTest } from './test-server.ts';

async function open(handler: ApiHandler) {
  const server = await serveForTest(handler);
  onTestFinished(() => server.close());
  const client = await openRaw(server.port, { isKnown: true });
  onTestFinished(() => void client.socket.destroy());
  return client;
}

const answer = (text: string) =>
  ({ status: 200, headers: {}, body: { kind: 'bytes', bytes: Buffer.from(text) } }) as const;

/** What Node reads, and what is read directly. */
const kinds = [['te: trailers\r\n'], ['']] as const;

test.each(kinds)('bodies of requests in a row are read one after the other (%j)', async (line) => {
  const under: string[] = [];
  const client = await open(async ({ path, body }) => {
    under.push(`+${path}`);
    const bytes = body?.kind === 'unread' ? await body.read({ limitBytes: 300_000 }) : Buffer.alloc(0);
    under.push(`-${path}`);
    return answer(`${path} ${bytes.length};`);
  });
  const put = (path: string) => `PUT ${path} HTTP/1.1\r\nhost: a\r\n${line}content-length: 200000\r\n\r\n`;
  const body = Buffer.alloc(200_000, 'x');
  client.send(
    Buffer.concat([Buffer.from(put('/1')), body, Buffer.from(put('/2')), body, Buffer.from(put('/3')), body]),
  );
  await client.until(/\/1 200000;[\s\S]*\/2 200000;[\s\S]*\/3 200000;/);
  expect(under).toEqual(['+/1', '-/1', '+/2', '-/2', '+/3', '-/3']);
});

test.each(kinds)('requests behind one that takes long wait for it, however many (%j)', async (line) => {
  const gate = Promise.withResolvers<void>();
  const asked: string[] = [];
  const client = await open(async ({ path }) => {
    asked.push(path);
    if (path === '/0') await gate.promise;
    return answer(`${path};`);
  });
  const count = 1_000;
  for (let i = 0; i < count; i++) client.send(`GET /${i} HTTP/1.1\r\nhost: a\r\n${line}\r\n`);
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toEqual(['/0']);
  gate.resolve();
  await client.until(/\/999;/);
  expect(client.received.match(/\/\d+;/g)).toEqual(Array.from({ length: count }, (_, i) => `/${i};`));
});
