import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { MigrationEffect, MigrationEvent } from '#pkg/vmm/migration/contract.ts';
import { createTarget } from '#pkg/vmm/migration/target.ts';
import { Drive } from './drive.ts';
import { workingClock } from './test-clock.ts';

const { figures } = createTarget({ accept: () => undefined });
const nothing = (): void => undefined;

/** An end that sends so many bytes when it begins and whenever all have gone, each of which takes so long to make; and what came out at the other side. */
function driven(more: { readonly bytes: number; readonly bandwidth: number; makesMs?: number; isBusy?: boolean }) {
  const virtual = new VirtualClock();
  const { clock, work } = workingClock(virtual);
  let made = 0;
  const on = (event: MigrationEvent): readonly MigrationEffect[] => {
    const hasRoom = event.type === 'start' || (event.type === 'sent' && event.waitingBytes === 0);
    if (!hasRoom) return [];
    made++;
    work(more.makesMs ?? 0);
    return [{ type: 'send', bytes: new Uint8Array(more.bytes), urgent: false }];
  };
  const [own, other] = duplexPair({ highWaterMark: 16 << 20 });
  let arrivedBytes = 0;
  other.on('data', (bytes: Buffer) => {
    arrivedBytes += bytes.length;
  });
  const drive = new Drive({
    ...{ end: { figures, on }, clock, bandwidth: more.bandwidth },
    isGuestBusy: () => more.isBusy === true,
    ...{ does: nothing, lost: nothing },
  });
  drive.connected(own);
  drive.happened({ type: 'start' });
  return { virtual, made: () => made, arrivedBytes: () => arrivedBytes };
}

test('no more is sent in any stretch of time than the bandwidth allows beside a burst, and no less where there is enough', async () => {
  const bandwidth = 1_000_000;
  const { virtual, arrivedBytes } = driven({ bytes: 300_000, bandwidth });
  for (let ms = 0; ms < 500; ms++) {
    expect(arrivedBytes()).toBeLessThanOrEqual(65_536 + (ms * bandwidth) / 1000);
    await virtual.advance(1);
  }
  expect(arrivedBytes()).toBeGreaterThan(450_000);
});

test('a guest that has something to do has three times as long as what is sent took to make, before more is made', async () => {
  const { virtual, made } = driven({ bytes: 100, bandwidth: 1e9, makesMs: 4, isBusy: true });
  const afterMs = async (ms: number): Promise<number> => {
    await virtual.advance(ms);
    return made();
  };
  expect(await afterMs(11)).toBe(1);
  expect(await afterMs(1)).toBe(2);
  expect(await afterMs(11)).toBe(2);
  expect(await afterMs(1)).toBe(3);
});

test('beside one that has nothing to do it is made at once', async () => {
  const { made } = driven({ bytes: 100, bandwidth: 1e9, makesMs: 4 });
  for (let turn = 0; turn < 20 && made() < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(made()).toBeGreaterThanOrEqual(3);
});
