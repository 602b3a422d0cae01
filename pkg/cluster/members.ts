/**
 * The components of a cluster in one process, run side by side; when one fails or ends by itself the rest stop. Those that are started as the
 * last stop after all others have.
 */
import { setMaxListeners } from 'node:events';
import { childSignal } from '#pkg/base/async.ts';
import type { Component } from '#pkg/component/component.ts';
import type { GroupHealth } from '#pkg/component/group-health.ts';
import { type HealthCheck, HealthChecks } from '#pkg/component/health.ts';

/** The components that run; `stopped` rejects with the first failure once all have stopped. */
export class Members {
  readonly health = new HealthChecks();
  readonly stopped: Promise<void>;
  readonly #others: { readonly controller: AbortController; readonly running: Promise<void>[] };
  readonly #last: { readonly controller: AbortController; readonly running: Promise<void>[] };
  #failure: { readonly error: unknown } | undefined;
  /** What is started once `release` is called; undefined where nothing is held back. */
  #held: (() => void)[] | undefined;
  readonly #finish: () => void;

  constructor(signal: AbortSignal) {
    const { controller } = childSignal(signal);
    this.#others = { controller, running: [] };
    this.#last = { controller: new AbortController(), running: [] };
    // Every component's own signal listens for the end.
    setMaxListeners(0, controller.signal, this.#last.controller.signal);
    let finish = (): void => {};
    const asked = new Promise<void>((resolve) => {
      finish = resolve;
    });
    this.#finish = finish;
    if (controller.signal.aborted) finish();
    else controller.signal.addEventListener('abort', () => finish(), { once: true });
    this.stopped = asked.then(() => this.#end());
    this.stopped.catch(() => {});
  }

  /** From now on what is started waits, until the function that is returned is called: then all of it begins at once, in the order in which it came. */
  hold(): () => void {
    const held: (() => void)[] = [];
    this.#held = held;
    return () => {
      this.#held = undefined;
      for (const begin of held) begin();
    };
  }

  /** Runs a component. Its health is a check of its own, or part of that of a group, which whoever made the group registers. */
  start(
    name: string,
    component: Component,
    options: { readonly last?: boolean; readonly check?: HealthCheck; readonly group?: GroupHealth } = {},
  ): void {
    const { controller, running } = options.last === true ? this.#last : this.#others;
    // One of its own: the cost of listening to a signal grows with the number of its listeners.
    const { signal } = childSignal(controller.signal).controller;
    const { group } = options;
    if (group === undefined) this.health.set(name, options.check ?? (() => undefined));
    else group.add(name);
    const ended = (failure: { readonly error: unknown } | undefined): void => {
      const why = failure?.error instanceof Error ? failure.error.message : 'it has ended';
      if (group === undefined) this.health.set(name, () => why);
      else group.fail(name, why);
      this.#ended(name, { why, signal, failure });
    };
    const begin = (): void => {
      const run = component.run(signal);
      running.push(
        run.then(
          () => ended(undefined),
          (error: unknown) => ended({ error }),
        ),
      );
    };
    if (this.#held === undefined) begin();
    else this.#held.push(begin);
  }

  async stop(): Promise<void> {
    this.#others.controller.abort();
    await this.stopped.catch(() => {});
  }

  #ended(name: string, end: { why: string; signal: AbortSignal; failure: { error: unknown } | undefined }): void {
    const { why, signal, failure } = end;
    if (failure !== undefined)
      this.#failure ??= { error: new Error(`${name} failed: ${why}`, { cause: failure.error }) };
    else if (!signal.aborted) this.#failure ??= { error: new Error(`${name} ended by itself`) };
    if (!signal.aborted) this.#others.controller.abort();
    this.#finish();
  }

  async #end(): Promise<void> {
    this.#others.controller.abort();
    await Promise.all(this.#others.running);
    this.#last.controller.abort();
    await Promise.all(this.#last.running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
