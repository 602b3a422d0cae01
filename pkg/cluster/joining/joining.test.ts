/** What joining is made of, against the real API in memory; machines that join are in `tests/containers/`. */
import { expect, test } from 'vitest';
import { configMaps } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import type { NetworkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { detachedSignature } from '#pkg/controllers/bootstrapsigner/bootstrapsigner.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import { authorityHash, checkSignature } from './discovery.ts';
import { ensureJoinObjects, readJoinSettings } from './join-objects.ts';
import { createJoinToken, deleteJoinToken, joinTokenOf, listJoinTokens, parseJoinToken } from './join-token.ts';
import { RotatingTransport } from './rotating-transport.ts';

const settings = { name: 'dev', podCidr: '10.128.0.0/16', serviceCidr: '10.96.0.0/18', nodeAddress: '10.64.0.1' };
const newClient = () => {
  const transport = inProcessTransport(new FakeApi().handle, { commonName: 'admin', organizations: [] });
  return createClient({ transport, userAgent: 'test' });
};

test('tokens are of two parts, and what is not is none', () => {
  expect(joinTokenOf(Uint8Array.from({ length: 22 }, (_, index) => index))).toBe('abcdef.ghijklmnopqrstuv');
  expect(parseJoinToken('abcdef.0123456789abcdef')).toEqual({ id: 'abcdef', secret: '0123456789abcdef' });
  for (const text of ['', 'abcdef', 'ABCDEF.0123456789abcdef', 'abcdef.0123456789abcde', 'abcdef.0123456789abcdefg'])
    expect(parseJoinToken(text)).toBeUndefined();
});

test('a token is a Secret as kubeadm makes it, until it is deleted', async () => {
  const client = newClient();
  const token = { id: 'abcdef', secret: '0123456789abcdef' };
  await createJoinToken(client, { token, ttlMs: 3_600_000, clock: new VirtualClock() });
  const [listed, ...others] = await listJoinTokens(client);
  expect(others).toEqual([]);
  const { expires, ...rest } = listed ?? {};
  expect(expires).toMatch(/^\d{4}-.*Z$/);
  expect(rest).toEqual({
    token: 'abcdef.0123456789abcdef',
    usages: ['authentication', 'signing'],
    description: '',
    groups: 'system:bootstrappers:kubeadm:default-node-token',
  });
  await deleteJoinToken(client, 'abcdef.0123456789abcdef');
  expect(await listJoinTokens(client)).toEqual([]);
});

test('what joins read is made once, and cluster-info keeps its signatures when the server moves', async () => {
  const client = newClient();
  await ensureJoinObjects(client, { kubeconfig: 'first', settings });
  const resource = client.resource(configMaps);
  const info = await resource.get('cluster-info', { namespace: 'kube-public' });
  await resource.update({ ...info, data: { ...info.data, 'jws-kubeconfig-abcdef': 'signed' } });
  await ensureJoinObjects(client, { kubeconfig: 'second', settings });
  const now = await resource.get('cluster-info', { namespace: 'kube-public' });
  expect(now.data).toEqual({ kubeconfig: 'second', 'jws-kubeconfig-abcdef': 'signed' });
  expect(await readJoinSettings(client)).toEqual(settings);
});

test('cluster-info is believed only with the signature of the very token over the very text', () => {
  const token = { id: 'abcdef', secret: '0123456789abcdef' };
  const signature = detachedSignature('text', token);
  const info = (kubeconfig: string, shown: string) => ({ data: { kubeconfig, 'jws-kubeconfig-abcdef': shown } });
  checkSignature(info('text', signature), token);
  expect(() => checkSignature(info('other', signature), token)).toThrow('not that of the token');
  expect(() => checkSignature(info('text', `${signature}x`), token)).toThrow('not that of the token');
  expect(() => checkSignature(info('text', signature), { ...token, secret: 'f'.repeat(16) })).toThrow('not that of');
  expect(() => checkSignature(info('text', signature), { ...token, id: 'ffffff' })).toThrow('has not signed it');
});

test('a node asks for its next certificate in time, keeps it before it shows it, and tries again what failed', async () => {
  const clock = new VirtualClock();
  const authority = issueAuthority({ subject: { commonName: 'ca' }, nowMs: clock.nowMs(), validDays: 100 });
  const issue = (): CertificatePair =>
    issueLeaf(authority, { subject: { commonName: 'n' }, usage: 'client', nowMs: clock.nowMs(), validDays: 10 });
  expect(authorityHash(authority.certificate)).toMatch(/^sha256:[0-9a-f]{64}$/);
  const said: string[] = [];
  const names = new Map<CertificatePair, string>();
  const name = (pair: CertificatePair): string => names.get(pair) ?? names.set(pair, `c${names.size}`).get(pair) ?? '';
  let refusals = 1;
  const transport = new RotatingTransport({
    clock,
    log: silentLogger,
    pair: issue(),
    connect: (pair): NetworkTransport => {
      said.push(`connect ${name(pair)}`);
      const request = (): never => {
        throw new Error('nobody asks');
      };
      return { request, close: async () => void said.push(`close ${name(pair)}`) };
    },
    renew: async () => {
      if (refusals-- > 0) throw new Error('refused');
      return issue();
    },
    keep: async (pair) => void said.push(`keep ${name(pair)}`),
  });
  const stop = new AbortController();
  const running = transport.run(stop.signal);
  await clock.advance(7 * 86_400_000);
  expect(said).toEqual(['connect c0']);
  await clock.advance(2 * 86_400_000);
  expect(said).toEqual(['connect c0', 'keep c1', 'connect c1', 'close c0']);
  stop.abort();
  await clock.advance(1_000);
  await running;
  expect(said.at(-1)).toBe('close c1');
});
