import type { HeapInfo } from 'node:v8';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { HostedContainer } from './hosted-container.ts';
import { MemoryWatch } from './memory-watch.ts';

const heap = { used_heap_size: 1_000_003, external_memory: 0, malloced_memory: 0 } as HeapInfo;

/** Of a thread whose pages are counted: this process's first. */
const container = {
  id: 1,
  threadId: process.pid,
  marker: 'none',
  hasChildren: false,
  memoryBytesMax: Number.MAX_SAFE_INTEGER,
  worker: { getHeapStatistics: async () => heap },
} as unknown as HostedContainer;

test('what a program uses is whole bytes, also once a part of what nothing explains has gone', async () => {
  const clock = new VirtualClock();
  let resident = 100_000_007;
  const watch = new MemoryWatch({
    clock,
    bytesMax: Number.MAX_SAFE_INTEGER,
    residentBytes: () => resident,
    containers: () => [container],
    end: (message) => expect.unreachable(message),
  });
  watch.started(container);
  // A look reads files, which take their own time.
  const usedOnce = async (holds: (bytes: number) => boolean): Promise<number> => {
    for (;;) {
      await clock.advance(50);
      await new Promise(setImmediate);
      const { memoryBytes } = await watch.statsOf(container);
      if (holds(memoryBytes)) return memoryBytes;
    }
  };
  resident = 300_000_011;
  const most = await usedOnce((bytes) => bytes > 100_000_000);
  resident = 190_000_003;
  const less = await usedOnce((bytes) => bytes < most);
  watch.stop();
  expect([most, less].filter((bytes) => !Number.isSafeInteger(bytes))).toEqual([]);
});
