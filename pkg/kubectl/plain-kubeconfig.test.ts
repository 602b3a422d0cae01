/** A plain kubeconfig is read as the library reads it; every other is left to the library. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readLibraryKubeconfig } from './library-kubeconfig.ts';
import { readPlainKubeconfig } from './plain-kubeconfig.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface Parts {
  readonly cluster?: object;
  readonly user?: object | null;
  readonly context?: object;
  readonly others?: object;
}

function config({ cluster, user, context, others }: Parts = {}): string {
  return JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443/', ...cluster } }],
    contexts: [
      { name: 'x', context: { cluster: 'c', user: 'u', ...context } },
      { name: 'y', context: { cluster: 'c', user: 'u', namespace: 'other' } },
    ],
    'current-context': 'x',
    users: [{ name: 'u', user: user === undefined ? { token: 'secret' } : user }],
    ...others,
  });
}

async function folderWith(text: string): Promise<{ readonly folder: string; readonly kubeconfig: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-kubeconfig-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'ca.crt'), 'authority');
  await writeFile(join(folder, 'config'), text);
  return { folder, kubeconfig: join(folder, 'config') };
}

const plain: Readonly<Record<string, { readonly text: string; readonly context?: string }>> = {
  'a token': { text: config() },
  'another context, with a namespace': { text: config(), context: 'y' },
  'a certificate': {
    text: config({
      cluster: { 'certificate-authority-data': base64('authority') },
      user: { 'client-certificate-data': base64('certificate'), 'client-key-data': base64('key') },
    }),
  },
  'files, which are in its folder': {
    text: config({ cluster: { 'certificate-authority': 'ca.crt', 'certificate-authority-data': base64('other') } }),
  },
  'no check of the server': { text: config({ cluster: { 'insecure-skip-tls-verify': true } }) },
  'another name of the server': { text: config({ cluster: { 'tls-server-name': 'kubernetes' } }) },
  'what extends it': { text: config({ cluster: { extensions: [{ name: 'a', extension: { b: 1 } }] } }) },
  YAML: {
    text: `# mine
clusters:
- {name: c, cluster: {server: "https://[::1]:6443"}}
contexts:
- context: {cluster: c, user: u}
  name: x
current-context: x
users: [{name: u, user: {}}]
`,
  },
};

test.each(Object.entries(plain))('%s', async (_, { text, context }) => {
  const { kubeconfig } = await folderWith(text);
  const place = { kubeconfig, ...(context === undefined ? {} : { context }) };
  const { agent, ...credentials } = (await readLibraryKubeconfig(place)).credentials;
  expect(readPlainKubeconfig(place)).toEqual({ ...(await readLibraryKubeconfig(place)), credentials });
});

test('the file is that of the flag, of the variable, or that in the home', async () => {
  const { folder, kubeconfig } = await folderWith(config());
  const server = 'https://127.0.0.1:6443';
  expect(readPlainKubeconfig({ kubeconfig, kubeconfigVariable: '/none', home: '/none' })).toMatchObject({ server });
  expect(readPlainKubeconfig({ kubeconfigVariable: kubeconfig, home: '/none' })).toMatchObject({ server });
  expect(readPlainKubeconfig({ kubeconfigVariable: `${kubeconfig}:/none` })).toBeUndefined();
  expect(readPlainKubeconfig({ home: folder })).toBeUndefined();
  expect(readPlainKubeconfig({})).toBeUndefined();
});

test.each([
  ['a program that fetches credentials', config({ user: { exec: { command: 'login' } } })],
  ['a provider of credentials', config({ user: { 'auth-provider': { name: 'oidc' } } })],
  ['a password', config({ user: { username: 'a', password: 'b' } })],
  ['another user to be', config({ user: { token: 'secret', as: 'other' } })],
  ['a file with a token', config({ user: { tokenFile: 'token' } })],
  ['a proxy', config({ cluster: { 'proxy-url': 'http://127.0.0.1:1' } })],
  ['plain HTTP', config({ cluster: { server: 'http://127.0.0.1:8080' } })],
  ['a server that is none', config({ cluster: { server: 1 } })],
  ['no user', config({ user: null })],
  ['a number for data', config({ cluster: { 'certificate-authority-data': 1 } })],
  ['a file that is not there', config({ cluster: { 'certificate-authority': 'none.crt' } })],
  ['a context that is not there', config({ others: { 'current-context': 'z' } })],
  ['no current context', config({ others: { 'current-context': undefined } })],
  ['a cluster that is not there', config({ context: { cluster: 'd' } })],
  ['an entry without a name', config({ others: { clusters: [{ cluster: { server: 'https://127.0.0.1' } }] } })],
  [
    'another entry that is wrong',
    config({ others: { contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }, {}] } }),
  ],
  ['a list that is none', config({ others: { users: {} } })],
  ['nothing', ''],
  ['comments', '# nothing\n'],
  ['what is no mapping', '[]'],
  ['what is no YAML', '{'],
])('%s is left to the library', async (_, text) => {
  const { kubeconfig } = await folderWith(text);
  expect(readPlainKubeconfig({ kubeconfig })).toBeUndefined();
});

test.each(['', '# nothing\n', '\n  # a\n# b'])('a kubeconfig of %j has no current context', async (text) => {
  const { kubeconfig } = await folderWith(text);
  await expect(readLibraryKubeconfig({ kubeconfig })).rejects.toThrow(/^error: the kubeconfig has no current context/);
});
