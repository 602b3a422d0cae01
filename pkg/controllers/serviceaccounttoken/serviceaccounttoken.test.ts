import { expect, test } from 'vitest';
import type { Secret } from '#pkg/api/types/core-v1.ts';
import { secrets, serviceAccounts, tokenReviews } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';

const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString();

async function review(cluster: TestCluster, token: string) {
  return (await cluster.client.resource(tokenReviews).create({ spec: { token } })).status;
}

async function find(cluster: TestCluster, name: string, namespace: string): Promise<Secret | undefined> {
  return cluster.client
    .resource(secrets)
    .get(name, { namespace })
    .catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
}

test('a Secret gets a token of its account, which ends with the Secret, and goes with the account', async () => {
  const cluster = await startTestCluster({ nodes: 0 });
  const namespace = 'default';
  await cluster.client.resource(serviceAccounts).create({ metadata: { name: 'robot', namespace } });
  const make = (name: string, account: string) =>
    cluster.client.resource(secrets).create({
      type: 'kubernetes.io/service-account-token',
      metadata: { name, namespace, annotations: { 'kubernetes.io/service-account.name': account } },
    });
  await make('first', 'robot');
  await make('second', 'robot');
  await make('nobody', 'none');
  const filled = async (name: string) => (await find(cluster, name, namespace))?.data?.token !== undefined;
  await cluster.until(async () => (await filled('first')) && (await filled('second')));
  const first = await find(cluster, 'first', namespace);
  const token = decode(first?.data?.token);
  expect(decode(first?.data?.namespace)).toBe(namespace);
  expect(await review(cluster, token)).toMatchObject({
    authenticated: true,
    user: { username: 'system:serviceaccount:default:robot', groups: expect.arrayContaining(['system:authenticated']) },
  });
  await cluster.client.resource(secrets).delete('first', { namespace });
  expect(await review(cluster, token)).toMatchObject({
    error: "Token has been invalidated or does not match the server's copy",
  });
  await cluster.until(async () => (await find(cluster, 'nobody', namespace)) === undefined);
  await cluster.client.resource(serviceAccounts).delete('robot', { namespace });
  await cluster.until(async () => (await find(cluster, 'second', namespace)) === undefined);
  await cluster.stop();
});

test('a token of a joining node counts until it expires, and then goes', async () => {
  const cluster = await startTestCluster({ nodes: 0 });
  const namespace = 'kube-system';
  const at = new Date(cluster.clock.nowMs() + 60_000).toISOString().replace(/\.\d+/, '');
  const values = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
    expiration: at,
  };
  const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, encode(value)]));
  const name = 'bootstrap-token-abcdef';
  await cluster.client
    .resource(secrets)
    .create({ type: 'bootstrap.kubernetes.io/token', metadata: { name, namespace }, data });
  expect(await review(cluster, 'abcdef.0123456789abcdef')).toMatchObject({
    authenticated: true,
    user: {
      username: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
    },
  });
  for (const other of ['abcdef.0123456789abcdeg', 'abcdeg.0123456789abcdef', 'abcdef.0123456789abcde'])
    expect((await review(cluster, other))?.authenticated ?? false).toBe(false);
  await cluster.until(async () => (await find(cluster, name, namespace)) === undefined);
  expect(cluster.clock.nowMs()).toBeGreaterThanOrEqual(Date.parse(at));
  expect((await review(cluster, 'abcdef.0123456789abcdef'))?.authenticated ?? false).toBe(false);
  await cluster.stop();
});

test('the day of use of a token that a Secret holds is kept, and one that is marked does not count', async () => {
  const cluster = await startTestCluster({ nodes: 0 });
  const namespace = 'default';
  await cluster.client.resource(serviceAccounts).create({ metadata: { name: 'robot', namespace } });
  await cluster.client.resource(secrets).create({
    type: 'kubernetes.io/service-account-token',
    metadata: { name: 'held', namespace, annotations: { 'kubernetes.io/service-account.name': 'robot' } },
  });
  await cluster.until(async () => (await find(cluster, 'held', namespace))?.data?.token !== undefined);
  const token = decode((await find(cluster, 'held', namespace))?.data?.token);
  const lastUsed = async () =>
    (await find(cluster, 'held', namespace))?.metadata?.labels?.['kubernetes.io/legacy-token-last-used'];
  const version = async () => (await find(cluster, 'held', namespace))?.metadata?.resourceVersion;
  const today = () => new Date(cluster.clock.nowMs()).toISOString().slice(0, 10);
  expect(await lastUsed()).toBeUndefined();
  expect(await review(cluster, token)).toMatchObject({ authenticated: true });
  expect(await lastUsed()).toBe(today());
  const before = await version();
  await review(cluster, token);
  expect(await version()).toBe(before);
  await cluster.advance(24 * 3_600_000);
  await review(cluster, token);
  expect(await lastUsed()).toBe(today());
  const mark = (day: string | null) =>
    cluster.client
      .resource(secrets)
      .patch(
        'held',
        { metadata: { labels: { 'kubernetes.io/legacy-token-invalid-since': day } } },
        { namespace, type: 'merge' },
      );
  await mark(today());
  expect((await review(cluster, token))?.error).toBe(
    "the token in secret default/held for service account default/robot has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the 'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this token",
  );
  await mark(null);
  expect(await review(cluster, token)).toMatchObject({ authenticated: true });
  await cluster.stop();
});

test('who comes with a token that a controller once made by itself is warned, who made their own is not', async () => {
  const cluster = await startTestCluster({ nodes: 0 });
  const namespace = 'default';
  await cluster.client.resource(serviceAccounts).create({ metadata: { name: 'robot', namespace } });
  const make = async (name: string) => {
    await cluster.client.resource(secrets).create({
      type: 'kubernetes.io/service-account-token',
      metadata: { name, namespace, annotations: { 'kubernetes.io/service-account.name': 'robot' } },
    });
    await cluster.until(async () => (await find(cluster, name, namespace))?.data?.token !== undefined);
    return decode((await find(cluster, name, namespace))?.data?.token);
  };
  const [old, own] = [await make('robot-token-x'), await make('own')];
  const listed = { secrets: [{ name: 'robot-token-x' }] };
  await cluster.client.resource(serviceAccounts).patch('robot', listed, { namespace, type: 'merge' });
  const warningOf = async (token: string, method: string, path: string) => {
    const answer = await cluster.handle({
      method,
      path,
      query: '',
      headers: { authorization: `Bearer ${token}` },
      ...(method === 'POST' ? { body: { kind: 'object', object: {} } as const } : {}),
      peer: { address: '' },
      signal: new AbortController().signal,
    });
    return [answer.status, answer.headers.warning];
  };
  const reviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const warning =
    '299 - "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens."';
  expect(await warningOf(old, 'POST', reviews)).toEqual([201, warning]);
  expect(await warningOf(own, 'POST', reviews)).toEqual([201, undefined]);
  await cluster.stop();
});
