/** The parts of flow control that know no kind: hands, shares, demand, queues, estimates. */
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { parseRequestInfo } from '../request-info.ts';
import { dealHand, entropyBits } from './dealer.ts';
import { Demand } from './demand.ts';
import { QueueSet, type SeatQueue, type SeatRequest } from './queue-set.ts';
import { RetryAfter } from './retry-after.ts';
import { shareSeats } from './share-seats.ts';
import { WatchCounts } from './watch-counts.ts';
import { writeEstimate } from './work-estimate.ts';

describe('hands', () => {
  test('have different cards, the same for the same hash', () => {
    const random = new SeededRandom(7);
    for (let round = 0; round < 200; round++) {
      const hash = BigInt(Math.floor(random.next() * 2 ** 53)) * 2_047n;
      const hand = dealHand(hash, 64, 6);
      expect(new Set(hand).size).toBe(6);
      expect(hand.every((card) => card >= 0 && card < 64)).toBe(true);
      expect(dealHand(hash, 64, 6)).toEqual(hand);
    }
  });

  // Source: the way that apiserver `util/shufflesharding` counts, worked out by hand.
  test.each([
    [1n, 128, 1, [1]],
    [4294967295n, 128, 3, [127, 15, 113]],
    [7n, 8, 2, [7, 0]],
    [0n, 5, 5, [0, 1, 2, 3, 4]],
  ])('of %d from %d queues are %d: %j', (hash, deck, size, expected) => {
    expect(dealHand(hash, deck, size)).toEqual(expected);
  });

  test('take as many bits of the hash as they need', () => {
    expect([entropyBits(1_024, 6), entropyBits(512, 8)]).toEqual([60, 72]);
  });
});

// Source: apiserver `util/flowcontrol/conc_alloc_test.go`.
test.each([
  [
    'by what they aim at',
    100,
    [
      [20, 0, 100],
      [20, 0, 100],
      [10, 0, 100],
    ],
    [40, 40, 20],
  ],
  [
    'never below the lower bound',
    100,
    [
      [50, 20, 60],
      [50, 20, 100],
      [60, 55, 100],
    ],
    [22.5, 22.5, 55],
  ],
  [
    'never above the upper bound',
    100,
    [
      [20, 0, 30],
      [20, 0, 100],
      [10, 0, 100],
    ],
    [30, 46.67, 23.33],
  ],
  [
    'with nothing to choose below',
    30,
    [
      [10, 10, 20],
      [20, 20, 40],
    ],
    [10, 20],
  ],
  [
    'with nothing to choose above',
    60,
    [
      [10, 10, 20],
      [20, 20, 40],
    ],
    [20, 40],
  ],
  [
    'to those who aim at nothing too',
    10,
    [
      [0, 0, 10],
      [0, 0, 10],
    ],
    [5, 5],
  ],
])('seats are divided %s', (_how, total, wishes, expected) => {
  const shared = shareSeats(
    total,
    wishes.map(([target = 0, lower = 0, upper = 0]) => ({ target, lower, upper })),
  );
  expect(shared?.seats.map((seats) => Math.round(seats * 100) / 100)).toEqual(expected);
});

test('bounds that leave no way divide nothing', () => {
  expect(shareSeats(10, [{ target: 20, lower: 20, upper: 30 }])).toBeUndefined();
  expect(shareSeats(100, [{ target: 20, lower: 20, upper: 30 }])).toBeUndefined();
});

test('demand is weighed by time', () => {
  const demand = new Demand(0);
  demand.set(4, 10);
  demand.set(0, 20);
  expect(demand.reset(40)).toEqual({ durationMs: 40, average: 1, deviation: Math.sqrt(3), highest: 4 });
  expect(demand.reset(40)).toEqual({ durationMs: 0, average: 0, deviation: 0, highest: 0 });
});

// Source: apiserver `util/flowcontrol/dropped_requests_tracker_test.go`.
test('the more are turned away, the later they are told to come back, up to 32 seconds, and sooner again', () => {
  const retryAfter = new RetryAfter();
  const told: number[] = [];
  for (let second = 1_000; second < 1_100; second++) {
    for (let i = 0; i < 200; i++) told.push(retryAfter.turnedAway(second * 1_000));
  }
  expect(told[0]).toBe(1);
  expect(told.at(-1)).toBe(32);
  expect([...told].sort((a, b) => a - b)).toEqual(told);
  const later = [1, 2, 3].map((n) => retryAfter.turnedAway((1_200 + 100 * n) * 1_000));
  expect(later).toEqual([31, 30, 29]);
});

class Request implements SeatRequest {
  readonly name: string;
  readonly hand: readonly number[];
  readonly seats: number;
  readonly finalSeats: number;
  readonly lingerMs: number;
  readonly counts = {
    executing: { value: 0 },
    executingSeats: { value: 0 },
    waiting: { value: 0 },
    waitingSeats: { value: 0 },
  };
  queue: SeatQueue | undefined = undefined;
  arrivalR = 0;
  startMs = -1;
  releaseMs = 0;
  earlier: SeatRequest | undefined = undefined;
  later: SeatRequest | undefined = undefined;
  readonly #begun: string[];

  constructor(
    name: string,
    begun: string[],
    {
      hand = [],
      seats = 1,
      finalSeats = 0,
      lingerMs = 0,
    }: Partial<Pick<SeatRequest, 'finalSeats' | 'hand' | 'lingerMs' | 'seats'>> = {},
  ) {
    this.name = name;
    this.hand = hand;
    this.seats = seats;
    this.finalSeats = finalSeats;
    this.lingerMs = lingerMs;
    this.#begun = begun;
  }

  begin(): void {
    this.#begun.push(this.name);
  }
}

/** Serves all, each for `serviceMs`, and says in which order they began. */
function serveAll(set: QueueSet, requests: readonly Request[], begun: string[], serviceMs: number): readonly string[] {
  const byName = new Map(requests.map((request) => [request.name, request]));
  const running = requests.filter((request) => set.start(request, 0) === 'executes');
  const order = running.map(({ name }) => name);
  for (;;) {
    // The one that ends first: they all take as long.
    const done = running.shift();
    if (done === undefined) return order;
    set.finish(done, done.startMs + serviceMs);
    for (const name of begun.splice(0)) {
      order.push(name);
      const next = byName.get(name);
      if (next !== undefined) running.push(next);
    }
  }
}

describe('queues', () => {
  const two = { waiting: { queues: 2, lengthMax: 300 }, nowMs: 0 } as const;

  test('a flow with 200 requests does not hold up one with ten', () => {
    const begun: string[] = [];
    const set = new QueueSet({ ...two, limit: 1 });
    const noisy = Array.from({ length: 200 }, (_, n) => new Request(`noisy-${n}`, begun, { hand: [0] }));
    const quiet = Array.from({ length: 10 }, (_, n) => new Request(`quiet-${n}`, begun, { hand: [1] }));
    const order = serveAll(set, [...noisy, ...quiet], begun, 3);
    expect(order).toHaveLength(210);
    // Each in its turn: when the last of the ten is served, the noisy one has had its own turns and no more.
    const last = order.indexOf('quiet-9');
    expect(last).toBeLessThanOrEqual(21);
    expect(order.slice(0, last).filter((name) => name.startsWith('noisy')).length).toBeLessThanOrEqual(11);
    expect(set.isIdle).toBe(true);
    expect(set.counts).toEqual({ executing: 0, waiting: 0, seatsInUse: 0 });
  });

  test('wide requests of one flow count for as many narrow ones of another', () => {
    const begun: string[] = [];
    const set = new QueueSet({ ...two, limit: 4 });
    const wide = Array.from({ length: 40 }, (_, n) => new Request(`wide-${n}`, begun, { hand: [0], seats: 4 }));
    const narrow = Array.from({ length: 40 }, (_, n) => new Request(`narrow-${n}`, begun, { hand: [1] }));
    const order = serveAll(set, [...wide, ...narrow], begun, 3);
    const last = order.indexOf('narrow-39');
    // By then both have had the same seats: one wide one for four narrow ones, give or take what had begun.
    const before = order.slice(0, last).filter((name) => name.startsWith('wide')).length;
    expect(before).toBeGreaterThanOrEqual(8);
    expect(before).toBeLessThanOrEqual(13);
  });

  test('a queue that is full refuses, but only while no seat is free', () => {
    const begun: string[] = [];
    const set = new QueueSet({ waiting: { queues: 1, lengthMax: 2 }, limit: 1, nowMs: 0 });
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Request(name, begun, { hand: [0] }));
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('four requests');
    expect([a, b, c, d].map((request) => set.start(request, 0))).toEqual(['executes', 'waits', 'waits', 'refused']);
    set.cancel(b, 1);
    expect(set.start(d, 1)).toBe('waits');
    set.finish(a, 2);
    expect(begun).toEqual(['c']);
    set.finish(c, 3);
    set.finish(d, 4);
    expect(begun).toEqual(['c', 'd']);
    expect(set.isIdle).toBe(true);
  });

  test('one that is wider than all seats goes alone', () => {
    const begun: string[] = [];
    const set = new QueueSet({ ...two, limit: 2 });
    const small = new Request('small', begun, { hand: [0] });
    const huge = new Request('huge', begun, { hand: [1], seats: 5 });
    const next = new Request('next', begun, { hand: [0] });
    expect([small, huge, next].map((request) => set.start(request, 0))).toEqual(['executes', 'waits', 'executes']);
    set.finish(small, 1);
    expect(begun).toEqual([]);
    set.finish(next, 2);
    expect(begun).toEqual(['huge']);
    set.finish(huge, 3);
    expect(set.counts).toEqual({ executing: 0, waiting: 0, seatsInUse: 0 });
  });

  test('seats linger for the work that is left behind, and say until when', () => {
    const begun: string[] = [];
    const set = new QueueSet({ ...two, limit: 2 });
    const write = new Request('write', begun, { hand: [0], finalSeats: 2, lingerMs: 50 });
    const read = new Request('read', begun, { hand: [1] });
    set.start(write, 0);
    expect(set.start(read, 1)).toBe('waits');
    set.finish(write, 10);
    expect(begun).toEqual([]);
    expect(set.nextReleaseMs).toBe(60);
    set.advance(59);
    expect(begun).toEqual([]);
    set.advance(60);
    expect(begun).toEqual(['read']);
    expect(set.nextReleaseMs).toBeUndefined();
    set.finish(read, 61);
    expect(set.demand.reset(61).highest).toBe(3);
  });

  test('without queues who finds no seat is refused, and exempt ones never are', () => {
    const set = new QueueSet({ waiting: 'reject', limit: 1, nowMs: 0 });
    const [a, b] = [new Request('a', []), new Request('b', [])];
    expect([set.start(a, 0), set.start(b, 0)]).toEqual(['executes', 'refused']);
    set.finish(a, 1);
    expect(set.start(b, 1)).toBe('executes');
    const exempt = new QueueSet({ waiting: 'exempt', limit: 0, nowMs: 0 });
    expect([exempt.start(a, 0), exempt.start(new Request('c', []), 0)]).toEqual(['executes', 'executes']);
  });

  test('fewer queues serve what waits in those that are too many, and go then', () => {
    const begun: string[] = [];
    const set = new QueueSet({ ...two, limit: 1 });
    const [a, b] = [new Request('a', begun, { hand: [1] }), new Request('b', begun, { hand: [1] })];
    set.start(a, 0);
    set.start(b, 0);
    set.configure({ queues: 1, lengthMax: 1 }, 1, 1);
    expect(set.queues).toHaveLength(2);
    set.finish(a, 2);
    expect(begun).toEqual(['b']);
    set.finish(b, 3);
    expect(set.queues).toHaveLength(1);
  });

  test('never gives more seats than there are, nor loses a request, whatever comes', () => {
    const random = new SeededRandom(3);
    const begun: string[] = [];
    const limit = 7;
    const set = new QueueSet({ waiting: { queues: 8, lengthMax: 5 }, limit, nowMs: 0 });
    const all = new Map<string, Request>();
    const waiting = new Set<string>();
    const running = new Set<string>();
    const pick = (from: ReadonlySet<string>): Request | undefined =>
      all.get([...from][Math.floor(random.next() * from.size)] ?? '');
    let ended = 0;
    let refused = 0;
    const moved = (): void => {
      for (const name of begun.splice(0)) {
        expect(waiting.delete(name)).toBe(true);
        running.add(name);
      }
    };
    for (let nowMs = 0; nowMs < 5_000; nowMs += random.next() * 2) {
      const choice = random.next();
      if (choice < 0.5) {
        const name = `r${all.size}`;
        const lingers = random.next() < 0.2;
        const request = new Request(name, begun, {
          hand: [Math.floor(random.next() * 8)],
          seats: 1 + Math.floor(random.next() * 3),
          ...(lingers ? { finalSeats: 3, lingerMs: 5 } : {}),
        });
        all.set(name, request);
        const started = set.start(request, nowMs);
        if (started === 'executes') running.add(name);
        else if (started === 'waits') waiting.add(name);
        else refused++;
      } else if (choice < 0.9) {
        const done = pick(running);
        if (done !== undefined) {
          running.delete(done.name);
          ended++;
          set.finish(done, nowMs);
        }
      } else if (choice < 0.95) {
        const tired = pick(waiting);
        if (tired !== undefined) {
          waiting.delete(tired.name);
          ended++;
          set.cancel(tired, nowMs);
        }
      } else set.advance(nowMs);
      moved();
      expect(set.counts.seatsInUse).toBeLessThanOrEqual(limit);
      expect([set.counts.waiting, set.counts.executing]).toEqual([waiting.size, running.size]);
    }
    expect(ended + refused + waiting.size + running.size).toBe(all.size);
    expect(refused).toBeGreaterThan(0);
  });
});

test('the work of a write grows with its watches and is never wider than its level allows', () => {
  const one = { seats: 1, finalSeats: 0, lingerMs: 0 };
  expect(writeEstimate(9, 0)).toEqual(one);
  expect(writeEstimate(25, 0)).toEqual({ seats: 1, finalSeats: 3, lingerMs: 0.25 });
  expect(writeEstimate(200, 0)).toEqual({ seats: 1, finalSeats: 10, lingerMs: 0.5 });
  expect(writeEstimate(200, 4)).toEqual({ seats: 1, finalSeats: 4, lingerMs: 1.25 });
});

test('watches of the resource, the namespace and the object are told of a change', () => {
  const counts = new WatchCounts();
  const watch = (path: string, query = 'watch=1'): (() => void) => counts.add(parseRequestInfo('GET', path, query));
  const ends = [
    watch('/api/v1/pods'),
    watch('/api/v1/namespaces/a/pods'),
    watch('/api/v1/namespaces/a/pods', 'watch=1&fieldSelector=metadata.name%3Dp'),
    watch('/api/v1/namespaces/b/pods'),
    watch('/api/v1/configmaps'),
  ];
  const interested = (method: string, path: string): number => counts.interestedIn(parseRequestInfo(method, path, ''));
  expect(interested('PUT', '/api/v1/namespaces/a/pods/p')).toBe(3);
  expect(interested('POST', '/api/v1/namespaces/a/pods')).toBe(2);
  expect(interested('PUT', '/api/v1/namespaces/c/pods/p')).toBe(1);
  for (const end of ends) end();
  expect(interested('PUT', '/api/v1/namespaces/a/pods/p')).toBe(0);
});
