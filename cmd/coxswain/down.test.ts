import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { down } from './down.ts';
import { ClusterFolder } from './folder.ts';
import { kubeconfig } from './kubeconfig.ts';
import { systemWorld } from './world.ts';

let path: string;
let written: string;
const world = {
  ...systemWorld(),
  write: (text: string) => {
    written += text;
  },
};

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'down-'));
  written = '';
});

afterEach(() => rm(path, { recursive: true }));

test.each([
  ['lmdb', (folder: string) => `Its data stays in ${folder}.`],
  ['memory', (folder: string) => `Its objects were in memory and are gone; its keys and addresses stay in ${folder}.`],
])('what stays of a cluster in %s is said', async (store, said) => {
  await new ClusterFolder(path).write({ settings: { ...defaultSettings, store } });
  expect(await down(world, ['--data-dir', path])).toBe(0);
  expect(written).toBe(`Nothing ran of the cluster "dev". ${said(path)}\n`);
});

test.each(['--delete-data', '--purge'])('with %s nothing stays of a cluster', async (flag) => {
  const folder = join(path, 'data');
  await new ClusterFolder(folder).write({ settings: defaultSettings });
  const environment = { HOME: path, COXSWAIN_HOME: path };
  expect(await down({ ...world, environment }, ['--data-dir', folder, flag])).toBe(0);
  expect(written).toBe(`Nothing ran of the cluster "dev". Its data in ${folder} was removed.\n`);
  expect(await new ClusterFolder(folder).exists()).toBe(false);
});

test('who asks for the kubeconfig of a cluster that is not there is told how to start that one', async () => {
  const environment = { HOME: path, COXSWAIN_HOME: path };
  const asked = (...args: readonly string[]) => kubeconfig({ ...world, environment }, args);
  await expect(asked('--name', 'nope')).rejects.toThrow('start one with "coxswain up --name nope"');
  await expect(asked()).rejects.toThrow('start one with "coxswain up"');
});
