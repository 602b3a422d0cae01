/** Which logins a pod's pull secrets have for an image, and what becomes of secrets that cannot be had. */
import { expect, test } from 'vitest';
import type { Pod, Secret } from '#pkg/api/types/core-v1.ts';
import { events, pods, secrets } from '#pkg/api/types/refs.ts';
import type { PullOptions } from '../runtime/runtime.ts';
import { pod, start } from '../testing/virtual-node.ts';
import { pullLogins } from './pull-secrets.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const dockerConfig = (name: string, auths: object): Secret => ({
  metadata: { name, namespace: 'default' },
  type: 'kubernetes.io/dockerconfigjson',
  data: { '.dockerconfigjson': base64(JSON.stringify({ auths })) },
});
const login = (username: string): object => ({ auth: base64(`${username}:word:with:colons`) });
const withSecrets = (...names: readonly string[]): Pod =>
  pod('p', {
    spec: {
      containers: [{ name: 'app', image: 'registry.example.com/team/app:v1' }],
      imagePullSecrets: names.map((name) => ({ name })),
    },
  });

/** Keys of the logins that one secret with these keys has for an image. */
async function keysFor(image: string, ...keys: readonly string[]): Promise<readonly string[]> {
  const secret = dockerConfig('one', Object.fromEntries(keys.map((key, index) => [key, login(`user-${index}`)])));
  const { credentials } = await pullLogins(withSecrets('one'), image, async () => secret);
  expect(credentials.every(({ password }) => password === 'word:with:colons')).toBe(true);
  return credentials.map(({ username }) => keys[Number(username.slice('user-'.length))] ?? '');
}

test.each([
  ['nginx', ['https://index.docker.io/v1/', 'quay.io'], ['https://index.docker.io/v1/']],
  ['team/app:1', ['docker.io', 'docker.io/team', 'docker.io/others'], ['docker.io/team', 'docker.io']],
  [
    'quay.io/coreos/etcd:1',
    ['quay.io', 'quay.io/coreos', 'https://quay.io/v2/'],
    ['quay.io/coreos', 'quay.io', 'https://quay.io/v2/'],
  ],
  ['a.example.com/x', ['*.example.com', 'example.com', '*.*', 'b*.example.com'], ['*.example.com']],
  ['127.0.0.1:5000/x', ['127.0.0.1', '127.0.0.1:5000', 'http://127.0.0.1:5001'], ['127.0.0.1:5000']],
  ['localhost/x', ['localhost'], ['localhost']],
])('%s is asked for with the logins that fit it, the most particular first', async (image, keys, fitting) => {
  expect(await keysFor(image, ...keys)).toEqual(fitting);
});

test('a pattern that is made to take long is looked at in no time', async () => {
  const label = 'a'.repeat(60);
  expect(await keysFor(`${label}.example.com/x`, `${'*a'.repeat(20_000)}b.example.com`)).toEqual([]);
});

test('logins may be said in two words, or in the older form', async () => {
  const older: Secret = {
    metadata: { name: 'older' },
    type: 'kubernetes.io/dockercfg',
    data: { '.dockercfg': base64(JSON.stringify({ 'registry.example.com': { username: 'me', password: 'word' } })) },
  };
  const image = 'registry.example.com/team/app:v1';
  const { credentials } = await pullLogins(withSecrets('older'), image, async () => older);
  expect(credentials).toEqual([{ username: 'me', password: 'word' }]);
});

test('a pull has the logins of the secrets that are there, and an event names the others', async () => {
  const asked: PullOptions[] = [];
  const cluster = await start((runtime) => {
    const { pull } = runtime.images;
    Object.assign(runtime.images, {
      pull: (image: string, options: PullOptions) => {
        asked.push(options);
        return pull.call(runtime.images, image, options);
      },
    });
    return {};
  });
  const opaque: Secret = { metadata: { name: 'opaque', namespace: 'default' }, data: { word: base64('x') } };
  for (const secret of [dockerConfig('mine', { 'registry.example.com': login('me') }), opaque])
    await cluster.client.resource(secrets).create(secret);
  await cluster.client.resource(pods).create(withSecrets('mine', 'gone', 'opaque'));
  await cluster.clock.settle();
  expect(asked.map(({ credentials }) => credentials)).toEqual([[{ username: 'me', password: 'word:with:colons' }]]);
  const { items } = await cluster.client.resource(events).list({ namespace: 'default' });
  const said = items.filter(({ reason }) => reason === 'FailedToRetrieveImagePullSecret').map(({ message }) => message);
  expect(said).toEqual([
    'Unable to retrieve some image pull secrets (gone, opaque); attempting to pull the image may not succeed.',
  ]);
});
