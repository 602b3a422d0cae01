import { expect, test } from 'vitest';
import type { Pod, PodStatus } from '#pkg/api/types/core-v1.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { StatusManager, statusPatch } from './status-manager.ts';

const patch = (before: PodStatus, wanted: PodStatus) => statusPatch({ metadata: { uid: 'u' }, status: before }, wanted);

test.each<[string, PodStatus, PodStatus, unknown]>([
  ['nothing when nothing changed', { phase: 'Running' }, { phase: 'Running' }, undefined],
  [
    'only fields that changed',
    { phase: 'Pending', hostIP: 'h' },
    { phase: 'Running', hostIP: 'h' },
    { phase: 'Running' },
  ],
  ['null for a field that went', { phase: 'Failed', reason: 'Evicted' }, { phase: 'Failed' }, { reason: null }],
  [
    'null for what a condition no longer says',
    { conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady' }] },
    { conditions: [{ type: 'Ready', status: 'True' }] },
    { conditions: [{ type: 'Ready', status: 'True', reason: null }] },
  ],
  [
    'nothing for conditions in another order',
    {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'gate', status: 'True' },
      ],
    },
    {
      conditions: [
        { type: 'gate', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
    },
    undefined,
  ],
  [
    "a deletion for the kubelet's own conditions that are not wanted, and none for those of others",
    {
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'gate', status: 'True' },
      ],
    },
    { conditions: [] },
    { conditions: [{ type: 'PodScheduled', $patch: 'delete' }] },
  ],
  ['addresses as they are for a pod without', {}, { podIPs: [{ ip: 'a' }] }, { podIPs: [{ ip: 'a' }] }],
  [
    'other addresses in place of the old ones',
    { podIPs: [{ ip: 'a' }] },
    { podIPs: [{ ip: 'b' }] },
    { podIPs: [{ ip: 'b' }, { $patch: 'replace' }] },
  ],
  ['fields of others are left alone', { nominatedNodeName: 'n', phase: 'Running' }, { phase: 'Running' }, undefined],
])('the patch of a status has %s', (_, before, wanted, expected) => {
  expect(patch(before, wanted)).toEqual(
    expected === undefined ? undefined : { metadata: { uid: 'u' }, status: expected },
  );
});

test('a state that a watch has told takes the place of the same one that a write returned, and of no other', () => {
  const clock = new VirtualClock();
  const client = createClient({ transport: { request: new FakeApi().handle }, userAgent: 'test' });
  const statuses = new StatusManager({ client, clock, log: silentLogger });
  const podAt = (resourceVersion: string): Pod => ({ metadata: { name: 'a', uid: 'u', resourceVersion } });
  const [older, written, told] = [podAt('4'), podAt('5'), podAt('5')];
  statuses.set(written, { phase: 'Running' });
  expect(statuses.newest(older)).toBe(written);
  statuses.told(older);
  expect(statuses.newest(older)).toBe(written);
  statuses.told(told);
  expect(statuses.newest(older)).toBe(told);
  statuses.told(podAt('6'));
  expect(statuses.hasSeen(podAt('6'))).toBe(false);
});
