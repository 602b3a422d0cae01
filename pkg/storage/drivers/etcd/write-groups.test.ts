import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { GrpcError, grpcCodes } from '#pkg/grpc/grpc-error.ts';
import { StoreUnavailableError } from '../../store.ts';
import { type EtcdWriteResult, type GroupedWrite, WriteGroups } from './write-groups.ts';

/** An etcd that answers when it is told to. */
class Etcd {
  readonly clock = new VirtualClock();
  readonly sent: string[][] = [];
  readonly #open: { resolve(results: readonly EtcdWriteResult[]): void; reject(error: Error): void }[] = [];
  readonly groups = new WriteGroups({ clock: this.clock, send: (writes) => this.#send(writes) });

  write(key: string, bytes = 1, lease?: number): Promise<EtcdWriteResult> {
    return this.groups.write({
      operation: { type: 'put', key, value: Buffer.alloc(bytes), ifModRevision: 0 },
      lease,
    });
  }

  /** Answers the oldest request: its writes have the revision and their places. */
  async answer(revision: number): Promise<void> {
    const keys = this.sent[this.sent.length - this.#open.length] ?? [];
    this.#open.shift()?.resolve(keys.map((_, i) => ({ succeeded: true, revision: revision + i, read: undefined })));
    await this.clock.settle();
  }

  async fail(error: Error): Promise<void> {
    this.#open.shift()?.reject(error);
    await this.clock.settle();
  }

  #send(writes: readonly GroupedWrite[]): Promise<readonly EtcdWriteResult[]> {
    this.sent.push(writes.map(({ operation }) => operation.key));
    return new Promise((resolve, reject) => this.#open.push({ resolve, reject }));
  }
}

function refusal(code: number, isLost = false): StoreUnavailableError {
  return new StoreUnavailableError('refused', new GrpcError('refused', { code, wasSent: true, isLost }));
}

test('who comes alone goes at once, and who comes meanwhile goes together, each with an answer of its own', async () => {
  const etcd = new Etcd();
  const first = etcd.write('a');
  await etcd.clock.settle();
  const others = ['b', 'c', 'd'].map((key) => etcd.write(key));
  await etcd.clock.settle();
  expect(etcd.sent).toEqual([['a']]);
  await etcd.answer(10);
  expect(etcd.sent).toEqual([['a'], ['b', 'c', 'd']]);
  await etcd.answer(20);
  const results = await Promise.all([first, ...others]);
  expect(results.map(({ revision }) => revision)).toEqual([10, 20, 21, 22]);
});

test('what is written in the same moment goes together', async () => {
  const etcd = new Etcd();
  const writes = ['a', 'b'].map((key) => etcd.write(key));
  await etcd.clock.settle();
  expect(etcd.sent).toEqual([['a', 'b']]);
  await etcd.answer(10);
  await Promise.all(writes);
});

test('no key is twice in one transaction, and writes of one key keep their order', async () => {
  const etcd = new Etcd();
  const writes = ['a', 'b', 'a', 'c', 'a'].map((key) => etcd.write(key));
  await etcd.clock.settle();
  await etcd.answer(10);
  await etcd.answer(20);
  await etcd.answer(30);
  expect(etcd.sent).toEqual([['a', 'b', 'c'], ['a'], ['a']]);
  expect((await Promise.all(writes)).map(({ revision }) => revision)).toEqual([10, 11, 20, 12, 30]);
});

test('a transaction has at most a hundred writes and a mebibyte, and what is larger goes alone', async () => {
  const etcd = new Etcd();
  const writes = Array.from({ length: 130 }, (_, i) => etcd.write(`n${i}`));
  const large = [1, 500_000, 500_000, 2_000_000, 1].map((bytes, i) => etcd.write(`large${i}`, bytes));
  for (let i = 0; i < 5; i++) {
    await etcd.clock.settle();
    await etcd.answer(10);
  }
  expect(etcd.sent.map((keys) => keys.length)).toEqual([100, 33, 1, 1]);
  await Promise.all([...writes, ...large]);
});

test('what is refused for one of them is asked one by one, and what is lost is not asked again', async () => {
  for (const [code, isLost, asked] of [
    [grpcCodes.notFound, false, 4],
    [grpcCodes.invalidArgument, false, 4],
    [grpcCodes.resourceExhausted, false, 1],
    [grpcCodes.unavailable, true, 1],
  ] as const) {
    const etcd = new Etcd();
    const writes = ['a', 'b', 'c'].map((key) => etcd.write(key));
    const outcomes = Promise.allSettled(writes);
    await etcd.clock.settle();
    await etcd.fail(refusal(code, isLost));
    expect(etcd.sent.length).toBe(asked);
    if (asked === 1) {
      expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      continue;
    }
    expect(etcd.sent.slice(1)).toEqual([['a'], ['b'], ['c']]);
    await etcd.answer(10);
    await etcd.fail(refusal(code));
    await etcd.answer(20);
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  }
});

test('those who were answered together are waited for, until all are there or for half as long as their transaction took', async () => {
  const etcd = new Etcd();
  const write = async (...keys: readonly string[]): Promise<void> => {
    for (const key of keys) void etcd.write(key);
    await etcd.clock.settle();
  };
  await write('a');
  await write('b');
  await etcd.clock.advance(4);
  await etcd.answer(10);
  // One waits, and one was answered.
  expect(etcd.sent).toEqual([['a']]);
  await write('c');
  expect(etcd.sent).toEqual([['a'], ['b', 'c']]);
  await etcd.clock.advance(4);
  await etcd.answer(20);
  await write('d');
  await etcd.clock.advance(1);
  expect(etcd.sent).toHaveLength(2);
  await etcd.clock.advance(1);
  expect(etcd.sent).toEqual([['a'], ['b', 'c'], ['d']]);
  await etcd.clock.advance(100);
  await etcd.answer(30);
  // Who was alone waits for nobody.
  await write('e');
  expect(etcd.sent).toEqual([['a'], ['b', 'c'], ['d'], ['e']]);
});

test('nobody is waited for longer than five milliseconds', async () => {
  const etcd = new Etcd();
  const writes = [etcd.write('a')];
  await etcd.clock.settle();
  writes.push(etcd.write('b'));
  await etcd.clock.advance(100);
  await etcd.answer(10);
  await etcd.clock.advance(4);
  expect(etcd.sent).toHaveLength(1);
  await etcd.clock.advance(1);
  expect(etcd.sent).toEqual([['a'], ['b']]);
  await etcd.answer(20);
  await Promise.all(writes);
});

test('after a wait in vain some transactions go without one, twice as many each time, until one was not in vain', async () => {
  const etcd = new Etcd();
  const writes = [etcd.write('first')];
  await etcd.clock.settle();
  const come = async (): Promise<void> => {
    writes.push(etcd.write(`key-${writes.length}`));
    await etcd.clock.settle();
  };
  /** One comes while a transaction is under way: whether more are waited for once that is answered. */
  const isWaited = async (): Promise<boolean> => {
    await come();
    await etcd.clock.advance(4);
    const before = etcd.sent.length;
    await etcd.answer(10 * writes.length);
    return etcd.sent.length === before;
  };
  for (const unwaited of [2, 4, 8, 16, 16]) {
    expect(await isWaited()).toBe(true);
    await etcd.clock.advance(2);
    for (let n = 0; n < unwaited; n++) expect(await isWaited()).toBe(false);
  }
  expect(await isWaited()).toBe(true);
  await come();
  expect(etcd.sent.at(-1)).toHaveLength(2);
  expect(await isWaited()).toBe(true);
  await etcd.clock.advance(2);
  for (let n = 0; n < 2; n++) expect(await isWaited()).toBe(false);
  await etcd.answer(1_000);
  await Promise.all(writes);
});

test('a transaction that is not answered soon holds nobody up', async () => {
  const etcd = new Etcd();
  const slow = etcd.write('a');
  await etcd.clock.settle();
  const next = etcd.write('b');
  await etcd.clock.advance(199);
  expect(etcd.sent).toEqual([['a']]);
  await etcd.clock.advance(1);
  expect(etcd.sent).toEqual([['a'], ['b']]);
  await etcd.answer(10);
  await etcd.answer(20);
  await Promise.all([slow, next]);
});
