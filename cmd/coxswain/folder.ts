/**
 * The data folder of a cluster:
 *
 *   cluster.json   what the cluster is made of, and which kubeconfig its context was merged into
 *   kubeconfig     the person's, standalone
 *   pki/  store/   keys and certificates; the API server's data
 *   store-id       the id of that store, which is in it too
 *   store-before-upgrade/, before-upgrade.snapshot   the store as it was before it was upgraded
 *   kubelet/       one folder per node
 *   images/        images of containers, and the roots made of them; block-io.yaml: classes of block I/O
 *   docker/        volumes of Docker's clients, and what a socket for them has in use; docker.sock: that socket
 *   registry/      what was pushed to the registry for development; registries.json: mirrors of others
 *   run/           one file per running process
 *   dashboard-code the code by which one signs in to the dashboard that runs with the cluster
 *   conf/  logs/   configuration and output of separate processes
 */

import { readFileSync } from 'node:fs';
import { readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import {
  type ClusterAddresses,
  type ClusterSettings,
  defaultSettings,
  settingsProblem,
} from '#pkg/cluster/settings.ts';
import { beforeUpgradeFile, beforeUpgradeFolder, restoringFolder, storeIdFile } from '#pkg/cluster/store-identity.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KeptFile } from './cluster-file/cluster-file.ts';
import { isName } from './world.ts';

/** The format of `cluster.json`, which changes with anything that an older program would misread. */
const recordFormat = 1;

/** What is kept about a cluster between starts. */
export interface ClusterRecord {
  /** Of the file; absent in those that were written before there were several. */
  readonly format?: number;
  readonly settings: ClusterSettings;
  /** The file that the context was merged into, while it is there. */
  readonly userKubeconfig?: string;
  /** Whether that file was made for it. */
  readonly madeKubeconfig?: boolean;
  /** Its current context before that. */
  readonly previousContext?: string;
  /** Addresses that objects in the store may still have, while the cluster is moved from them to those of its settings. */
  readonly renumberFrom?: readonly ClusterAddresses[];
  /** Least level that is logged, while it runs. */
  readonly logLevel?: string;
  /** What the person added to the context, such as a namespace: for the next start, as `down` takes the context away. */
  readonly context?: JsonObject;
  /** What a cluster file said beside the settings. */
  readonly file?: KeptFile;
  /** Address of the API server, while it runs. */
  readonly server?: string;
  /** That of the dashboard that runs with it. */
  readonly dashboard?: string;
}

/** The folder of one cluster: the places of its files, and its record. */
export class ClusterFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get kubeconfig(): string {
    return join(this.path, 'kubeconfig');
  }
  get pki(): string {
    return join(this.path, 'pki');
  }
  get run(): string {
    return join(this.path, 'run');
  }
  get conf(): string {
    return join(this.path, 'conf');
  }
  get dashboardCode(): string {
    return join(this.path, 'dashboard-code');
  }
  get logs(): string {
    return join(this.path, 'logs');
  }

  processFile(name: string): string {
    return join(this.run, `${name}.json`);
  }

  logFile(name: string): string {
    return join(this.logs, `${name}.log`);
  }

  /** Refuses a folder into which somebody else may put things, as keys are kept in it. One that is not there yet is fine. */
  async checkOwner(): Promise<void> {
    const info = await stat(this.path).catch(() => undefined);
    if (info === undefined || !info.isDirectory()) return;
    const own = process.getuid?.() ?? info.uid;
    if (info.uid !== own) {
      throw new UserError(
        `Cannot use ${this.path} as it belongs to another user (${info.uid}), who could read the keys in it: choose another with --data-dir`,
      );
    }
    if ((info.mode & 0o002) !== 0) {
      throw new UserError(
        `Cannot use ${this.path} as everybody may write into it (mode ${(info.mode & 0o777).toString(8)}): "chmod 700 ${this.path}", or choose another with --data-dir`,
      );
    }
  }

  async exists(): Promise<boolean> {
    try {
      return (await stat(this.path)).isDirectory();
    } catch {
      return false;
    }
  }

  /** What is known of the cluster; undefined when none was made here. */
  async read(): Promise<ClusterRecord | undefined> {
    let text: string;
    try {
      text = readFileSync(join(this.path, 'cluster.json'), 'utf8');
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
    const damaged = (cause: unknown): UserError =>
      new UserError(
        `Cannot read ${join(this.path, 'cluster.json')} as it is damaged: remove it to start with default settings on the same data`,
        cause,
      );
    let record: ClusterRecord;
    try {
      record = JSON.parse(text) as ClusterRecord;
    } catch (error) {
      throw damaged(error);
    }
    if (!isRecord(record)) throw damaged('it is no record of a cluster');
    const { format = recordFormat } = record;
    if (format > recordFormat)
      throw new UserError(
        `Cannot use the cluster in ${this.path} as a later version wrote it: its cluster.json has format ${format}, and this version knows up to ${recordFormat}`,
      );
    const settings = { ...defaultSettings, ...record.settings };
    const problem = settingsProblem(settings) ?? (isName(settings.name) ? undefined : 'name is no name');
    if (problem !== undefined) throw damaged(problem);
    return { ...record, settings };
  }

  async write(record: ClusterRecord): Promise<void> {
    await makeFolder(this.path);
    const path = join(this.path, 'cluster.json');
    const text = JSON.stringify({ ...record, format: recordFormat }, undefined, 2);
    await writeFile(`${path}.new`, `${text}\n`, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  /** Names in the folder; undefined when there is none. */
  async entries(): Promise<readonly string[] | undefined> {
    try {
      return await readdir(this.path);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  }

  /** Removes what is a cluster's, and the folder if that leaves it empty; gives the names of what else is in it. */
  async remove(): Promise<readonly string[]> {
    const others = await this.clear([]);
    if (others.length === 0) await rmdir(this.path).catch(ignoreMissing);
    return others;
  }

  /** Removes what is a cluster's but for `kept`; gives the names of what stays. */
  async clear(kept: readonly string[]): Promise<readonly string[]> {
    const entries = (await this.entries()) ?? [];
    const own = entries.filter((name) => ownEntries.has(name) && !kept.includes(name));
    await Promise.all(own.map((name) => rm(join(this.path, name), { recursive: true, force: true })));
    return entries.filter((name) => !own.includes(name));
  }
}

/** What a cluster keeps in its folder. Anything else that is there is not ours to remove. */
const ownEntries: ReadonlySet<string> = new Set([
  'block-io.yaml',
  'cluster.json',
  'cluster.json.new',
  'conf',
  'dashboard-code',
  'docker',
  'docker.sock',
  'images',
  'kubeconfig',
  'kubelet',
  'logs',
  'pki',
  'registries.json',
  'registry',
  'run',
  'store',
  restoringFolder,
  storeIdFile,
  beforeUpgradeFolder,
  beforeUpgradeFile,
]);

function isRecord(value: unknown): value is ClusterRecord {
  if (!isObject(value) || !isObject(value.settings)) return false;
  if (typeof (value.format ?? recordFormat) !== 'number') return false;
  if (!isObject(value.context ?? {}) || !isKeptFile(value.file)) return false;
  const origins = value.renumberFrom ?? [];
  const isOrigin = (one: unknown): boolean =>
    isObject(one) && settingsProblem({ ...defaultSettings, ...one }) === undefined;
  if (!Array.isArray(origins) || !origins.every(isOrigin)) return false;
  return [value.userKubeconfig, value.previousContext, value.server, value.logLevel].every(
    (text) => typeof (text ?? '') === 'string',
  );
}

function isKeptFile(value: unknown): boolean {
  if (value === undefined) return true;
  if (!isObject(value) || typeof value.processes !== 'boolean') return false;
  return [value.crds, value.manifests, value.addons].every(
    (one) => Array.isArray(one) && one.every((text) => typeof text === 'string'),
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
