import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Clock } from '#pkg/base/clock.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { guestAddress } from '#pkg/vmm/host/user-network.ts';
import { restlessConfig } from '#pkg/vmm/migration/test-rig.ts';
import type { GuestStart } from './protocol.ts';
import { rehearse, rehearseOften } from './rehearsal.ts';

const kernelFile = new URL('../../../../vmm/guests/kernel/kernel.elf', import.meta.url);
const startOf = (given: Pick<GuestStart, 'kernel' | 'ports' | 'share'>): GuestStart => ({
  ...given,
  memoryBytes: 8 << 20,
  commandLine: `ip=${guestAddress}/24`,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  address: '127.0.0.1',
  waits: true,
});

/** How long a rehearsal takes, in virtual time; undefined: longer than is looked. */
async function rehearsed(given: Pick<GuestStart, 'kernel' | 'ports' | 'share'>) {
  const clock = new VirtualClock();
  const start = startOf(given);
  let tookMs: number | undefined;
  const done = rehearse({ start, clock }).then(() => {
    tookMs = clock.monotonicMs();
  });
  await clock.advance(5000);
  await done;
  // Whatever it has begun is over: no timer is left but those of connections that find it so.
  await clock.advance(1000);
  return tookMs;
}

test('a rehearsal is over when the machine has answered often enough', async () => {
  expect(await rehearsed({ kernel: readFileSync(kernelFile), ports: [8080] })).toBeLessThan(2000);
});

test('one that is calm rests as long as it runs', async () => {
  const virtual = new VirtualClock();
  // A slice takes three milliseconds.
  let workedMs = 0;
  const clock: Clock = {
    nowMs: () => virtual.nowMs() + workedMs,
    monotonicMs: () => virtual.monotonicMs() + workedMs,
    setTimeout: (callback, delayMs) => virtual.setTimeout(callback, delayMs),
    yield: () => {
      workedMs += 3;
      return virtual.yield();
    },
  };
  const start = startOf({ kernel: readFileSync(kernelFile), ports: [8080] });
  let restedMs = 0;
  const done = rehearse({ start, clock, answers: 20, isCalm: true }).then(() => {
    restedMs = virtual.monotonicMs();
  });
  await virtual.advance(5000);
  await done;
  expect(workedMs).toBeGreaterThan(10);
  expect(restedMs / workedMs).toBeGreaterThan(0.8);
});

test('a machine that never answers, or that nobody can ask, is not waited for', async () => {
  const { kernel } = restlessConfig({ regionKiB: 64, pause: 2000 });
  expect(await rehearsed({ kernel, ports: [] })).toBe(0);
  expect(await rehearsed({ kernel, ports: [8080], share: 0.02 })).toBe(2000);
});

test('a thread that is kept boots several times, and no more once there is a machine for it', async () => {
  const clock = new VirtualClock();
  const start = startOf({ kernel: readFileSync(kernelFile), ports: [8080] });
  const began = new AbortController();
  let [isOver, isOverAtOnce] = [false, false];
  void rehearseOften({ start, clock, signal: began.signal }).then(() => {
    isOver = true;
  });
  // One boot takes some ms of the guest's time.
  await clock.advance(1);
  expect(isOver).toBe(false);
  began.abort();
  await clock.advance(0);
  expect(isOver).toBe(true);
  void rehearseOften({ start, clock, signal: began.signal }).then(() => {
    isOverAtOnce = true;
  });
  await clock.advance(0);
  expect(isOverAtOnce).toBe(true);
});
