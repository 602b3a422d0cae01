import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { RecordedEvent } from '#pkg/client/event-recorder.ts';
import type { DriverVolumes } from './driver-volumes.ts';
import { memoryVolumeHost } from './volume-host.ts';
import { VolumeMeasures } from './volume-measures.ts';
import type { VolumeUsage } from './volume-usage.ts';

const pod: Pod = { metadata: { name: 'p', namespace: 'default', uid: 'u' } };
const bytes = { available: 6, total: 10, used: 4 };

/** Measures of a volume whose driver answers so, one call after the other, and then no more. */
function measuresOf(...answers: readonly VolumeUsage[]) {
  const clock = new VirtualClock();
  const left = [...answers];
  let calls = 0;
  const events: RecordedEvent[] = [];
  const drivers: DriverVolumes = {
    mount: async () => ({ path: '' }),
    mountOwn: async () => ({ path: '' }),
    usageOf: () => {
      calls++;
      const answer = left.shift();
      return answer === undefined ? new Promise(() => {}) : Promise.resolve(answer);
    },
    unmount: async () => {},
    podUids: async () => [],
  };
  const record = (_: Pod, event: RecordedEvent): void => void events.push(event);
  const measures = new VolumeMeasures({ clock, host: memoryVolumeHost(), drivers, record });
  measures.add(pod, { name: 'v', ephemeral: {} }, { path: '/v', measure: 'driver' });
  return { clock, measures, events, calls: () => calls };
}

test('a look counts for a minute, then the driver is asked again', async () => {
  const { clock, measures, calls } = measuresOf({ bytes }, { bytes: { ...bytes, used: 5 } });
  const timeMs = clock.nowMs();
  for (const _ of ['at once', 'again'])
    expect(await measures.usageOf('u')).toEqual([{ name: 'v', claimName: 'p-v', timeMs, bytes }]);
  expect(calls()).toBe(1);
  await clock.advance(60_000);
  expect(await measures.usageOf('u')).toMatchObject([{ bytes: { used: 5 }, timeMs: timeMs + 60_000 }]);
});

test('who asks of a driver that hangs is told what it said before, and it is asked no second time', async () => {
  const { clock, measures, calls } = measuresOf({ bytes });
  await measures.usageOf('u');
  await clock.advance(60_000);
  for (const _ of ['at once', 'again']) {
    const asked = measures.usageOf('u');
    await clock.advance(2_000);
    expect(await asked).toMatchObject([{ bytes }]);
  }
  expect(calls()).toBe(2);
});

test('what a driver says is wrong with a volume is an event of its pod each minute, until the pod is gone', async () => {
  const condition = { isAbnormal: true, message: 'bad blocks' };
  const { clock, measures, events } = measuresOf(
    { condition },
    { condition: { ...condition, isAbnormal: false } },
    { condition },
  );
  const running = measures.run(neverAborted);
  const event = { type: 'Warning', reason: 'VolumeConditionAbnormal', message: 'Volume v: bad blocks' };
  await clock.advance(1);
  expect(events).toEqual([event]);
  await clock.advance(60_000);
  expect(events).toEqual([event]);
  await clock.advance(60_000);
  expect(events).toEqual([event, event]);
  measures.forget('u');
  await clock.advance(600_000);
  expect([events.length, await measures.usageOf('u')]).toEqual([2, []]);
  void running;
});
