/** On which NUMA nodes memory is: for containers alone, beside each other, and over restarts. */
import { expect, test } from 'vitest';
import type { Container, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { numaResourceConformance } from '../topology/conformance.ts';
import { maskOf } from '../topology/numa-hints.ts';
import type { MemoryNode } from './memory-state.ts';
import { StaticMemory } from './static-memory.ts';

const gi = 1024 ** 3;

/** Two nodes of 4Gi each, of which one is reserved of the first, and 1Gi of huge pages on the second. */
const nodes: readonly MemoryNode[] = [
  { id: 0, total: { memory: 4 * gi }, reserved: { memory: gi } },
  { id: 1, total: { memory: 4 * gi, 'hugepages-2Mi': gi }, reserved: {} },
];

const container = (name: string, memory: string, more: Readonly<Record<string, string>> = {}): Container => ({
  name,
  image: 'example.com/app:v1',
  resources: { requests: { memory, ...more }, limits: { memory, ...more } },
});

const pod = (uid: string, spec: Partial<PodSpec>, qosClass = 'Guaranteed'): Pod => ({
  metadata: { uid },
  spec: { containers: [], ...spec },
  status: { qosClass },
});

const one = (uid: string, memory: string, more: Readonly<Record<string, string>> = {}): Pod =>
  pod(uid, { containers: [container('app', memory, more)] });

const anywhere = { near: () => undefined, isNearOnly: false };
const on = (mask: number, isNearOnly = false) => ({ near: () => mask, isNearOnly });

/** `kind bytes@nodes` of each block. */
const has = (memory: StaticMemory, uid: string, name = 'app'): readonly string[] =>
  memory.of(uid, name).map(({ numaAffinity, size, type }) => `${type} ${size / gi}@${numaAffinity.join()}`);

const message = (why: string): string => `Allocate failed due to [memorymanager] ${why}, which is unexpected`;

test('each is on the fewest nodes that have as much, until none has', () => {
  const memory = new StaticMemory(nodes);
  for (const [uid, amount] of Object.entries({ a: '2Gi', b: '2Gi', c: '1Gi', d: '1Gi' }))
    expect(memory.allocate(one(uid, amount), anywhere)).toBeUndefined();
  expect(['a', 'b', 'c', 'd'].map((uid) => has(memory, uid))).toEqual([
    ['memory 2@0'],
    ['memory 2@1'],
    ['memory 1@0'],
    ['memory 1@1'],
  ]);
  expect(memory.allocate(one('e', '1Gi'), anywhere)).toEqual({
    reason: 'UnexpectedAdmissionError',
    message: message('failed to get the default NUMA affinity, no NUMA nodes with enough memory is available'),
  });
  expect([memory.has('e'), memory.release('b'), memory.allocate(one('e', '1Gi'), anywhere)]).toEqual([
    false,
    true,
    undefined,
  ]);
  expect(has(memory, 'e')).toEqual(['memory 1@1']);
});

test('nodes that are used together are used by nobody alone, and the other way round', () => {
  const memory = new StaticMemory(nodes);
  expect(memory.allocate(one('wide', '5Gi'), anywhere)).toBeUndefined();
  expect(has(memory, 'wide')).toEqual(['memory 5@0,1']);
  expect(memory.allocate(one('small', '1Gi'), anywhere)).toBeUndefined();
  expect(has(memory, 'small')).toEqual(['memory 1@0,1']);
  memory.release('wide');
  memory.release('small');
  expect(memory.allocate(one('small', '1Gi'), anywhere)).toBeUndefined();
  expect(memory.allocate(one('wide', '5Gi'), anywhere)).toMatchObject({ reason: 'UnexpectedAdmissionError' });
});

test('huge pages are where they are, with the memory of their container', () => {
  const memory = new StaticMemory(nodes);
  expect(memory.allocate(one('a', '1Gi', { 'hugepages-2Mi': '512Mi' }), anywhere)).toBeUndefined();
  expect(has(memory, 'a')).toEqual(['memory 1@1', 'hugepages-2Mi 0.5@1']);
  expect(memory.allocate(one('b', '1Gi', { 'hugepages-1Gi': '1Gi' }), anywhere)).toMatchObject({
    reason: 'UnexpectedAdmissionError',
  });
  expect(memory.givable).toEqual([
    { numaAffinity: [0], type: 'memory', size: 3 * gi },
    { numaAffinity: [1], type: 'memory', size: 3 * gi },
    { numaAffinity: [1], type: 'hugepages-2Mi', size: gi },
  ]);
});

test('what was agreed on is kept to, and what does not do is made larger or refused', () => {
  const memory = new StaticMemory(nodes);
  expect(memory.allocate(one('second', '1Gi'), on(maskOf([1])))).toBeUndefined();
  expect(has(memory, 'second')).toEqual(['memory 1@1']);
  memory.release('second');
  expect(memory.allocate(one('wide', '4Gi'), on(maskOf([1])))).toBeUndefined();
  expect(has(memory, 'wide')).toEqual(['memory 4@0,1']);
  memory.release('wide');
  expect(memory.allocate(one('both', '1Gi'), on(maskOf([0, 1])))).toBeUndefined();
  expect(has(memory, 'both')).toEqual(['memory 1@0,1']);
  expect(memory.allocate(one('late', '6Gi'), on(maskOf([1])))?.message).toBe(
    message('failed to find NUMA nodes to extend the current topology hint'),
  );
});

test('what an init container has, those after it have again; a sidecar keeps its own', () => {
  const memory = new StaticMemory(nodes);
  const sidecar = { ...container('side', '1Gi'), restartPolicy: 'Always' };
  const asking = pod('a', {
    initContainers: [container('init', '2Gi'), sidecar],
    containers: [container('app', '2Gi')],
  });
  expect(memory.allocate(asking, on(maskOf([0])))).toBeUndefined();
  expect([has(memory, 'a', 'init'), has(memory, 'a', 'side'), has(memory, 'a')]).toEqual([
    ['memory 0@0'],
    ['memory 1@0'],
    ['memory 2@0'],
  ]);
  expect(memory.allocate(one('b', '1Gi'), on(maskOf([0])))).toMatchObject({ reason: 'UnexpectedAdmissionError' });
  expect(memory.allocate(one('b', '1Gi'), anywhere)).toBeUndefined();
  expect(has(memory, 'b')).toEqual(['memory 1@1']);
});

test.each<[string, Pod]>([
  ['a pod that is not guaranteed', pod('a', { containers: [container('app', '1Gi')] }, 'Burstable')],
  ['a pod that asks for nothing', pod('a', { containers: [{ name: 'app' }] }, 'BestEffort')],
])('%s is kept to nothing', (_, asking) => {
  const memory = new StaticMemory(nodes);
  expect([memory.allocate(asking, anywhere), memory.has('a'), memory.wishedBy(asking)]).toEqual([
    undefined,
    false,
    undefined,
  ]);
});

test('what a pod wishes tells where it would do, container by container, and changes nothing', () => {
  const memory = new StaticMemory(nodes);
  const asking = pod('a', { containers: [container('one', '2Gi'), container('two', '2Gi')] });
  const wished = memory.wishedBy(asking);
  const either = [
    { mask: 1, isPreferred: true },
    { mask: 2, isPreferred: true },
    { mask: 3, isPreferred: false },
  ];
  expect(wished?.containers).toEqual(['one', 'two']);
  expect(wished?.hintsFor('one', [])).toEqual(either);
  expect(wished?.hintsForPod([])).toEqual([{ mask: 3, isPreferred: true }]);
  wished?.take('one', 2);
  expect(wished?.hintsFor('two', [])).toEqual([{ mask: 1, isPreferred: true }]);
  expect(memory.wishedBy(asking)?.hintsFor('two', [])).toEqual(either);
});

test('what was written down gives the same again, and what contradicts the machine is refused', () => {
  const memory = new StaticMemory(nodes);
  memory.allocate(one('a', '5Gi'), anywhere);
  const record = JSON.parse(JSON.stringify(memory.record()));
  expect(record).toMatchObject({
    policyName: 'Static',
    machineState: {
      0: {
        numberOfAssignments: 1,
        cells: [0, 1],
        memoryMap: {
          memory: { total: 4 * gi, systemReserved: gi, allocatable: 3 * gi, reserved: 3 * gi, free: 0 },
        },
      },
      1: { memoryMap: { memory: { reserved: 2 * gi, free: gi } } },
    },
    entries: { a: { app: [{ numaAffinity: [0, 1], type: 'memory', size: 5 * gi }] } },
  });
  const next = new StaticMemory(nodes);
  expect(next.restore(record)).toBeUndefined();
  expect([has(next, 'a'), next.record()]).toEqual([['memory 5@0,1'], record]);
  const [first = nodes[0], second = nodes[1]] = nodes;
  const smaller = new StaticMemory(
    first === undefined || second === undefined ? [] : [first, { ...second, total: { memory: gi } }],
  );
  expect(smaller.restore(record)).toBe('more memory is given of the NUMA nodes 0, 1 than they have');
  expect(new StaticMemory(nodes.slice(0, 1)).restore(record)).toBe('there is no memory of the NUMA nodes 0, 1');
  const block = { numaAffinity: [0], type: 'memory', size: 1 };
  for (const value of [
    undefined,
    { ...record, policyName: 'None' },
    { ...record, entries: { a: { app: 1 } } },
    { ...record, entries: { a: { app: [{ ...block, size: -1 }] } } },
    { ...record, entries: { a: { app: [{ ...block, numaAffinity: [40] }] } } },
  ])
    expect(new StaticMemory(nodes).restore(value)).toBe('it is no record of memory');
});

numaResourceConformance('memory', (wanted) => {
  const even = [0, 1].map((id) => ({ id, total: { memory: 2 * gi }, reserved: {} }));
  const made = wanted.map(({ container: app, isInit = false, parts }) => ({
    isInit,
    container: parts === 0 ? { name: app } : container(app, `${parts}Gi`),
  }));
  const of = (isInit: boolean) => made.flatMap((one) => (one.isInit === isInit ? [one.container] : []));
  const wished = new StaticMemory(even).wishedBy(pod('a', { initContainers: of(true), containers: of(false) }));
  if (wished === undefined) throw new Error('the pod wants nothing');
  return wished;
});
