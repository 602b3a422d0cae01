/**
 * Who hears of the ends of containers. Invariants: of each container that came to run an end is told once; while none runs, nobody looks. A runtime is looked at, as not
 * every one tells of events (containerd does from 1.7 on). Upstream counterpart: kubelet's generic PLEG.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { RuntimeContainer } from '../runtime.ts';
import type { ListedContainer } from './answers.ts';

/** Time between two looks. Source: kubelet `genericPlegRelistPeriod`, halved: who waits for a job hears of it sooner, and a look costs the runtime a millisecond. */
const periodMs = 500;

/** What it looks at. */
export interface ExitWatchOptions {
  readonly clock: Clock;
  /** What the runtime lists. */
  list(): Promise<readonly ListedContainer[]>;
  /** Looks at one, and tells `ended` of it; undefined for one that is gone. */
  look(id: string): Promise<RuntimeContainer | undefined>;
  /** Does what else is to be done from time to time about those that run. */
  tend(running: readonly ListedContainer[]): Promise<void>;
}

/** The watch. */
export class ExitWatch {
  readonly #options: ExitWatchOptions;
  readonly #running = new Set<string>();
  readonly #listeners = new Set<(container: RuntimeContainer) => void>();
  readonly #waiting = new Map<string, Set<(container: RuntimeContainer | undefined) => void>>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: ExitWatchOptions) {
    this.#options = options;
  }

  onExit(listener: (container: RuntimeContainer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** It runs. */
  began(id: string): void {
    this.#running.add(id);
    this.#arm();
  }

  /** It has ended; does nothing about one whose end was told. */
  ended(container: RuntimeContainer): void {
    if (!this.#running.delete(container.id)) return;
    for (const listener of this.#listeners) listener(container);
    this.#release(container.id, container);
  }

  /** Resolves when a container that came to run has ended: with undefined when it was taken away before anybody saw that, or nobody looks any more. */
  end(id: string): Promise<RuntimeContainer | undefined> {
    if (!this.#running.has(id)) return this.#options.look(id);
    return new Promise((resolve) => {
      const all = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, all.add(resolve));
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
    for (const id of this.#waiting.keys()) this.#release(id, undefined);
  }

  #arm(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#running.size === 0) return;
    this.#timer = this.#options.clock.setTimeout(() => void this.#lookAround(), periodMs);
  }

  async #lookAround(): Promise<void> {
    try {
      const all = await this.#options.list();
      const listed = new Map(all.map(({ id, state }) => [id, state]));
      for (const id of [...this.#running]) {
        if (listed.get(id) === 'running' || this.#isClosed) continue;
        if ((await this.#options.look(id)) !== undefined) continue;
        this.#running.delete(id);
        this.#release(id, undefined);
      }
      await this.#options.tend(all.filter(({ state }) => state === 'running'));
    } catch {
      // A runtime that does not answer is looked at again: what runs in it runs on.
    }
    this.#timer = undefined;
    this.#arm();
  }

  #release(id: string, container: RuntimeContainer | undefined): void {
    for (const resolve of this.#waiting.get(id) ?? []) resolve(container);
    this.#waiting.delete(id);
  }
}
