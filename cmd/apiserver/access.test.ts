/** Files of flags about who is who and who may do what: what they come to, and what is refused in one line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseFlags } from '#pkg/component/flags.ts';
import { readAuthorizers, readUsersElsewhere } from './access.ts';
import { apiServerFlags } from './options.ts';

const folder = mkdtempSync(join(tmpdir(), 'coxswain-access-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const kubeconfig = (server: string) => ({
  'current-context': 'c',
  contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  clusters: [
    { name: 'c', cluster: { server, 'certificate-authority-data': Buffer.from('authority').toString('base64') } },
  ],
  users: [{ name: 'u', user: { token: 'secret' } }],
});

function values(...flags: readonly string[]) {
  const parsed = parseFlags(apiServerFlags, flags);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed));
  return parsed.values;
}

const remote = { url: 'https://access.example.com', caBundle: 'authority', token: 'secret' };
const config = (kind: string, fields: object) => ({ apiVersion: 'apiserver.config.k8s.io/v1', kind, ...fields });

test('issuers come from one file, the server that knows tokens from another', async () => {
  const jwt = [
    {
      issuer: { url: 'https://issuer.example.com', audiences: ['k8s'] },
      claimMappings: { username: { claim: 'sub', prefix: '' } },
    },
  ];
  const read = await readUsersElsewhere(
    values(
      `--authentication-config=${file('issuers.yaml', config('AuthenticationConfiguration', { jwt }))}`,
      `--authentication-token-webhook-config-file=${file('tokens', kubeconfig(remote.url))}`,
      '--authentication-token-webhook-version=v1',
    ),
  );
  expect(read).toMatchObject({
    configuration: { jwt },
    tokenWebhook: { server: remote, version: 'v1', ttlMs: 120_000 },
  });
  expect(await readUsersElsewhere(values())).toEqual({});
});

test('who decides comes from a file, or from flags', async () => {
  const webhook = {
    timeout: '3s',
    subjectAccessReviewVersion: 'v1',
    failurePolicy: 'Deny',
    connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: file('access', kubeconfig(remote.url)) },
  };
  const authorizers = [
    { type: 'Webhook', name: 'first', webhook },
    { type: 'RBAC', name: 'second' },
  ];
  const path = file('authorizers.yaml', config('AuthorizationConfiguration', { authorizers }));
  expect(await readAuthorizers(values(`--authorization-config=${path}`))).toMatchObject([
    { type: 'Webhook', config: webhook, server: remote },
    'RBAC',
  ]);
  const flags = ['--authorization-mode=Node,Webhook', `--authorization-webhook-config-file=${join(folder, 'access')}`];
  expect(await readAuthorizers(values(...flags))).toMatchObject([
    'Node',
    { type: 'Webhook', config: { subjectAccessReviewVersion: 'v1beta1', authorizedTTL: '300000ms' }, server: remote },
  ]);
  expect(await readAuthorizers(values())).toEqual(['Node', 'RBAC']);
});

test.each<readonly [readonly string[], string]>([
  [['--authorization-mode=Webhook'], 'need each other'],
  [['--authorization-mode=ABAC'], 'each must be one of AlwaysAllow, Node, RBAC, Webhook'],
  [['--authorization-config=FOLDER/none'], 'Cannot read the file of --authorization-config'],
  [
    ['--authorization-config=FOLDER/bad'],
    'Cannot use the file of --authorization-config: it is no AuthorizationConfiguration',
  ],
  [['--authorization-mode=Webhook', '--authorization-webhook-config-file=FOLDER/plain'], 'its server is no https URL'],
  [
    [
      '--authorization-mode=Webhook',
      '--authorization-webhook-config-file=FOLDER/access',
      '--authorization-webhook-version=v2',
    ],
    'it must be v1 or v1beta1',
  ],
])('the flags %j are refused in one line', async (flags, error) => {
  file('bad', config('Other', {}));
  file('plain', kubeconfig('http://access.example.com'));
  file('access', kubeconfig(remote.url));
  const given = flags.map((flag) => flag.replace('FOLDER', folder));
  await expect(readAuthorizers(values(...given))).rejects.toThrow(error);
});
