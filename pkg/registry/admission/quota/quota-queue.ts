/**
 * Takes what writes use from the quotas of one namespace: all that came while the quotas were being written before are counted together and written
 * once, by compare-and-swap, so that many writers cost each quota few writes and none is counted from an old state.
 * Source: apiserver `admission/plugin/resourcequota` `quotaEvaluator`.
 */
import { type Amounts, addAmounts, amountsOf, listOf } from '#pkg/api/quota/amounts.ts';
import { resourceQuotas } from '#pkg/api/types/refs.ts';
import { staleVersion } from '#pkg/apimachinery/status-error.ts';
import { type RegistryWriter, type Reservation, readAll } from '#pkg/apiserver/strategy.ts';
import { Deferred } from '#pkg/base/async.ts';
import { chargeAll, type QuotaRequest, type QuotaState } from './charge.ts';
import type { QuotaBook } from './quota-book.ts';

/** How often quotas that others write at the same time are read anew. Each time somebody else's write succeeded. Upstream: 3. */
const attemptsMax = 20;

interface Waiting {
  readonly request: QuotaRequest;
  /** Only asks. */
  readonly dryRun: boolean;
  readonly answer: Deferred<Reservation | undefined>;
  readonly promises: Reservation[];
}

/** One change of one quota. */
interface Draw {
  readonly waiting: Waiting;
  readonly amounts: Amounts;
}

/** Whose quotas, and who is told when nobody is in the line. */
interface QuotaQueueOptions {
  readonly namespace: string;
  readonly registry: RegistryWriter;
  readonly book: QuotaBook;
  readonly idle: () => void;
}

/** The line of one namespace. Holds at most as many writes as the server has requests in flight. */
export class QuotaQueue {
  readonly #namespace: string;
  readonly #registry: RegistryWriter;
  readonly #book: QuotaBook;
  readonly #idle: () => void;
  #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(options: QuotaQueueOptions) {
    this.#namespace = options.namespace;
    this.#registry = options.registry;
    this.#book = options.book;
    this.#idle = options.idle;
  }

  /** Resolves once all quotas have what the write takes; rejects with Forbidden where one has not room for it. */
  take(request: QuotaRequest, dryRun: boolean): Promise<Reservation | undefined> {
    const waiting: Waiting = { request, dryRun, answer: new Deferred(), promises: [] };
    this.#waiting.push(waiting);
    // Never rejects: whoever waits is told.
    if (!this.#isBusy) void this.#drain();
    return waiting.answer.promise;
  }

  async #drain(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#takeAll(new Set(batch));
      } catch (error) {
        for (const waiting of batch) refuse(waiting, error);
      }
    }
    this.#isBusy = false;
    this.#idle();
  }

  async #takeAll(open: Set<Waiting>): Promise<void> {
    let failed: ReadonlySet<string> | undefined;
    for (let attempt = 1; attempt <= attemptsMax && open.size > 0; attempt++) {
      const all = await readAll(this.#registry, resourceQuotas, this.#namespace);
      const before = all
        .filter(({ metadata }) => failed?.has(metadata?.name ?? '') ?? true)
        .map((quota) => ({ quota, used: amountsOf(quota.status?.used) }));
      const { states, draws } = this.#count(before, open);
      failed = await this.#write(states, draws);
      if (failed.size > 0) continue;
      for (const { answer, promises } of open) answer.resolve(together(promises));
      return;
    }
    const [name = ''] = failed ?? [];
    for (const waiting of open) refuse(waiting, staleVersion(resourceQuotas, name));
  }

  /** Counts all that wait, one after the other; those that there is no room for are told and wait no more. */
  #count(
    before: readonly QuotaState[],
    open: Set<Waiting>,
  ): { readonly states: readonly QuotaState[]; readonly draws: readonly (readonly Draw[])[] } {
    let states = before;
    const draws: Draw[][] = before.map(() => []);
    for (const waiting of open) {
      try {
        const charged = chargeAll(states, waiting.request);
        if (waiting.dryRun) continue;
        states = charged.states;
        for (const [index, amounts] of charged.taken.entries())
          if (amounts.size > 0) draws[index]?.push({ waiting, amounts });
      } catch (error) {
        open.delete(waiting);
        refuse(waiting, error);
      }
    }
    return { states, draws };
  }

  /** Writes the quotas of which something is taken; returns the names of those that somebody else has changed. */
  async #write(states: readonly QuotaState[], draws: readonly (readonly Draw[])[]): Promise<ReadonlySet<string>> {
    const failed = new Set<string>();
    const writes = states.map(async ({ quota }, index) => {
      const own = draws[index] ?? [];
      if (own.length === 0) return;
      // Noted before the write: whoever sees its version has to find them.
      const noted = own.map(({ waiting, amounts }) => {
        const { subject, name, object } = waiting.request;
        return { waiting, promised: this.#book.promise(quota, { amounts, subject, name, object }) };
      });
      let used = amountsOf(quota.status?.used);
      for (const { amounts } of own) used = addAmounts(used, amounts);
      const draft = { ...quota, status: { ...quota.status, used: listOf(used) } };
      let written: unknown;
      try {
        written = await this.#registry.swap(resourceQuotas, quota, draft);
      } finally {
        for (const { waiting, promised } of noted) {
          if (written === undefined) promised.rollback();
          else waiting.promises.push(promised);
        }
      }
      if (written === undefined) failed.add(quota.metadata?.name ?? '');
    });
    await Promise.all(writes);
    return failed;
  }
}

function refuse({ answer, promises }: Waiting, error: unknown): void {
  void together(promises)?.rollback();
  answer.reject(error);
}

function together(promises: readonly Reservation[]): Reservation | undefined {
  if (promises.length === 0) return undefined;
  return {
    commit: () => {
      for (const promised of promises) promised.commit();
    },
    rollback: () => {
      for (const promised of promises) promised.rollback();
    },
  };
}
