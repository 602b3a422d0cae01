/** Logins that programs of the node have: for which images they are asked, and how long an answer counts. */
import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type CredentialProvider, CredentialProviders } from './credential-providers.ts';

const apiVersion = 'credentialprovider.kubelet.k8s.io/v1';

interface Said {
  readonly cacheKeyType?: string;
  readonly cacheDuration?: string;
  readonly auth?: object;
  readonly apiVersion?: string;
}

/** A node with one program for `*.example.com`, the images that it was asked about, and what it says. */
function node(answer: Said, provider: Partial<CredentialProvider> = {}) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (_: string, fields: object = {}) => void warnings.push(JSON.stringify(fields)) };
  const auth = { '*.example.com': { username: 'me', password: 'word' } };
  const providers = new CredentialProviders({ clock, log }, [
    {
      name: 'one',
      apiVersion,
      matchImages: ['*.example.com'],
      keptMs: 60_000,
      ask: async (text) => {
        const request = JSON.parse(text);
        expect(request).toEqual({ kind: 'CredentialProviderRequest', apiVersion, image: expect.any(String) });
        asked.push(request.image);
        return JSON.stringify({ kind: 'CredentialProviderResponse', apiVersion, auth, ...answer });
      },
      ...provider,
    },
  ]);
  return { clock, asked, warnings, providers };
}

const [first, second, elsewhere] = ['a.example.com/team/one:1', 'a.example.com/two@sha256:', 'b.example.com/three'];
const images = [first ?? '', `${second}${'0'.repeat(64)}`, elsewhere ?? ''];

test.each([
  ['Image', ['a.example.com/team/one', 'a.example.com/two', 'b.example.com/three']],
  ['Registry', ['a.example.com/team/one', 'b.example.com/three']],
  ['Global', ['a.example.com/team/one']],
])('an answer for %s is kept for that', async (cacheKeyType, wanted) => {
  const { asked, providers } = node({ cacheKeyType });
  for (const image of [...images, ...images])
    expect(await providers.logins(image)).toEqual([{ username: 'me', password: 'word' }]);
  expect(asked).toEqual(wanted);
});

test.each([
  ['as long as the file says where it does not itself', {}, 60_000],
  ['as long as it says', { cacheDuration: '1h30m' }, 5_400_000],
  ['not at all where it says so', { cacheDuration: '0s' }, 0],
])('an answer counts %s', async (_, said, keptMs) => {
  const { asked, clock, providers } = node({ cacheKeyType: 'Image', ...said });
  const image = images[0] ?? '';
  await providers.logins(image);
  await clock.advance(Math.max(0, keptMs - 1));
  await providers.logins(image);
  expect(asked).toHaveLength(keptMs === 0 ? 2 : 1);
  await clock.advance(1);
  await providers.logins(image);
  expect(asked).toHaveLength(keptMs === 0 ? 3 : 2);
});

test('nobody is asked about images of other places, and once about one that several pods want', async () => {
  const { asked, providers } = node({ cacheKeyType: 'Image' });
  expect(await providers.logins('nginx')).toEqual([]);
  await Promise.all([providers.logins(images[0] ?? ''), providers.logins(images[0] ?? '')]);
  expect(asked).toEqual(['a.example.com/team/one']);
});

test('of several logins those for the image alone are given, the most particular first', async () => {
  const login = (username: string): object => ({ username, password: '' });
  const auth = { 'a.example.com': login('host'), 'a.example.com/team': login('team'), 'b.example.com': login('other') };
  const { providers } = node({ cacheKeyType: 'Registry', auth });
  expect((await providers.logins(images[0] ?? '')).map(({ username }) => username)).toEqual(['team', 'host']);
  expect((await providers.logins(images[1] ?? '')).map(({ username }) => username)).toEqual(['host']);
});

test.each<[string, Said, Partial<CredentialProvider>, string]>([
  ['fails', {}, { ask: () => Promise.reject(new Error('no token')) }, 'no token'],
  ['says nonsense', {}, { ask: async () => 'word' }, 'not valid JSON'],
  ['says what nobody asked for', { apiVersion: 'v2' }, {}, 'no CredentialProviderResponse'],
  ['does not say what for', {}, {}, 'cacheKeyType'],
  ['says no duration', { cacheKeyType: 'Image', cacheDuration: 'soon' }, {}, 'cacheDuration'],
])('one that %s is a warning, and is asked again for the next pull', async (_, said, provider, reason) => {
  const { warnings, providers } = node(said, provider);
  expect(await providers.logins(images[0] ?? '')).toEqual([]);
  expect(await providers.logins(images[0] ?? '')).toEqual([]);
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toContain(reason);
});
