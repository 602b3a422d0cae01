import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { EtcdLeases } from './etcd-leases.ts';

function start() {
  const clock = new VirtualClock();
  const granted: number[] = [];
  const state = { refuses: false };
  const grant = async (seconds: number): Promise<number> => {
    if (state.refuses) throw new Error('refused');
    granted.push(seconds);
    return granted.length;
  };
  const leases = new EtcdLeases({ clock, grant });
  return { clock, granted, leases, state };
}

test('what is put within a minute shares a lease that outlives all of it', async () => {
  const { clock, granted, leases } = start();
  const hour = 3_600_000;
  expect(await Promise.all([leases.take(hour), leases.take(hour)])).toEqual([1, 1]);
  await clock.advance(60_000);
  expect(await leases.take(hour)).toBe(1);
  await clock.advance(1);
  expect(await leases.take(hour)).toBe(2);
  expect(granted).toEqual([3_660, 3_660]);
});

test('a short time has little to spare, and another time a lease of its own', async () => {
  const { granted, leases } = start();
  expect([await leases.take(2_000), await leases.take(100_000), await leases.take(2_000)]).toEqual([1, 2, 1]);
  expect(granted).toEqual([3, 105]);
});

test('a lease has at most a thousand keys', async () => {
  const { granted, leases } = start();
  const taken = await Promise.all(Array.from({ length: 2_500 }, () => leases.take(60_000)));
  const counts = [1, 2, 3].map((id) => taken.filter((each) => each === id).length);
  expect([granted.length, counts]).toEqual([3, [1_000, 1_000, 500]]);
});

test('a refusal is told to who asked, and the next one asks again', async () => {
  const { leases, state } = start();
  state.refuses = true;
  await expect(leases.take(60_000)).rejects.toThrow('refused');
  state.refuses = false;
  expect(await leases.take(60_000)).toBe(1);
});
