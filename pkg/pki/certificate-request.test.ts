import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { issueAuthority } from './certificate.ts';
import { parseCertificateRequest } from './certificate-request.ts';
import { makeRequest } from './make-request.ts';
import { signRequest } from './sign-request.ts';

const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 10, 28);
const authority = issueAuthority({ subject: { commonName: 'ca' }, nowMs, validDays: 30 });

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-csr-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

test('who asks for what is read from a request (fault 26)', () => {
  const { pem } = makeRequest({
    subject: { commonName: 'system:node:a', organizations: ['system:nodes', 'ünicode'] },
    dnsNames: ['a.example.com'],
    addresses: ['10.0.0.1'],
  });
  expect(parseCertificateRequest(pem)).toMatchObject({
    commonName: 'system:node:a',
    organizations: ['system:nodes', 'ünicode'],
    dnsNames: ['a.example.com'],
    addresses: ['0a000001'],
    emails: [],
    uris: [],
    isSigned: true,
  });
});

test.skipIf(!hasOpenssl).each([
  ['rsa:2048', []],
  ['ec', ['-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['ed25519', []],
] as const)('requests of openssl with a key of %s are read and signed (fault 26)', (kind, options) => {
  const key = join(folder, 'key.pem');
  const extensions = ['-addext', 'subjectAltName=DNS:x.example.com,IP:::1,email:a@b.c,URI:spiffe://x/y'];
  const pem = execFileSync(
    'openssl',
    ['req', '-new', '-newkey', kind, ...options, '-nodes', '-keyout', key, '-subj', '/O=dev/CN=jane', ...extensions],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  ).toString();
  const request = parseCertificateRequest(pem);
  expect(request).toMatchObject({
    commonName: 'jane',
    organizations: ['dev'],
    dnsNames: ['x.example.com'],
    addresses: ['00000000000000000000000000000001'],
    emails: ['a@b.c'],
    uris: ['spiffe://x/y'],
    isSigned: true,
  });
  const usages = ['client auth', 'digital signature', 'key encipherment'];
  const certificate = signRequest(authority, request, { nowMs, ttlMs: dayMs, usages });
  writeFileSync(join(folder, 'ca.pem'), authority.certificate);
  writeFileSync(join(folder, 'cert.pem'), certificate);
  const at = String(nowMs / 1000);
  expect(
    execFileSync('openssl', [
      'verify',
      '-attime',
      at,
      '-purpose',
      'sslclient',
      '-CAfile',
      join(folder, 'ca.pem'),
      join(folder, 'cert.pem'),
    ]).toString(),
  ).toContain('OK');
  const text = execFileSync('openssl', ['x509', '-noout', '-text', '-in', join(folder, 'cert.pem')]).toString();
  expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature, Key Encipherment\n/);
  expect(text).toMatch(/X509v3 Extended Key Usage: ?\s+TLS Web Client Authentication\n/);
  expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE/);
});

test('a certificate lives as long as is allowed, and no longer than its authority (fault 26)', () => {
  const request = parseCertificateRequest(makeRequest({ subject: { commonName: 'jane' } }).pem);
  const timesOf = (ttlMs: number) => {
    const { validFrom, validTo } = new X509Certificate(
      signRequest(authority, request, { nowMs, ttlMs, usages: ['client auth'] }),
    );
    return [validFrom, validTo].map((text) => (Date.parse(text) - nowMs) / 1000);
  };
  expect(timesOf(3_600_000)).toEqual([-300, 3_600]);
  expect(timesOf(dayMs)).toEqual([-300, 86_400 - 300]);
  expect(timesOf(365 * dayMs)).toEqual([-300, (30 * dayMs) / 1000]);
  expect(() => signRequest(authority, request, { nowMs: nowMs + 31 * dayMs, ttlMs: dayMs, usages: [] })).toThrow(
    'refusing to sign a certificate as the signer has expired',
  );
});

test('a request that somebody else has signed is not answered (fault 26)', () => {
  const { pem } = makeRequest({ subject: { commonName: 'jane' }, signsWithOtherKey: true });
  const request = parseCertificateRequest(pem);
  expect(request.isSigned).toBe(false);
  expect(() => signRequest(authority, request, { nowMs, ttlMs: dayMs, usages: [] })).toThrow(
    'unable to verify certificate request signature',
  );
});

test('whatever bytes a request is made of, it is read or refused (fault 26)', () => {
  const { pem } = makeRequest({ subject: { commonName: 'jane' }, dnsNames: ['a.b'] });
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ''), 'base64');
  const asPem = (bytes: Buffer): string =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  for (let at = 0; at < der.length; at++) {
    for (const bytes of [der.subarray(0, at), Buffer.from(der).fill(der[at]! ^ 0xff, at, at + 1)]) {
      try {
        parseCertificateRequest(asPem(bytes));
      } catch (error) {
        expect((error as Error).name).toBe('CertificateRequestError');
      }
    }
  }
  expect(() => parseCertificateRequest('nonsense')).toThrow('PEM block type must be CERTIFICATE REQUEST');
});
