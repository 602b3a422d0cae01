/**
 * Puts logs of running containers aside when they have grown, as a CRI runtime leaves that to the kubelet. Invariants: what was written is in one of the files; of those that
 * were put aside the newest are kept; a log that the runtime does not begin anew gets its name back. Upstream counterpart: kubelet `logs/container_log_manager.go`.
 */
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';

/** Source: kubelet defaults `containerLogMonitorInterval`, `containerLogMaxSize` and `containerLogMaxFiles`. */
const periodMs = 10_000;
const logBytesMax = 10 * 1024 * 1024;
const filesMax = 5;

/** A container that runs, and its log. */
export interface RotatedLog {
  readonly id: string;
  readonly path: string;
}

/** What it needs. */
export interface LogRotationOptions {
  readonly clock: Clock;
  /** Has the runtime open the log of a container anew. */
  reopen(id: string): Promise<void>;
  /** Default 10 MiB. */
  readonly bytesMax?: number;
}

/** The rotation. */
export class LogRotation {
  readonly #options: LogRotationOptions;
  #nextMs = 0;

  constructor(options: LogRotationOptions) {
    this.#options = options;
  }

  /** Looks at the logs, if it is time to. */
  async tend(logs: readonly RotatedLog[]): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + periodMs;
    for (const log of logs) await this.#look(log);
  }

  async #look({ id, path }: RotatedLog): Promise<void> {
    const { clock, reopen, bytesMax = logBytesMax } = this.#options;
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || found.size <= bytesMax) return;
    const stamp = new Date(clock.nowMs()).toISOString().replaceAll(/[-:]/g, '');
    const aside = `${path}.${stamp}`;
    await rename(path, aside);
    try {
      await reopen(id);
    } catch {
      // It is written to still, and looked at again.
      await rename(aside, path);
      return;
    }
    const prefix = `${basename(path)}.`;
    const old = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort();
    for (const name of old.slice(0, -(filesMax - 1))) await rm(join(dirname(path), name), { force: true });
  }
}
