import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type ProcessMemory, returningMemory } from './memory.ts';

const mebibyte = 1024 * 1024;

test('memory is returned when it has grown and the process is quiet, and again once it has grown again', async () => {
  const clock = new VirtualClock();
  let resident = 100 * mebibyte;
  let busy = 0;
  let releases = 0;
  const memory: ProcessMemory = {
    residentBytes: () => resident,
    busyShare: () => busy,
    release() {
      releases++;
      resident = 120 * mebibyte;
    },
  };
  const done = Promise.withResolvers<void>();
  const running = returningMemory({ clock, signal: new AbortController().signal, memory }, () => done.promise);
  const seen: number[] = [];
  for (const [nextBusy, nextResident] of [
    [0, 100],
    [0.9, 400],
    [0.1, 400],
    [0.1, 150],
    [0.1, 152],
  ] as const) {
    busy = nextBusy;
    resident = nextResident * mebibyte;
    await clock.advance(5_000);
    seen.push(releases);
  }
  expect(seen).toEqual([0, 0, 1, 1, 2]);
  done.resolve();
  await running;
});
