import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import type { ClusterEvent, EventRegistration } from '../framework/events.ts';
import { type PodInfo, podInfoOf } from '../model/pod-info.ts';
import { prioritySort } from '../plugins/priority-sort/priority-sort.ts';
import { schedulingGates } from '../plugins/scheduling-gates/scheduling-gates.ts';
import { SchedulingQueue } from './scheduling-queue.ts';

function makeQueue(events: readonly (readonly [string, readonly EventRegistration[]])[] = []) {
  const clock = new VirtualClock();
  const queue = new SchedulingQueue({
    clock,
    sort: prioritySort,
    preEnqueue: () => [schedulingGates],
    events: new Map([['SchedulingGates', schedulingGates.events], ...events]),
  });
  return { clock, queue, popNames: () => popAll(queue) };
}

function popAll(queue: SchedulingQueue): readonly string[] {
  const names: string[] = [];
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) names.push(entry.pod.pod.metadata!.name!);
  return names;
}

function info(name: string, priority = 0): PodInfo {
  return podInfoOf(makePod(name).meta({ uid: name }).spec({ priority }).object);
}

const nodeAdded: ClusterEvent = { resource: 'Node', action: 'Add', object: makeNode('n') };
const onNodeAdd: readonly EventRegistration[] = [{ resource: 'Node', actions: ['Add'] }];

test('pods come by priority, then in the order they were added', async () => {
  const { clock, queue, popNames } = makeQueue();
  queue.add(info('a'));
  queue.add(info('b'));
  await clock.advance(5);
  queue.add(info('c'));
  queue.add(info('urgent', 10));
  queue.delete('b');
  expect(popNames()).toEqual(['urgent', 'a', 'c']);
});

test('a failed pod returns after 1 s, doubling to 10 s', async () => {
  const { clock, queue } = makeQueue();
  queue.add(info('a'));
  const waitsMs: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    const entry = queue.pop()!;
    queue.failed(entry);
    const startMs = clock.nowMs();
    await clock.runUntil(() => queue.counts.active === 1);
    waitsMs.push(clock.nowMs() - startMs);
  }
  expect(waitsMs).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});

const throwing = (): never => {
  throw new Error('out of order');
};

test('a refused pod waits for an event that a plugin which refused it asked for', async () => {
  const { clock, queue, popNames } = makeQueue([
    ['Fit', onNodeAdd],
    ['Taints', [{ resource: 'Node', actions: ['UpdateNodeTaints'] }]],
    ['Picky', [{ resource: 'Node', actions: ['Add'], hint: () => 'Skip' }]],
    ['Broken', [{ resource: 'Node', actions: ['Add'], hint: throwing }]],
  ]);
  for (const name of ['fit', 'taints', 'picky', 'both', 'broken']) queue.add(info(name));
  queue.refused(queue.pop()!, new Set(['Fit']));
  queue.refused(queue.pop()!, new Set(['Taints']));
  queue.refused(queue.pop()!, new Set(['Picky']));
  queue.refused(queue.pop()!, new Set(['Picky', 'Fit']));
  queue.refused(queue.pop()!, new Set(['Broken']));
  await clock.advance(20_000);
  expect(popNames()).toEqual([]);
  queue.wake([nodeAdded]);
  expect(popNames()).toEqual(['fit', 'both', 'broken']);
});

test('a woken pod serves its back-off while others are active, and is tried early when none is', async () => {
  const { clock, queue, popNames } = makeQueue([['Fit', onNodeAdd]]);
  queue.add(info('a'));
  queue.refused(queue.pop()!, new Set(['Fit']));
  await clock.advance(400);
  queue.add(info('b'));
  queue.wake([nodeAdded]);
  await clock.advance(599);
  expect([queue.counts.backoff, queue.counts.active]).toEqual([1, 1]);
  await clock.advance(1);
  expect([queue.counts.backoff, popNames()]).toEqual([0, ['a', 'b']]);
  queue.add(info('c'));
  queue.refused(queue.pop()!, new Set(['Fit']));
  queue.wake([nodeAdded]);
  expect(popNames()).toEqual([]);
  await clock.advance(100);
  expect(popNames()).toEqual(['c']);
});

test('a refused pod for which room was made does not serve its back-off, unless its attempt failed', async () => {
  const made = new Set<string>();
  const clock = new VirtualClock();
  const events = new Map([['Fit', onNodeAdd]]);
  const queue = new SchedulingQueue({ clock, sort: prioritySort, events, isRoomMade: ({ uid }) => made.has(uid) });
  const refuse = (): void => queue.refused(queue.pop()!, new Set(['Fit']));
  queue.add(info('a'));
  refuse();
  queue.wake([nodeAdded]);
  queue.hurry('a');
  expect([queue.counts.backoff, popAll(queue)]).toEqual([1, []]);
  made.add('a');
  queue.hurry('a');
  const entry = queue.pop()!;
  queue.wake([nodeAdded]);
  queue.refused(entry, new Set(['Fit']));
  expect(queue.counts.active).toBe(1);
  queue.failed(queue.pop()!);
  queue.hurry('a');
  expect([queue.counts.errorBackoff, popAll(queue)]).toEqual([1, []]);
  queue.close();
});

test('only so many pods are tried early at once', async () => {
  const { clock, queue } = makeQueue([['Fit', onNodeAdd]]);
  const refuseAll = (): number => {
    let count = 0;
    for (let entry = queue.pop(); entry !== undefined; entry = queue.pop(), count++)
      queue.refused(entry, new Set(['Fit']));
    return count;
  };
  for (let index = 0; index < 60; index++) queue.add(info(`p${index}`));
  expect(refuseAll()).toBe(60);
  queue.wake([nodeAdded]);
  const tried: number[] = [];
  for (let tick = 0; tick < 6; tick++) {
    await clock.advance(100);
    tried.push(refuseAll());
  }
  expect(tried).toEqual([16, 16, 16, 12, 0, 0]);
});

test('of the pods whose back-offs end within one second, the more important comes first', async () => {
  const { clock, queue, popNames } = makeQueue([['Fit', onNodeAdd]]);
  queue.add(info('low'));
  queue.add(info('high', 10));
  const [high, low] = [queue.pop()!, queue.pop()!];
  await clock.advance(100);
  queue.refused(low, new Set(['Fit']));
  await clock.advance(800);
  queue.refused(high, new Set(['Fit']));
  queue.wake([nodeAdded]);
  await clock.advance(100);
  expect(popNames()).toEqual(['high', 'low']);
});

test('an attempt that failed is not tried early, and its back-off counts failures since the last refusal', async () => {
  const { clock, queue } = makeQueue([['Fit', onNodeAdd]]);
  queue.add(info('a'));
  for (let refusal = 0; refusal < 5; refusal++) {
    queue.refused(queue.pop()!, new Set(['Fit']));
    queue.wake([nodeAdded]);
    await clock.advance(100);
  }
  queue.failed(queue.pop()!);
  await clock.advance(999);
  expect([queue.counts.active, queue.counts.errorBackoff]).toEqual([0, 1]);
  await clock.advance(1);
  expect(queue.counts.active).toBe(1);
});

test('a pod that was refused keeps its turn before those that came after the refusal', async () => {
  const { clock, queue, popNames } = makeQueue([['Fit', onNodeAdd]]);
  queue.add(info('old'));
  queue.refused(queue.pop()!, new Set(['Fit']));
  await clock.advance(5_000);
  queue.add(info('new'));
  await clock.advance(5_000);
  queue.wake([nodeAdded]);
  expect(popNames()).toEqual(['old', 'new']);
});

test.each<{ readonly rule: string; readonly event: ClusterEvent; readonly expected: readonly string[] }>([
  { rule: 'one that may help the pod brings it back', event: nodeAdded, expected: ['a'] },
  { rule: 'one that nobody asked for does not', event: { resource: 'Node', action: 'Delete' }, expected: [] },
  {
    rule: 'the pod giving up its own place does not',
    event: { resource: 'AssignedPod', action: 'Delete', previous: info('a').pod },
    expected: [],
  },
  {
    rule: 'another pod giving up its place does',
    event: { resource: 'AssignedPod', action: 'Delete', previous: info('b').pod },
    expected: ['a'],
  },
])(
  'an event that comes while a pod is in flight is weighed when the pod is refused: $rule',
  async ({ event, expected }) => {
    const { clock, queue, popNames } = makeQueue([
      ['Fit', [...onNodeAdd, { resource: 'AssignedPod', actions: ['Delete'] }]],
    ]);
    queue.add(info('a'));
    const entry = queue.pop()!;
    queue.wake([event]);
    queue.refused(entry, new Set(['Fit']));
    await clock.advance(100);
    expect(popNames()).toEqual(expected);
  },
);

test('a change of one pod in flight says nothing of another', async () => {
  const onLabels: readonly EventRegistration[] = [{ resource: 'TargetPod', actions: ['UpdateLabels'] }];
  const { clock, queue, popNames } = makeQueue([['Fit', onLabels]]);
  queue.add(info('a'));
  queue.add(info('b'));
  const [a, b] = [queue.pop()!, queue.pop()!];
  queue.update(info('a'), [{ resource: 'TargetPod', action: 'UpdateLabels' }]);
  queue.refused(b, new Set(['Fit']));
  queue.refused(a, new Set(['Fit']));
  await clock.advance(100);
  expect(popNames()).toEqual(['a']);
});

test('a pod that missed more events than are kept is tried again', async () => {
  const { clock, queue, popNames } = makeQueue([['Fit', onNodeAdd]]);
  queue.add(info('a'));
  const entry = queue.pop()!;
  for (let count = 0; count <= 10_000; count++) queue.wake([{ resource: 'Node', action: 'Delete' }]);
  queue.refused(entry, new Set(['Fit']));
  await clock.advance(100);
  expect(popNames()).toEqual(['a']);
});

test('a pod that no plugin refused wants every event', async () => {
  const { clock, queue, popNames } = makeQueue();
  queue.add(info('a'));
  queue.refused(queue.pop()!, new Set());
  expect(popNames()).toEqual([]);
  queue.wake([{ resource: 'Namespace', action: 'Add' }]);
  await clock.advance(100);
  expect(popNames()).toEqual(['a']);
});

test('a pod that was refused five minutes ago is tried again without an event', async () => {
  const { clock, queue, popNames } = makeQueue([['Fit', onNodeAdd]]);
  queue.add(info('a'));
  queue.refused(queue.pop()!, new Set(['Fit']));
  await clock.advance(299_999);
  queue.flush();
  expect(popNames()).toEqual([]);
  await clock.advance(1);
  queue.flush();
  expect(popNames()).toEqual(['a']);
});

test('a gated pod is active once its gates are gone, and other updates do not wake a refused one', () => {
  const { queue, popNames } = makeQueue([['Fit', onNodeAdd]]);
  const gated = makePod('gated').meta({ uid: 'gated' });
  queue.add(podInfoOf(gated.spec({ schedulingGates: [{ name: 'g' }] }).object));
  expect([queue.counts.gated, popNames()]).toEqual([1, []]);
  queue.update(podInfoOf(gated.object), [{ resource: 'TargetPod', action: 'UpdatePodGatesEliminated' }]);
  const entry = queue.pop()!;
  queue.refused(entry, new Set(['Fit']));
  queue.update(podInfoOf(gated.labels({ a: 'b' }).object), []);
  queue.update(podInfoOf(gated.labels({ a: 'c' }).object), [{ resource: 'TargetPod', action: 'UpdateLabels' }]);
  expect([queue.counts.unschedulable, popNames()]).toEqual([1, []]);
});

test('a pod that is deleted in flight does not come back, and the name can be used again', async () => {
  const { clock, queue, popNames } = makeQueue();
  queue.add(info('a'));
  const entry = queue.pop()!;
  queue.delete('a');
  queue.failed(entry);
  queue.refused(entry, new Set());
  await clock.advance(60_000);
  expect(popNames()).toEqual([]);
  queue.add(info('a'));
  queue.done(entry);
  expect(popNames()).toEqual(['a']);
});

test('whoever waits is told of a pod and of the end', async () => {
  const { clock, queue } = makeQueue();
  const said: string[] = [];
  const wait = async (): Promise<void> => {
    await queue.waitActive();
    said.push(`active ${queue.counts.active}`);
  };
  const first = wait();
  await clock.settle();
  expect(said).toEqual([]);
  queue.add(info('a'));
  await first;
  queue.pop();
  const second = wait();
  queue.close();
  await second;
  expect(said).toEqual(['active 1', 'active 0']);
});
