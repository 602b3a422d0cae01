/** Calls of extenders over real connections on the loopback: whom they trust, and as whom they come. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { ExtenderTls } from '#pkg/scheduler/config/configuration.ts';
import { callExtender } from './extender-caller.ts';

const issued = { nowMs: 0, validDays: 365 * 100 };
const authority = issueAuthority({ ...issued, subject: { commonName: 'ca' } });
const leaf = issueLeaf(authority, {
  ...issued,
  subject: { commonName: 'extender' },
  usage: 'server',
  hosts: ['extender.example'],
});
const own = issueLeaf(authority, { ...issued, subject: { commonName: 'scheduler' }, usage: 'client' });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Serves until the test ends, whoever shows a certificate of the authority; says what it was sent. Resolves with a way to call it. */
async function serve(): Promise<(tls: ExtenderTls) => Promise<string>> {
  const options = { key: leaf.key, cert: leaf.certificate, ca: authority.certificate, requestCert: true };
  const server = createServer(options, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => response.end(`${request.method} ${request.url} ${Buffer.concat(parts)}`));
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { signal } = new AbortController();
  return async (tls) => {
    const { text } = await callExtender({ url: `https://127.0.0.1:${port}/filter`, body: '{"a":1}', tls, signal });
    return text;
  };
}

const known = { serverName: 'extender.example', caData: base64(authority.certificate) };
const shown = { certData: base64(own.certificate), keyData: base64(own.key) };

test('it is known by an authority under its name, and the scheduler by a certificate of its own', async () => {
  const call = await serve();
  expect(await call({ ...known, ...shown })).toBe('POST /filter {"a":1}');
  await expect(call({ ...known, ...shown, serverName: 'other.example' })).rejects.toThrow(/altnames/);
  await expect(call({ serverName: known.serverName, ...shown })).rejects.toThrow(/certificate/);
  await expect(call(known)).rejects.toThrow();
});

test('one that is believed to be itself is asked whatever its certificate says', async () => {
  const call = await serve();
  expect(await call({ insecure: true, ...shown })).toBe('POST /filter {"a":1}');
});

test('certificates are read of files, and one that is not there fails the call', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-extender-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const tls = {
    serverName: known.serverName,
    caFile: file('ca.crt', authority.certificate),
    certFile: file('own.crt', own.certificate),
    keyFile: file('own.key', own.key),
  };
  const call = await serve();
  expect(await call(tls)).toBe('POST /filter {"a":1}');
  await expect(call({ ...tls, keyFile: join(folder, 'none') })).rejects.toThrow(/ENOENT/);
});
