import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Gate, type Gated, type GateLimits } from './gate.ts';

/** A connection that says something at once when it is read from, as often as it has something to say. */
class Client implements Gated {
  isBusy = false;
  isRead = true;
  /** How often it had its turn. */
  turns = 0;
  #said: (() => void) | undefined;

  read(isRead: boolean): void {
    this.isRead = isRead;
    if (!isRead) return;
    this.turns++;
    this.#said?.();
  }

  says(what: () => void): void {
    this.#said = what;
  }
}

/** Says when others may have their turn. */
class WatchedClock extends VirtualClock {
  onYield = (): void => {};

  override yield(): Promise<void> {
    this.onYield();
    return super.yield();
  }
}

const limits = { least: 8, most: 32 };

function setUp(count: number, gateLimits: GateLimits = limits) {
  const clock = new WatchedClock();
  const gate = new Gate(clock, gateLimits);
  const clients = Array.from({ length: count }, () => new Client());
  for (const client of clients) gate.add(client);
  const read = (): number => clients.filter(({ isRead }) => isRead).length;
  return { clock, gate, clients, read };
}

test('a few are always read from, and no time is spent on them', async () => {
  const { clock, read } = setUp(limits.least);
  await clock.advance(1_000);
  expect(read()).toBe(limits.least);
});

test('of many, some are read from at a time, and each has its turn', async () => {
  const { clock, clients, read } = setUp(1_000);
  for (let i = 0; i < 40; i++) {
    await clock.advance(10);
    expect(read()).toBeLessThanOrEqual(limits.most);
  }
  expect(Math.min(...clients.map(({ turns }) => turns))).toBeGreaterThan(0);
});

test('when all say something at once, a few are heard at a time, without time passing in between', async () => {
  const { clock, gate, clients } = setUp(1_000);
  await clock.advance(100);
  const times = new Set<number>();
  let heard = 0;
  for (const client of clients) {
    client.says(() => {
      heard++;
      times.add(clock.monotonicMs());
      gate.worked();
      gate.remove(client);
    });
  }
  const counts: number[] = [];
  clock.onYield = () => {
    if (heard > 0) counts.push(heard);
    heard = 0;
  };
  await clock.advance(100);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(900);
  expect(times.size).toBe(1);
  // They were silent for long, and turns had grown: the first ones find out that there are many.
  expect(Math.max(...counts)).toBeLessThanOrEqual(limits.most);
  expect(counts.slice(3, -3).every((count) => count <= limits.least)).toBe(true);
});

test('many that speak as soon as turns begin are heard a few at a time from the first turn on', async () => {
  const { clock, gate, clients } = setUp(1_000, { ...limits, waitsForWork: true });
  await clock.advance(1_000);
  let heard = 0;
  for (const client of clients) {
    client.says(() => {
      heard++;
      gate.worked();
      gate.remove(client);
    });
  }
  const counts: number[] = [];
  clock.onYield = () => {
    counts.push(heard);
    heard = 0;
  };
  for (let asked = 0; asked <= limits.least; asked++) gate.worked();
  await clock.advance(100);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(900);
  expect(Math.max(...counts)).toBeLessThanOrEqual(limits.least);
});

test('whoever is answered, or known, is read from whoever else there is', async () => {
  const { clock, gate, clients, read } = setUp(200);
  clients[0]!.isBusy = true;
  gate.remove(clients[1]!);
  for (let i = 0; i < 50; i++) {
    await clock.advance(5);
    expect([clients[0]!.isRead, clients[1]!.isRead]).toEqual([true, true]);
  }
  const held = clients.find(({ isRead }) => !isRead)!;
  gate.remove(held);
  expect(held.isRead).toBe(true);
  expect(read()).toBeLessThanOrEqual(limits.most + 3);
});

test('once there are few again, all are read from', async () => {
  const { clock, gate, clients, read } = setUp(100);
  await clock.advance(50);
  for (const client of clients.slice(limits.least)) gate.remove(client);
  await clock.advance(50);
  expect(read()).toBe(100);
});

test('where turns wait for work, many are read from until more than a few of them speak at once, and again once they are silent', async () => {
  const { clock, gate, clients, read } = setUp(1_000, { ...limits, waitsForWork: true });
  await clock.advance(1_000);
  expect([read(), clients[0]!.turns]).toEqual([1_000, 0]);
  const heard = (count: number): void => {
    for (const client of clients.slice(0, count)) {
      client.isBusy = true;
      gate.worked();
    }
  };
  heard(limits.least);
  expect(read()).toBe(1_000);
  // They were few, and so are the next.
  await clock.advance(0);
  heard(limits.least);
  expect(read()).toBe(1_000);
  await clock.advance(0);
  heard(limits.least + 1);
  // At once, as what the others have sent is about to be read.
  expect(read()).toBe(limits.least + 1);
  await clock.advance(100);
  expect(read()).toBeLessThanOrEqual(limits.least + 1 + limits.most);
  expect(Math.min(...clients.slice(limits.least + 1).map(({ turns }) => turns))).toBeGreaterThan(0);
  await clock.advance(1_000);
  expect(read()).toBe(1_000);
});
