import { afterEach, expect, test } from 'vitest';
import { configMaps, secrets } from '#pkg/api/types/refs.ts';
import { type Harness, startHarness } from '../testing/harness.ts';
import { detachedSignature } from './bootstrapsigner.ts';

let harness: Harness | undefined;
afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

// Source: upstream's `token/jws/jws_test.go`.
test.each([
  [
    'Hello from the other side. I must have called a thousand times.',
    'eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8',
  ],
  ['', 'eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..7Ui1ALizW4jXphVUB7xUqC9vLYLL9RZeOFfVLoB7Tgk'],
])('%j is signed as upstream signs it', (content, signature) => {
  expect(detachedSignature(content, { id: 'joshua', secret: 'my voice is my passcode' })).toBe(signature);
});

test('the kubeconfig of cluster-info is signed by the tokens that may, for as long as they count, and anew when it changes', async () => {
  harness = await startHarness({ controllers: ['bootstrap-signer-controller'], runPods: false });
  const { client, clock, writes } = harness;
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  const makeToken = (id: string, more: Readonly<Record<string, string>> = {}, name = `bootstrap-token-${id}`) => {
    const values = { 'token-id': id, 'token-secret': '0123456789abcdef', 'usage-bootstrap-signing': 'true', ...more };
    return client.resource(secrets).create({
      type: 'bootstrap.kubernetes.io/token',
      metadata: { name, namespace: 'kube-system' },
      data: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, encode(value)])),
    });
  };
  const inMs = (ms: number): string => new Date(clock.nowMs() + ms).toISOString();
  await makeToken('aaaaaa');
  await makeToken('bbbbbb', { expiration: inMs(60_000) });
  await makeToken('cccccc', { 'usage-bootstrap-signing': 'false' });
  await makeToken('dddddd', { expiration: inMs(-1_000) });
  await makeToken('eeeeee', {}, 'bootstrap-token-ffffff');
  await clock.advance(1_000);
  expect(writes).toEqual([]);
  const metadata = { name: 'cluster-info', namespace: 'kube-public' };
  const data = { kubeconfig: 'clusters: []', 'jws-kubeconfig-gggggg': 'of a token that is gone', other: 'stays' };
  await client.resource(configMaps).create({ metadata, data });
  await clock.advance(1_000);
  const info = async () => (await harness!.get(configMaps, 'kube-public/cluster-info'))?.data;
  const signed = (id: string, content: string) => detachedSignature(content, { id, secret: '0123456789abcdef' });
  expect(await info()).toEqual({
    kubeconfig: 'clusters: []',
    other: 'stays',
    'jws-kubeconfig-aaaaaa': signed('aaaaaa', 'clusters: []'),
    'jws-kubeconfig-bbbbbb': signed('bbbbbb', 'clusters: []'),
  });
  await clock.advance(60_000);
  const changed = { ...data, kubeconfig: 'clusters: [{}]' };
  expect(Object.keys((await info()) ?? {})).not.toContain('jws-kubeconfig-bbbbbb');
  await client.resource(configMaps).update({ metadata, data: changed });
  await clock.advance(1_000);
  expect(await info()).toEqual({
    kubeconfig: 'clusters: [{}]',
    other: 'stays',
    'jws-kubeconfig-aaaaaa': signed('aaaaaa', 'clusters: [{}]'),
  });
  const before = writes.length;
  await clock.advance(3_600_000);
  expect([before, writes.length]).toEqual([3, 3]);
});
