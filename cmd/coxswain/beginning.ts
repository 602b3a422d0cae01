/** Where a start began: what was there before, so that a start that fails leaves nothing else, and what still runs of the cluster. */

import { rmdir, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isStopped, type ProcessRecord, recordedProcesses, stateOf } from '#cmd/common/process-files.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { ask } from './ask.ts';
import type { ClusterFolder } from './folder.ts';
import type { World } from './world.ts';

/** Least space for a cluster's keys, its first objects and some logs. */
const spaceBytesMin = 16 << 20;
const lookIntervalMs = 25;
/** Longest wait for a process that lives to answer at all. */
const answerMsMax = 5_000;
const askMsMax = 1_000;

/** The data folder as it was before the start. */
export class Beginning {
  readonly #folder: ClusterFolder;
  readonly #entries: readonly string[];
  /** Folders that were not there, from the data folder upwards. */
  readonly #missing: readonly string[];
  #isOver = false;

  private constructor(folder: ClusterFolder, entries: readonly string[], missing: readonly string[]) {
    this.#folder = folder;
    this.#entries = entries;
    this.#missing = missing;
  }

  static async of(folder: ClusterFolder): Promise<Beginning> {
    const missing: string[] = [];
    let path = folder.path;
    while (path !== dirname(path) && !(await isThere(path))) {
      missing.push(path);
      path = dirname(path);
    }
    return new Beginning(folder, (await folder.entries()) ?? [], missing);
  }

  /** Fails when the disk has no room for a cluster. */
  async checkSpace(): Promise<void> {
    const { bavail, bsize, blocks } = await statfs(dirname(this.#missing.at(-1) ?? `${this.#folder.path}/x`)).catch(
      () => ({ bavail: 0, bsize: 0, blocks: 0 }),
    );
    const free = bavail * bsize;
    // Some file systems do not say how large they are.
    if (blocks === 0 || free >= spaceBytesMin) return;
    throw new UserError(
      `Cannot use ${this.#folder.path} as its disk is nearly full (${(free / 2 ** 20).toFixed(1)} MiB free): free some space, or choose another folder with --data-dir`,
    );
  }

  /** From now on `undo` does nothing. */
  succeeded(): void {
    this.#isOver = true;
  }

  /** Removes what came into the folder since, and the folders that were not there. */
  async undo(): Promise<void> {
    if (this.#isOver) return;
    await this.#folder.clear(this.#entries);
    for (const path of this.#missing) await rmdir(path).catch(() => {});
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    // Whatever else is wrong with the path, making the folder says it.
    return errorCode(error) !== 'ENOENT';
  }
}

/**
 * The processes that run of a cluster, once each of them is seen to: one that was killed is waited for until the system has taken back its ports and
 * locks, one that is just starting until it answers. One that lives and does not answer is an error: nothing can be started beside it.
 */
export async function settledProcesses(
  world: World,
  folder: ClusterFolder,
  startMsMax: number,
): Promise<readonly ProcessRecord[]> {
  const records = (await recordedProcesses(folder.run)).filter((record) => stateOf(record) !== 'gone');
  const settled = await Promise.all(records.map((record) => settle(world, { folder, record, startMsMax })));
  return settled.filter((record) => record !== undefined);
}

async function settle(
  world: World,
  options: { readonly folder: ClusterFolder; readonly record: ProcessRecord; readonly startMsMax: number },
): Promise<ProcessRecord | undefined> {
  const { folder, startMsMax } = options;
  const { name, pid } = options.record;
  const beganMs = world.clock.monotonicMs();
  for (;;) {
    const record = (await recordedProcesses(folder.run)).find((one) => one.name === name && one.pid === pid);
    if (record === undefined || stateOf(record) === 'gone') return undefined;
    if (isStopped(pid))
      throw new UserError(
        `Cannot start the cluster in ${folder.path} as it is paused: "coxswain unpause" lets it go on`,
      );
    const isStarting = record.healthz === undefined;
    if (!isStarting && stateOf(record) === 'alive' && (await answers(record.healthz))) return record;
    if (world.clock.monotonicMs() - beganMs >= (isStarting ? startMsMax : answerMsMax)) {
      throw new UserError(
        `Cannot use ${folder.path} as process ${pid} (${name}) holds it and does not answer: end it with "coxswain down --timeout 1s", or kill it`,
      );
    }
    await sleep(world.clock, lookIntervalMs);
  }
}

async function answers(healthz: string): Promise<boolean> {
  try {
    await ask(`${healthz}/livez?format=json`, AbortSignal.timeout(askMsMax));
    return true;
  } catch {
    return false;
  }
}
