import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { MigrationEffect, MigrationEvent } from '#pkg/vmm/migration/contract.ts';
import { createTarget } from '#pkg/vmm/migration/target.ts';
import { Drive } from './drive.ts';

const { figures } = createTarget({ accept: () => undefined });
const nothing = (): void => undefined;

/** An end that sends so many bytes when it begins and whenever all have gone; and what came out at the other side. */
function driven(more: { readonly bytes: number; readonly bandwidth: number }) {
  const clock = new VirtualClock();
  let made = 0;
  const on = (event: MigrationEvent): readonly MigrationEffect[] => {
    const hasRoom = event.type === 'start' || (event.type === 'sent' && event.waitingBytes === 0);
    if (!hasRoom) return [];
    made++;
    return [{ type: 'send', bytes: new Uint8Array(more.bytes), urgent: false }];
  };
  const [own, other] = duplexPair({ highWaterMark: 16 << 20 });
  let arrivedBytes = 0;
  other.on('data', (bytes: Buffer) => {
    arrivedBytes += bytes.length;
  });
  const drive = new Drive({
    ...{ end: { figures, on }, clock, bandwidth: more.bandwidth },
    ...{ does: nothing, lost: nothing },
  });
  drive.connected(own);
  drive.happened({ type: 'start' });
  return { clock, made: () => made, arrivedBytes: () => arrivedBytes };
}

test('no more is sent in any stretch of time than the bandwidth allows beside a burst, and no less where there is enough', async () => {
  const bandwidth = 1_000_000;
  const { clock, arrivedBytes } = driven({ bytes: 300_000, bandwidth });
  for (let ms = 0; ms < 500; ms++) {
    expect(arrivedBytes()).toBeLessThanOrEqual(65_536 + (ms * bandwidth) / 1000);
    await clock.advance(1);
  }
  expect(arrivedBytes()).toBeGreaterThan(450_000);
});

test('more is made when what there was has gone', async () => {
  const { made } = driven({ bytes: 100, bandwidth: 1e9 });
  for (let turn = 0; turn < 20 && made() < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(made()).toBeGreaterThanOrEqual(3);
});

test('an end that has much to do is given a turn after each rest, and another when its time has come', async () => {
  const clock = new VirtualClock();
  const turnsMs: number[] = [];
  const end = {
    figures,
    get isBusy() {
      return turnsMs.length < 4;
    },
    on: ({ type, nowMs }: MigrationEvent) => {
      if (type === 'tick') turnsMs.push(nowMs);
      return [];
    },
  };
  new Drive({ end, clock, does: nothing, lost: nothing }).happened({ type: 'start' });
  const beganMs = clock.monotonicMs();
  for (let ms = 0; ms < 30; ms++) await clock.advance(1);
  expect(turnsMs.map((ms) => ms - beganMs)).toEqual([2, 4, 6, 8, 18, 28]);
});
