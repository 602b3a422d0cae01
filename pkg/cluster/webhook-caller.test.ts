/** Calls of webhooks over real connections on the loopback: whom they trust, how much they read, when they end. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import { createWebhookCaller, type WebhookCaller } from './webhook-caller.ts';

const issued = { nowMs: 0, validDays: 365 * 100 };
const authority = issueAuthority({ ...issued, subject: { commonName: 'ca' } });
const leaf = issueLeaf(authority, {
  ...issued,
  subject: { commonName: 'hook' },
  usage: 'server',
  hosts: ['hook.default.svc', '127.0.0.1'],
});

let server: Server | undefined;
let caller: WebhookCaller;

beforeEach(() => {
  caller = createWebhookCaller();
});

afterEach(() => {
  caller.close();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** Serves until the test ends; resolves with its port. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  more: ServerOptions = {},
): Promise<number> {
  const made = createServer({ key: leaf.key, cert: leaf.certificate, ...more }, answer);
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  const address = made.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const call = (port: number, more: object = {}) =>
  caller.call({
    url: 'https://hook.default.svc:443/judge?timeout=10s',
    address: { host: '127.0.0.1', port },
    caBundle: authority.certificate,
    body: '{"a":1}',
    signal: new AbortController().signal,
    ...more,
  });

test('a service is asked under its name, and only trusted with the authority of the webhook', async () => {
  const port = await serve((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () =>
      response.end(JSON.stringify({ body, url: request.url, type: request.headers['content-type'] })),
    );
  });
  const { status, text } = await call(port);
  expect(status).toBe(200);
  expect(JSON.parse(text)).toEqual({ body: '{"a":1}', url: '/judge?timeout=10s', type: 'application/json' });
  await expect(call(port, { caBundle: undefined })).rejects.toThrow();
  await expect(call(port, { url: 'https://other.default.svc:443/' })).rejects.toThrow(/altnames|certificate/);
});

test('a webhook is trusted by its own certificate too, which another has signed, and by no other of that one', async () => {
  const port = await serve((_, response) => response.end('yes'));
  expect(await call(port, { caBundle: leaf.certificate })).toEqual({ status: 200, text: 'yes' });
  const sister = issueLeaf(authority, { ...issued, subject: { commonName: 'sister' }, usage: 'server', hosts: [] });
  await expect(call(port, { caBundle: sister.certificate })).rejects.toThrow(/verify|issuer/);
});

test('a webhook by URL is asked where the URL says', async () => {
  const port = await serve((_, response) => response.end('yes'));
  const answer = await call(port, { url: `https://127.0.0.1:${port}/x`, address: undefined });
  expect(answer).toEqual({ status: 200, text: 'yes' });
});

test('a document is read with what the client shows and says of itself', async () => {
  const client = issueLeaf(authority, { ...issued, subject: { commonName: 'api' }, usage: 'client' });
  const port = await serve(
    (request, response) =>
      response.end(
        JSON.stringify({
          method: request.method,
          token: request.headers.authorization,
          type: request.headers['content-type'],
        }),
      ),
    { requestCert: true, rejectUnauthorized: true, ca: authority.certificate },
  );
  const asked = { method: 'GET', body: '', headers: { authorization: 'Bearer t' } };
  const { text } = await call(port, { ...asked, credentials: { certificate: client.certificate, key: client.key } });
  expect(JSON.parse(text)).toEqual({ method: 'GET', token: 'Bearer t' });
  await expect(call(port, asked)).rejects.toThrow();
});

test('an answer without end is cut off', async () => {
  const port = await serve((_, response) => {
    const chunk = Buffer.alloc(256 * 1024);
    const write = (): void => {
      while (!response.destroyed && response.write(chunk));
      if (!response.destroyed) response.once('drain', write);
    };
    response.on('error', () => {});
    write();
  });
  await expect(call(port)).rejects.toThrow('the answer is longer than 6291456 bytes');
});

test('a call ends with its signal, and where nobody listens', async () => {
  const asked = new AbortController();
  const port = await serve(() => asked.abort());
  await expect(call(port, { signal: asked.signal })).rejects.toThrow();
  server?.closeAllConnections();
  server?.close();
  await expect(call(port)).rejects.toThrow(/ECONNREFUSED/);
});

test('connections are kept for the next call, and one that the server has closed costs nobody an answer', async () => {
  const ports = new Set<number | undefined>();
  const port = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    request.resume();
    response.end('yes');
  });
  for (let i = 0; i < 3; i++) expect((await call(port)).text).toBe('yes');
  expect(ports.size).toBe(1);
  // Whoever has other authorities is on a connection of its own.
  const other = { caBundle: `${authority.certificate}\n${authority.certificate}` };
  expect((await call(port, other)).text).toBe('yes');
  expect(ports.size).toBe(2);
  server?.closeAllConnections();
  expect(await Promise.all([call(port), call(port, other)])).toMatchObject([{ text: 'yes' }, { text: 'yes' }]);
});

test('however many connections were kept that are gone when they are used again, the call is made on a new one', async () => {
  const count = 10;
  const held: ServerResponse[] = [];
  const seen = new Set<unknown>();
  let isHolding = true;
  const port = await serve((request, response) => {
    request.resume();
    // Gone before the server has got what comes by it.
    if (seen.has(request.socket)) return void request.socket.destroy();
    seen.add(request.socket);
    if (!isHolding) return void response.end('yes');
    if (held.push(response) < count) return;
    isHolding = false;
    for (const one of held) one.end('yes');
  });
  await Promise.all(Array.from({ length: count }, () => call(port)));
  expect((await call(port)).text).toBe('yes');
  expect(seen.size).toBe(count + 1);
});
