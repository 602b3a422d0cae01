import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  checkKubeconfig,
  contextFields,
  entryIn,
  type KubeconfigEntry,
  kubeconfigOf,
  mergeKubeconfig,
  readKubeconfig,
  removeFromKubeconfig,
  writeKubeconfig,
} from './kubeconfig.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coxswain-kubeconfig-'));
  path = join(folder, 'deep', 'config');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const entry: KubeconfigEntry = {
  name: 'coxswain-dev',
  server: 'https://127.0.0.1:6443',
  authority: 'CA',
  client: { certificate: 'CERT', key: 'KEY' },
};

const others = {
  apiVersion: 'v1',
  kind: 'Config',
  preferences: { colors: true },
  'current-context': 'work',
  clusters: [
    {
      name: 'work',
      cluster: { server: 'https://work.example', 'tls-server-name': 'yes', 'insecure-skip-tls-verify': true },
    },
  ],
  contexts: [{ name: 'work', context: { cluster: 'work', user: 'me', namespace: 'team-a' } }],
  users: [
    {
      name: 'me',
      user: {
        exec: {
          apiVersion: 'v1',
          command: 'login',
          args: ['--as', '12', 'true', 'a: b'],
          env: [],
          installHint: 'two\nlines',
        },
      },
    },
  ],
  extensions: [['odd', 1], {}, null],
};

const read = async (): Promise<unknown> => load(await readFile(path, 'utf8'));

test('a kubeconfig of its own reads back as what it says', async () => {
  await writeKubeconfig(path, kubeconfigOf(entry));
  expect(await read()).toEqual({
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    'current-context': 'coxswain-dev',
    clusters: [
      { name: 'coxswain-dev', cluster: { server: 'https://127.0.0.1:6443', 'certificate-authority-data': 'Q0E=' } },
    ],
    contexts: [{ name: 'coxswain-dev', context: { cluster: 'coxswain-dev', user: 'coxswain-dev' } }],
    users: [{ name: 'coxswain-dev', user: { 'client-certificate-data': 'Q0VSVA==', 'client-key-data': 'S0VZ' } }],
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('merging and removing a context leaves everything else as it was', async () => {
  await mkdir(join(folder, 'deep'));
  await writeFile(path, dump(others), { mode: 0o640 });
  await mergeKubeconfig(path, entry);
  await mergeKubeconfig(path, { ...entry, server: 'https://127.0.0.1:7443' });
  const merged = (await read()) as { clusters: unknown[]; 'current-context': string };
  expect(merged.clusters).toHaveLength(2);
  expect(merged['current-context']).toBe('coxswain-dev');
  expect((await stat(path)).mode & 0o777).toBe(0o640);

  expect(await removeFromKubeconfig(path, 'coxswain-dev')).toBe(true);
  expect(await read()).toEqual({ ...others, 'current-context': '' });
  expect(await removeFromKubeconfig(path, 'coxswain-dev')).toBe(false);
  expect(await readdir(join(folder, 'deep'))).toEqual(['config']);
});

test('a symbolic link stays one', async () => {
  const real = join(folder, 'real');
  await writeFile(real, '');
  await mkdir(join(folder, 'deep'));
  await symlink(real, path);
  await mergeKubeconfig(path, entry);
  expect(await readFile(real, 'utf8')).toBe(await readFile(path, 'utf8'));
});

test('what cannot be written or read is refused in one line', async () => {
  await writeFile(join(folder, 'deep'), 'a file where a folder has to be');
  await expect(checkKubeconfig(path)).rejects.toThrow(
    /^Cannot (read|write) the kubeconfig .* name another with --kubeconfig$/,
  );
  const broken = join(folder, 'broken');
  await writeFile(broken, 'a: [');
  await chmod(broken, 0o600);
  await expect(mergeKubeconfig(broken, entry)).rejects.toThrow(/as it is not valid YAML/);
  expect(await readFile(broken, 'utf8')).toBe('a: [');
});

test.each([
  ['nothing', ''],
  ['white space', ' \n\n'],
  ['comments alone', '# clusters:\n#   - none\n'],
  ['an empty document', '---\n'],
  ['null', 'null\n'],
  ['a comment and an empty document', '# mine\n---\n~\n---\n'],
  ['an empty mapping', '{}'],
  [
    'empty lists',
    'apiVersion: v1\nkind: Config\nclusters: null\ncontexts:\nusers: []\ncurrent-context: null\npreferences: null\n',
  ],
  ['no kind', 'kind:\napiVersion:\n'],
  ['empty items', 'clusters: [null]\ncontexts: [{name: x}, {name: y, context: null}]\nusers: [{}]\n'],
  ['a byte order mark', '\ufeff# mine\napiVersion: v1\n'],
  ['UTF-16', Buffer.from('\ufeffapiVersion: v1\n', 'utf16le')],
])('a kubeconfig that holds %s is merged into (fault 45)', async (_, content) => {
  await mkdir(join(folder, 'deep'));
  await writeFile(path, content);
  await checkKubeconfig(path);
  await mergeKubeconfig(path, entry);
  const merged = (await readKubeconfig(path))!;
  expect(merged).toMatchObject({ apiVersion: 'v1', kind: 'Config', 'current-context': 'coxswain-dev' });
  expect(entryIn(merged, entry.name)).toEqual({ server: entry.server, authority: entry.authority });
  expect(await removeFromKubeconfig(path, entry.name)).toBe(true);
});

test.each([
  ['two documents', 'kind: Config\n---\nkind: Config\n', /as it holds several documents: repair it/],
  ['a list of words', 'clusters: [one]\n', /as its clusters are no list of mappings: repair it/],
  ['a number that no double holds', 'a: 9007199254740993\n', /as of what it holds \(json: cannot unmarshal number/],
])('a kubeconfig that holds %s, which would be lost, is refused', async (_, content, why) => {
  await mkdir(join(folder, 'deep'));
  await writeFile(path, content);
  await expect(mergeKubeconfig(path, entry)).rejects.toThrow(why);
  expect(await readFile(path, 'utf8')).toBe(content);
});

test('a kubeconfig is read as kubectl reads it, and what is text stays text', async () => {
  await mkdir(join(folder, 'deep'));
  const text =
    'users: [{name: me, user: {token: "0400", password: "yes", exec: {args: ["on", "1_000", "~"], "yes": 1, "1": 2}}}]\n';
  await writeFile(path, `clusters: [{name: w, cluster: {insecure-skip-tls-verify: yes, a: 0400}}]\n${text}`);
  await mergeKubeconfig(path, entry);
  expect(await readKubeconfig(path)).toMatchObject({
    clusters: [{ name: 'w', cluster: { 'insecure-skip-tls-verify': true, a: 256 } }, {}],
    users: [{ user: { token: '0400', password: 'yes', exec: { args: ['on', '1_000', '~'], yes: 1, 1: 2 } } }, {}],
  });
});

test('what the person added to the context stays over a merge, unless it is that of another cluster (fault 46)', async () => {
  const context = async (): Promise<object> => contextFields((await readKubeconfig(path))!, entry.name);
  await mergeKubeconfig(path, { ...entry, context: { namespace: 'team-a' } });
  expect(await context()).toEqual({ namespace: 'team-a' });
  await mergeKubeconfig(path, { ...entry, server: 'https://127.0.0.1:7443' });
  expect(await context()).toEqual({ namespace: 'team-a' });
  await mergeKubeconfig(path, { ...entry, authority: 'another' });
  expect(await context()).toEqual({});
});

test('a cluster\u2019s own kubeconfig is for its owner alone and replaces a link that was put there (fault 63)', async () => {
  await mkdir(join(folder, 'deep'));
  const victim = join(folder, 'victim');
  await writeFile(victim, 'kept', { mode: 0o644 });
  await symlink(victim, path);
  await writeKubeconfig(path, kubeconfigOf(entry));
  expect(await readFile(victim, 'utf8')).toBe('kept');
  expect((await lstat(path)).isFile()).toBe(true);
  await chmod(path, 0o644);
  await writeKubeconfig(path, kubeconfigOf(entry));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});
