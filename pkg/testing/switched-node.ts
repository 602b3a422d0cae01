/**
 * A node of a cluster for tests, which can be silenced as if the machine had lost power, and resumed. Its runtime goes on meanwhile, as
 * containers do without their kubelet.
 */
import { aborted, childSignal, Deferred } from '#pkg/base/async.ts';
import type { NodePart } from '#pkg/cluster/node-part.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FakeRuntime } from '#pkg/kubelet/runtime/fake/fake-runtime.ts';
import type { TestNode } from './cluster.ts';

export class SwitchedNode implements Component, TestNode {
  readonly name: string;
  readonly runtime: FakeRuntime;
  readonly #part: NodePart;
  readonly #settle: () => Promise<void>;
  readonly #failed = new Deferred<never>();
  #signal: AbortSignal = AbortSignal.abort();
  #running: { readonly controller: AbortController; readonly ended: Promise<void> } | undefined;

  /** `settle` lets everything happen that can without time passing. */
  constructor(part: NodePart, settle: () => Promise<void>) {
    this.#part = part;
    this.#settle = settle;
    this.name = part.nodeName;
    this.runtime = part.runtimes.fake as FakeRuntime;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#start();
    try {
      await Promise.race([aborted(signal), this.#failed.promise]);
    } finally {
      await this.#running?.ended;
      await this.#part.close();
    }
  }

  async silence(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.controller.abort();
    await this.#settle();
    await running.ended;
  }

  async resume(): Promise<void> {
    if (this.#running === undefined && !this.#signal.aborted) this.#start();
  }

  #start(): void {
    const { controller, dispose } = childSignal(this.#signal);
    const ended = this.#part
      .run(controller.signal)
      .catch((error: unknown) => this.#failed.reject(error))
      .finally(dispose);
    this.#running = { controller, ended };
  }
}
