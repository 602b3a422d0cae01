/** Files that say which programs have logins: what is refused of them, and that a program is run as they say. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { credentialProvidersOf } from './credential-provider-flags.ts';
import { readCredentialProviders } from './credential-providers.ts';

const programs = mkdtempSync(join(tmpdir(), 'coxswain-providers-'));
const configFile = join(programs, 'config.yaml');
afterAll(() => rmSync(programs, { recursive: true, force: true }));

const program = join(programs, 'one');
writeFileSync(program, '#!/bin/sh\necho "$0 $1 $TOKEN $(cat)"\n[ "$1" != fail ] || { echo "no token" >&2; exit 3; }\n');
chmodSync(program, 0o755);

const entry = {
  name: 'one',
  apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
  matchImages: ['*.example.com'],
  defaultCacheDuration: '10m',
};
const read = (providers: unknown, apiVersion = 'kubelet.config.k8s.io/v1') => {
  writeFileSync(configFile, JSON.stringify({ kind: 'CredentialProviderConfig', apiVersion, providers }));
  return readCredentialProviders({ configFile, programs });
};

test('a program is given its arguments, what is added to its environment, and the question', async () => {
  const [one] = read([{ ...entry, args: ['get'], env: [{ name: 'TOKEN', value: 'a b' }] }]);
  expect(one).toMatchObject({ name: 'one', matchImages: ['*.example.com'], keptMs: 600_000 });
  expect(await one?.ask('{}')).toBe(`${program} get a b {}\n`);
  const [failing] = read([{ ...entry, args: ['fail'] }]);
  await expect(failing?.ask('{}')).rejects.toThrow(/^no token$/);
});

test.each<[unknown, string]>([
  [[], 'it names none: providers is required'],
  [[entry, entry], 'one is there twice'],
  [[{ ...entry, name: '../one' }], '"../one" is no name of a program'],
  [[{ ...entry, name: 'two' }], `there is no program ${programs}/two`],
  [[{ ...entry, apiVersion: 'v1' }], 'apiVersion of one has to be one of credentialprovider.kubelet.k8s.io/v1, '],
  [[{ ...entry, matchImages: [] }], 'matchImages of one has to name images'],
  [[{ ...entry, defaultCacheDuration: '10' }], 'defaultCacheDuration of one has to be a duration such as 10m, or 0s'],
  [[{ ...entry, env: [{ name: 'a=b', value: '' }] }], 'args of one has to be a list of texts, and env one of'],
  [[{ ...entry, tokenAttributes: {} }], 'tokenAttributes of one is not built here'],
])('%j is refused', (providers, why) => {
  expect(() => read(providers)).toThrow(`Cannot use the credential providers of ${configFile} as ${why}`);
});

test('another document, a file that is not there and one flag of the two are refused', () => {
  expect(() => read([entry], 'v1')).toThrow('it is no CredentialProviderConfig of kubelet.config.k8s.io/v1');
  const place = { configFile: join(programs, 'none'), programs };
  expect(() => readCredentialProviders(place)).toThrow(/^Cannot use the credential providers of .*none as ENOENT/);
  expect(credentialProvidersOf({})).toBeUndefined();
  expect(() => credentialProvidersOf({ 'image-credential-provider-config': '/file' })).toThrow('each is required');
});
