/**
 * The clusters of one user of the machine, wherever their folders are: what has addresses and a port keeps them while its folder exists,
 * running or not. One file per cluster, so that commands at the same moment do not lose each other's entries; the cluster's own `cluster.json`
 * has the last word on what it has.
 *
 * Invariant: an entry is dropped only when its folder holds no cluster any more.
 */

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type ClusterSettings, defaultSettings, settingsProblem } from '#pkg/cluster/settings.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { ClusterFolder } from './folder.ts';
import { clustersHome, type World } from './world.ts';

/** A cluster whose folder was there when the registry was read. */
export interface RegisteredCluster {
  /** Its data folder. */
  readonly folder: string;
  readonly settings: ClusterSettings;
}

/**
 * Where the entries are: in the home that the system knows for this user, so that neither HOME nor COXSWAIN_HOME hides a cluster from
 * another; below `fallback` for a user without one.
 */
async function registryFolder(fallback: string): Promise<string> {
  const home = homeOfUser();
  const isThere = await stat(home).then(
    (info) => info.isDirectory(),
    () => false,
  );
  return join(isThere ? join(home, '.coxswain') : fallback, '.clusters');
}

/** The clusters of this user, wherever they are. */
export async function clusterRegistry(world: World): Promise<ClusterRegistry> {
  return new ClusterRegistry(await registryFolder(clustersHome(world)));
}

/** The home in the system's list of users; what HOME says for a user who is not in it. */
function homeOfUser(): string {
  try {
    return userInfo().homedir;
  } catch {
    return homedir();
  }
}

/** The registry in one folder; `path` is that folder, made with the first cluster. */
export class ClusterRegistry {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** All clusters whose folders are there, by folder; forgets the others. */
  async clusters(): Promise<readonly RegisteredCluster[]> {
    const names = await readdir(this.path).catch(() => []);
    const found = await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => this.#read(name)));
    return found.filter((one) => one !== undefined).sort((a, b) => (a.folder < b.folder ? -1 : 1));
  }

  /** Notes a cluster, or what has become of it. */
  async add(folder: string, settings: ClusterSettings): Promise<void> {
    const path = await this.#file(folder);
    await makeFolder(dirname(path));
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      await writeFile(temporary, `${JSON.stringify({ folder: resolve(folder), settings }, undefined, 2)}\n`, {
        mode: 0o600,
        flag: 'wx',
      });
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Forgets a cluster. */
  async remove(folder: string): Promise<void> {
    await rm(await this.#file(folder), { force: true });
  }

  async #read(name: string): Promise<RegisteredCluster | undefined> {
    const path = join(this.path, name);
    const entry = entryAt(path);
    if (entry === undefined) return undefined;
    try {
      const record = await new ClusterFolder(entry.folder).read();
      if (record !== undefined) return { folder: entry.folder, settings: record.settings };
      await rm(path, { force: true }).catch(() => {});
      return undefined;
    } catch {
      // A record that is damaged, or that cannot be read now, does not give away what the cluster had.
      return entry;
    }
  }

  /** The file of a cluster, named by its folder without symbolic links. */
  async #file(folder: string): Promise<string> {
    const real = await realpath(folder).catch(() => resolve(folder));
    return join(this.path, `${createHash('sha256').update(real).digest('hex').slice(0, 32)}.json`);
  }
}

/** Undefined for a file that cannot be read. They are small, and who starts a cluster reads all of them. */
function entryAt(path: string): RegisteredCluster | undefined {
  try {
    return entryOf(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function entryOf(text: string): RegisteredCluster | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value.folder !== 'string' || !isObject(value.settings)) return undefined;
  const settings = { ...defaultSettings, ...value.settings } as ClusterSettings;
  return settingsProblem(settings) === undefined ? { folder: value.folder, settings } : undefined;
}
