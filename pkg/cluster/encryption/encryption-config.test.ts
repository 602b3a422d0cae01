import { expect, test } from 'vitest';
import { readEncryptionConfiguration, secretOf, socketOf } from './encryption-config.ts';

const key = { name: 'k', secret: Buffer.alloc(32).toString('base64') };
const aescbc = { keys: [key] };
const kms = { apiVersion: 'v2', name: 'v', endpoint: 'unix:///run/kms.sock' };

function read(resources: unknown): ReturnType<typeof readEncryptionConfiguration> {
  const config = { kind: 'EncryptionConfiguration', apiVersion: 'apiserver.config.k8s.io/v1', resources };
  return readEncryptionConfiguration(JSON.stringify(config));
}

const of = (resources: readonly string[], provider: object = { aescbc }): object => ({
  resources,
  providers: [provider],
});

test('every provider is read, in YAML too, and resources by group and by wildcard', () => {
  const text = `
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [events]
  providers: [{identity: {}}]
- resources: [secrets, pandas.awesome.bears.example]
  providers:
  - aesgcm: {keys: [{name: a, secret: MTIzNDU2Nzg5MDEyMzQ1Ng==}]}
  - secretbox: {keys: [{name: b, secret: MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=}]}
  - kms: {apiVersion: v2, name: c, endpoint: "unix:///@kms", timeout: 5s}
- resources: ['*.apps']
  providers: [{aescbc: {keys: [{name: d, secret: MTIzNDU2Nzg5MDEyMzQ1Ng==}]}}]
- resources: ['*.*']
  providers: [{aescbc: {keys: [{name: d, secret: MTIzNDU2Nzg5MDEyMzQ1Ng==}]}}]
`;
  expect(readEncryptionConfiguration(text).map(({ resources }) => resources)).toEqual([
    ['events'],
    ['secrets', 'pandas.awesome.bears.example'],
    ['*.apps'],
    ['*.*'],
  ]);
});

/** Source: apiserver `validation_encryption_test.go`. */
test.each<[string, unknown, string]>([
  ['nothing', [], 'resources: Required value: at least one resources is required'],
  ['no resources', [of([])], 'resources[0].resources: Required value: at least one resources[0].resources is required'],
  ['no providers', [{ resources: ['secrets'] }], 'resources[0].providers: Required value'],
  ['two in one', [of(['secrets'], { aescbc, identity: {} })], 'more than one provider specified in a single element'],
  ['an empty one', [of(['secrets'], {})], 'provider does not contain any of the expected providers'],
  [
    'a short key',
    [of(['secrets'], { aescbc: { keys: [{ name: 'k', secret: 'YWJj' }] } })],
    'got 3, expected one of [16 24 32]',
  ],
  [
    'a box key',
    [of(['secrets'], { secretbox: { keys: [{ name: 'k', secret: 'YWJj' }] } })],
    'got 3, expected one of [32]',
  ],
  [
    'no base64',
    [of(['secrets'], { aesgcm: { keys: [{ name: 'k', secret: 'a$b' }] } })],
    'secrets must be base64 encoded',
  ],
  ['no name', [of(['secrets'], { aesgcm: { keys: [{ secret: key.secret }] } })], 'name is a mandatory field for a key'],
  ['no secret', [of(['secrets'], { aesgcm: { keys: [{ name: 'k' }] } })], 'secret is a mandatory field for a key'],
  ['no keys', [of(['secrets'], { aesgcm: {} })], 'at least one keys is required'],
  ['capitals', [of(['seCrets'])], 'resource name should not contain capital letters'],
  ['a star', [of(['*'])], "use '*.' to encrypt all the resources from core API group"],
  ['a resource of all groups', [of(['secrets.*'])], 'encrypting the same resource across groups is not supported'],
  ['events.k8s.io', [of(['events.events.k8s.io'])], "Use 'events' instead"],
  ['extensions', [of(['ingresses.extensions'])], "'extensions' group has been removed"],
  ['what has no API', [of(['serviceipallocations'])], 'do not have REST API/s'],
  ['twice', [of(['secrets', 'secrets'])], 'the same resource cannot be specified multiple times'],
  ['a mask', [of(['secrets', '*.'])], 'using overlapping resources'],
  ['a mask of all', [of(['secrets', '*.*'])], 'using overlapping resources'],
  ['an earlier mask', [of(['*.apps']), of(['deployments.apps'])], 'is masked by earlier rule "*.apps"'],
  ['an earlier mask of all', [of(['*.*']), of(['secrets'])], 'is masked by earlier rule "*.*"'],
  ['KMS version 1', [of(['secrets'], { kms: { ...kms, apiVersion: 'v1' } })], 'KMSv1 is deprecated'],
  ['KMS without a version', [of(['secrets'], { kms: { name: 'v', endpoint: kms.endpoint } })], 'KMSv1 is deprecated'],
  ['KMS version 3', [of(['secrets'], { kms: { ...kms, apiVersion: 'v3' } })], 'only v1 and v2 are supported'],
  ['a colon', [of(['secrets'], { kms: { ...kms, name: 'a:b' } })], "must not contain ':'"],
  ['one name twice', [of(['secrets'], { kms }), of(['pods'], { kms })], 'duplicate KMS provider name v'],
  ['a TCP endpoint', [of(['secrets'], { kms: { ...kms, endpoint: 'tcp://x:1' } })], 'unsupported scheme "tcp"'],
  ['no endpoint', [of(['secrets'], { kms: { ...kms, endpoint: '' } })], 'endpoint is a mandatory field for a kms'],
  ['no time', [of(['secrets'], { kms: { ...kms, timeout: '0s' } })], 'timeout should be a positive value'],
  ['a cache', [of(['secrets'], { kms: { ...kms, cachesize: 5 } })], 'cachesize is not supported in v2'],
  ['an unknown field', [{ ...of(['secrets']), key: 1 }], 'unknown field "resources[0].key"'],
])('%s is refused', (_, resources, problem) => {
  expect(() => read(resources)).toThrow(problem);
});

test('no message has a secret', () => {
  const secret = Buffer.from('too short').toString('base64');
  const wrong = of(['secrets'], { aescbc: { keys: [{ name: 'k', secret }] }, identity: {} });
  for (const one of [wrong, of(['secrets'], { aescbc: { keys: [{ name: 'k', secret }] } })]) {
    expect(() => read([one])).toThrow(/^(?!.*dG9vIHNob3J0)/);
  }
});

test('secrets and sockets are read as Go reads them', () => {
  expect(secretOf('YWJj\n')).toEqual(Buffer.from('abc'));
  expect(secretOf('YWI')).toBeUndefined();
  expect(['unix:///run/a.sock', 'unix:/run/a.sock', 'unix:///@abstract'].map(socketOf)).toEqual([
    '/run/a.sock',
    '/run/a.sock',
    '@abstract',
  ]);
});
