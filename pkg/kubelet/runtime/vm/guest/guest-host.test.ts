import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { GuestHost } from './guest-host.ts';

/** A thread that the machine has left, without connections. */
function relay() {
  const clock = new VirtualClock();
  const ends: number[] = [];
  const host = new GuestHost({
    start: {
      kernel: new Uint8Array(0),
      memoryBytes: 0,
      commandLine: '',
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      address: '127.0.0.1',
      ports: [],
      waits: true,
    },
    clock,
    tell: () => undefined,
    end: () => ends.push(clock.monotonicMs()),
  });
  host.left();
  return { clock, host, ends };
}

test('a relay without connections ends after ten seconds', async () => {
  const { clock, ends } = relay();
  await clock.advance(9_900);
  expect(ends).toEqual([]);
  await clock.advance(1_000);
  expect(ends).toHaveLength(1);
});

test('a relay that the machine is to come back to is there for it, as long as that may take and while it goes on', async () => {
  const { clock, host, ends } = relay();
  await clock.advance(9_000);
  host.awaits();
  await clock.advance(59_000);
  host.watch({ sliced: () => undefined, missing: () => undefined });
  await clock.advance(600_000);
  expect(ends).toEqual([]);
  // It came to nothing.
  host.watch(undefined);
  await clock.advance(9_000);
  expect(ends).toEqual([]);
  await clock.advance(2_000);
  expect(ends).toHaveLength(1);
});
