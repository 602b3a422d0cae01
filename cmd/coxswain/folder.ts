/**
 * The data folder of a cluster:
 *
 *   cluster.json   what the cluster is made of, and which kubeconfig its context was merged into
 *   kubeconfig     the person's, standalone
 *   pki/  store/   keys and certificates; the API server's data
 *   kubelet/       one folder per node
 *   run/           one file per running process
 *   conf/  logs/   configuration and output of separate processes
 */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '#cmd/common/errors.ts';
import { type ClusterSettings, defaultSettings } from '#pkg/cluster/settings.ts';

/** What is kept about a cluster between starts. */
export interface ClusterRecord {
  readonly settings: ClusterSettings;
  /** The file that the context was merged into, while it is there. */
  readonly userKubeconfig?: string;
  /** Its current context before that. */
  readonly previousContext?: string;
  /** Address of the API server, while it runs. */
  readonly server?: string;
}

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
  get logs(): string {
    return join(this.path, 'logs');
  }

  processFile(name: string): string {
    return join(this.run, `${name}.json`);
  }

  logFile(name: string): string {
    return join(this.logs, `${name}.log`);
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
      text = await readFile(join(this.path, 'cluster.json'), 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
    try {
      const record = JSON.parse(text) as ClusterRecord;
      return { ...record, settings: { ...defaultSettings, ...record.settings } };
    } catch (error) {
      throw new UserError(
        `Cannot read ${join(this.path, 'cluster.json')} as it is damaged: remove it to start with default settings on the same data`,
        error,
      );
    }
  }

  async write(record: ClusterRecord): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    const path = join(this.path, 'cluster.json');
    await writeFile(`${path}.new`, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  /** Removes everything. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
