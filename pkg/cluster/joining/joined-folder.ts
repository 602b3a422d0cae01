/** What a machine knows of the cluster that it has joined: one file, for its owner alone, as keys are in it. Replaced whole or not at all. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import type { BridgeSettings } from '../bridge-cluster.ts';

/** All that is known. */
export interface JoinedRecord {
  /** `https://host:port`. */
  readonly server: string;
  /** PEM of the cluster's authority. */
  readonly authority: string;
  readonly nodeName: string;
  readonly nodeAddress: string;
  /** Address of the machine by which the rest of the cluster is reached; absent where there are routes. */
  readonly via?: string;
  readonly runtime: string;
  readonly settings: BridgeSettings;
  /** By which the node is known. */
  readonly client: CertificatePair;
  /** What its kubelet answers with; absent while nobody has approved it. */
  readonly serving?: CertificatePair;
  readonly proxyToken: string;
}

/** The folder. */
export class JoinedFolder {
  readonly path: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /** Undefined where this machine has not joined. */
  async read(): Promise<JoinedRecord | undefined> {
    try {
      return JSON.parse(await readFile(this.#file, 'utf8'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(record: JoinedRecord): Promise<void> {
    await makeFolder(this.path);
    await writeFile(`${this.#file}.new`, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }

  /** Changes some of it, one change after another. */
  update(fields: Partial<JoinedRecord>): Promise<void> {
    const done = this.#last.then(async () => {
      const record = await this.read();
      if (record !== undefined) await this.write({ ...record, ...fields });
    });
    this.#last = done.catch(() => {});
    return done;
  }

  get #file(): string {
    return join(this.path, 'joined.json');
  }
}
