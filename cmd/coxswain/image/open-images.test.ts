import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { ClusterRegistry } from '../cluster-registry.ts';
import { ClusterFolder } from '../folder.ts';
import { systemWorld, type World } from '../world.ts';
import { placeOfImages } from './open-images.ts';

let home: string;
let world: World;
let registry: ClusterRegistry;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'open-images-'));
  world = { ...systemWorld(), environment: { COXSWAIN_HOME: join(home, 'home') } };
  registry = new ClusterRegistry(join(home, 'registry'));
});

afterEach(() => rmSync(home, { recursive: true }));

const inHome = (name: string): string => join(home, 'home', name);

async function makeCluster(folder: string, name: string): Promise<void> {
  const settings = { ...defaultSettings, name };
  await new ClusterFolder(folder).write({ settings });
  await registry.add(folder, settings);
}

const placeOf = (name: string, dataDir = ''): Promise<string> =>
  placeOfImages(world, { name, 'data-dir': dataDir }, registry);

test('images of a cluster by name are where the cluster is', async () => {
  const elsewhere = join(home, 'elsewhere');
  await makeCluster(elsewhere, 'blue');
  expect(await placeOf('blue')).toBe(elsewhere);
  expect(await placeOf('blue', '/data')).toBe('/data');
  await makeCluster(inHome('blue'), 'blue');
  expect(await placeOf('blue')).toBe(inHome('blue'));
});

test('those of a cluster that is nowhere yet are where it will be, and the default one is nobody else’s', async () => {
  await makeCluster(join(home, 'other'), defaultSettings.name);
  expect(await placeOf('green')).toBe(inHome('green'));
  expect(await placeOf(defaultSettings.name)).toBe(inHome(defaultSettings.name));
});

test('a name that several have is refused, with their folders', async () => {
  for (const folder of ['a', 'b']) await makeCluster(join(home, folder), 'blue');
  await expect(placeOf('blue')).rejects.toThrow(
    `Cannot tell which cluster blue is meant, as it is the name of those in ${join(home, 'a')}, ${join(home, 'b')}: say --data-dir`,
  );
});
