/**
 * Writes of many callers as few requests to etcd. While one transaction is under way those who come wait, and go together in the next: each is a transaction
 * in it with a comparison of its own, so that it happens or not whatever becomes of the others. A transaction is one entry of etcd's log, one sync of its
 * disk and one request, which is what writes cost there; who comes alone goes at once. Those who were answered together mostly write again soon: they are waited for, for a
 * part of the time that a transaction takes, as else the next would go with half of the writers, and the one after it with the other half. Where they do not come in that time, both halves going in
 * turns is the best that can be had, as this process works for one while etcd does for the other: then nobody is waited for until that was tried again. Only puts go together: of a deletion nothing is left that
 * could tell its place in a transaction, which a read in the midst of it has to know.
 *
 * Invariants: no key is twice in one transaction, and writes of one key go in the order in which they came. What etcd refuses whole because of one write is
 * asked for again one by one, as nothing of it has happened. A transaction that is not answered soon holds nobody up.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { GrpcError, grpcCodes } from '#pkg/grpc/grpc-error.ts';
import { type KeyValue, type PutOperation, StoreUnavailableError, type WriteOperation } from '../../store.ts';

/** Writes of one transaction. etcd takes 128 operations in all, of which each write has two and the transaction one for each. */
const writesMax = 100;
/** Bytes of their values, where there are several: etcd takes 1.5 MiB. A larger one goes alone. */
const bytesMax = 1024 * 1024;
/** Transactions under way before others wait for them. */
const underWayMax = 1;
/** After this time one counts no more: etcd may take seconds to say that a leader has lost it, and another has long gone on. */
const patienceMs = 200;
/** How long those who were answered are waited for: a share of what their transaction took, within limits. A timer counts whole milliseconds. */
const gatheringShare = 0.5;
const gatheringMsLeast = 1;
const gatheringMsMost = 5;
/** Waits in vain, one after the other, that count: after each twice as many transactions go without one as after that before. */
const inVainMax = 4;
/** Writes that wait. An API server has no more requests under way; beyond it writes fail at once. */
const waitingMax = 50_000;

/** One write, with the lease of its key. */
export interface EtcdWrite {
  readonly operation: WriteOperation;
  readonly lease: number | undefined;
}

/** One that goes together with others. */
export interface GroupedWrite extends EtcdWrite {
  readonly operation: PutOperation;
}

/** What has become of one: when it happened, its revision as it is shown; and what etcd has read of the key. */
export interface EtcdWriteResult {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly read: KeyValue | undefined;
}

/** How transactions are made. */
export interface WriteGroupsOptions {
  readonly clock: Clock;
  /** One transaction of writes to different keys; resolves with what became of each. */
  readonly send: (writes: readonly GroupedWrite[]) => Promise<readonly EtcdWriteResult[]>;
}

interface Waiting extends GroupedWrite {
  readonly resolve: (result: EtcdWriteResult) => void;
  readonly reject: (error: unknown) => void;
}

/** The writes of one store. */
export class WriteGroups {
  readonly #options: WriteGroupsOptions;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #isDue = false;
  /** While writers are waited for: until when, and how many writes make it whole. */
  #gathering: { readonly timer: Timer; readonly writes: number } | undefined;
  /** The last waits in vain, and transactions that go without a wait because of them. */
  #inVain = 0;
  #unwaited = 0;

  constructor(options: WriteGroupsOptions) {
    this.#options = options;
  }

  /** Rejects with what `send` does. */
  write(write: GroupedWrite): Promise<EtcdWriteResult> {
    if (this.#waiting.length >= waitingMax)
      return Promise.reject(new StoreUnavailableError(`Cannot write as ${waitingMax} writes wait for etcd already`));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...write, resolve, reject });
      if (this.#isDue || this.#underWay >= underWayMax) return;
      if (this.#gathering !== undefined) {
        if (this.#waiting.length < this.#gathering.writes) return;
        this.#inVain = 0;
      }
      this.#isDue = true;
      // What is written in the same moment goes together.
      queueMicrotask(() => this.#go());
    });
  }

  /** Waits for as many as were answered, and goes then. */
  #gather(answered: number, tookMs: number): void {
    const writes = Math.min(this.#waiting.length + answered, writesMax);
    const waitMs = Math.min(tookMs * gatheringShare, gatheringMsMost);
    if (writes <= 1 || this.#waiting.length >= writes || waitMs < gatheringMsLeast) {
      this.#go();
      return;
    }
    if (this.#unwaited > 0) {
      this.#unwaited--;
      this.#go();
      return;
    }
    const giveUp = (): void => {
      this.#inVain = Math.min(this.#inVain + 1, inVainMax);
      this.#unwaited = 2 ** this.#inVain;
      this.#go();
    };
    this.#gathering = { writes, timer: this.#options.clock.setTimeout(giveUp, waitMs) };
  }

  #go(): void {
    this.#isDue = false;
    this.#gathering?.timer.cancel();
    this.#gathering = undefined;
    while (this.#waiting.length > 0 && this.#underWay < underWayMax) void this.#run(this.#take());
  }

  /** The next ones that can go together. */
  #take(): readonly Waiting[] {
    const keys = new Set<string>();
    const group: Waiting[] = [];
    const rest: Waiting[] = [];
    let bytes = 0;
    for (const [i, write] of this.#waiting.entries()) {
      const { operation } = write;
      if (keys.size >= writesMax || (bytes > 0 && bytes + sizeOf(operation) > bytesMax)) {
        rest.push(...this.#waiting.slice(i));
        break;
      }
      if (keys.has(operation.key)) {
        rest.push(write);
        continue;
      }
      keys.add(operation.key);
      bytes += sizeOf(operation);
      group.push(write);
    }
    this.#waiting = rest;
    return group;
  }

  async #run(group: readonly Waiting[]): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    this.#underWay++;
    let isUnderWay = true;
    const release = (): void => {
      isUnderWay = false;
      this.#underWay--;
    };
    const timer = clock.setTimeout(() => {
      release();
      this.#go();
    }, patienceMs);
    await this.#settle(group);
    timer.cancel();
    if (!isUnderWay) return;
    release();
    this.#gather(group.length, clock.monotonicMs() - startMs);
  }

  async #settle(group: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.#options.send(group);
      for (const [i, { resolve, reject }] of group.entries()) {
        const result = results[i];
        if (result === undefined) reject(new StoreUnavailableError('Cannot tell what became of a write to etcd'));
        else resolve(result);
      }
    } catch (error) {
      if (group.length === 1 || !isAboutOne(error)) for (const { reject } of group) reject(error);
      else await Promise.all(group.map((write) => this.#settle([write])));
    }
  }
}

/** Roughly what a write adds to a request. */
function sizeOf(operation: PutOperation): number {
  return operation.key.length * 4 + 64 + operation.value.length;
}

/** Whether etcd may have refused a transaction for what is in one of its writes: a lease that has ended, a key that the user has no right to. */
function isAboutOne(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof GrpcError) || cause.isLost) return false;
  const { invalidArgument, notFound, permissionDenied } = grpcCodes;
  return cause.code === invalidArgument || cause.code === notFound || cause.code === permissionDenied;
}
