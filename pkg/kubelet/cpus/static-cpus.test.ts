/** Whose processors are whose. */
import { expect, test } from 'vitest';
import type { Container, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { formatCpus } from './cpu-set.ts';
import { StaticCpus } from './static-cpus.ts';
import type { Cpu } from './take-cpus.ts';

const threads = (count: number, perCore = 1): readonly Cpu[] =>
  Array.from({ length: count }, (_, id) => ({
    id,
    core: `0/${Math.floor(id / perCore)}`,
    socket: '0',
    numa: 'node0',
  }));

function make(count = 4, more: { readonly wholeCores?: boolean; readonly perCore?: number } = {}): StaticCpus {
  return new StaticCpus({
    cpus: threads(count, more.perCore),
    reserved: [0],
    wholeCores: more.wholeCores === true,
  });
}

const container = (name: string, cpu: string, more: Partial<Container> = {}): Container => ({
  name,
  image: 'example.com/app:v1',
  resources: { requests: { cpu, memory: '1Mi' }, limits: { cpu, memory: '1Mi' } },
  ...more,
});

const pod = (uid: string, spec: Partial<PodSpec>, qosClass = 'Guaranteed'): Pod => ({
  metadata: { uid },
  spec: { containers: [], ...spec },
  status: { qosClass },
});

const has = (cpus: StaticCpus, uid: string, name = 'app'): string | undefined => {
  const own = cpus.of(uid, name);
  return own === undefined ? undefined : formatCpus(own);
};

test("whole processors are one container's alone, and others share the rest with what is reserved", () => {
  const cpus = make();
  expect(cpus.allocate(pod('a', { containers: [container('app', '2')] }))).toBeUndefined();
  expect([has(cpus, 'a'), formatCpus(cpus.shared)]).toEqual(['1-2', '0,3']);
  // What it has stays.
  expect(cpus.allocate(pod('a', { containers: [container('app', '3')] }))).toBeUndefined();
  expect(has(cpus, 'a')).toBe('1-2');
  expect([cpus.release('a'), cpus.release('a'), formatCpus(cpus.shared)]).toEqual([true, false, '0-3']);
});

test.each<[string, Pod]>([
  ['a part of one', pod('a', { containers: [container('app', '1500m')] })],
  ['less than one', pod('a', { containers: [container('app', '500m')] })],
  ['a pod that is not guaranteed', pod('a', { containers: [container('app', '1')] }, 'Burstable')],
  ['a pod that asks for nothing', pod('a', { containers: [{ name: 'app' }] }, 'BestEffort')],
])('%s shares', (_, asking) => {
  const cpus = make();
  expect(cpus.allocate(asking)).toBeUndefined();
  expect([cpus.has('a'), formatCpus(cpus.shared)]).toEqual([false, '0-3']);
});

test('a pod gets all that its containers ask for or nothing', () => {
  const cpus = make();
  const refusal = cpus.allocate(pod('a', { containers: [container('one', '2'), container('two', '2')] }));
  expect(refusal).toEqual({
    reason: 'UnexpectedAdmissionError',
    message:
      'Allocate failed due to not enough cpus available to satisfy request: requested=2, available=1, which is unexpected',
  });
  expect([cpus.has('a'), formatCpus(cpus.shared)]).toEqual([false, '0-3']);
});

test('what an init container has, those after it have again; a sidecar keeps its own', () => {
  const cpus = make(6);
  const spec = {
    initContainers: [
      container('first', '2'),
      container('second', '1'),
      container('sidecar', '1', { restartPolicy: 'Always' }),
    ],
    containers: [container('app', '2')],
  };
  expect(cpus.allocate(pod('a', spec))).toBeUndefined();
  expect(has(cpus, 'a', 'first')).toBe('1-2');
  expect(has(cpus, 'a', 'second')).toBe('1');
  expect(has(cpus, 'a', 'sidecar')).toBe('1');
  expect(has(cpus, 'a', 'app')).toBe('2-3');
  expect(formatCpus(cpus.shared)).toBe('0,4-5');
});

test('where only whole cores are given, a pod that asks for others is refused', () => {
  const cpus = make(8, { wholeCores: true, perCore: 2 });
  expect(cpus.allocate(pod('a', { containers: [container('app', '3')] }))).toEqual({
    reason: 'SMTAlignmentError',
    message: 'SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2',
  });
  expect(cpus.allocate(pod('b', { containers: [container('app', '2')] }))).toBeUndefined();
  expect(has(cpus, 'b')).toBe('2-3');
});

test('what was written down gives the same again', () => {
  const before = make(6);
  before.allocate(pod('a', { initContainers: [container('init', '2')], containers: [container('app', '1')] }));
  before.allocate(pod('b', { containers: [container('app', '1')] }));
  const record = before.record();
  expect(record).toMatchObject({ policyName: 'static', defaultCpuSet: formatCpus(before.shared) });
  const after = make(6);
  expect(after.restore(JSON.parse(JSON.stringify(record)))).toBeUndefined();
  expect(after.record()).toEqual(record);
  expect([has(after, 'a'), has(after, 'a', 'init'), has(after, 'b')]).toEqual(['1', '1-2', '3']);
});

test.each<[string, unknown]>([
  ['is no object', []],
  ['is of another policy', { policyName: 'none', defaultCpuSet: '0-3', entries: {} }],
  ['has no entries', { policyName: 'static', defaultCpuSet: '0-3' }],
  ['has an entry that is no list', { policyName: 'static', entries: { a: { app: 'x' } } }],
  ['has a pod that is none', { policyName: 'static', entries: { a: '1' } }],
  ['gives what is reserved', { policyName: 'static', entries: { a: { app: '0-1' } } }],
  ['gives what the machine has not', { policyName: 'static', entries: { a: { app: '9' } } }],
  ['gives something twice', { policyName: 'static', entries: { a: { app: '1' }, b: { app: '1-2' } } }],
])('what was written down and %s is refused, and nothing of it is taken', (_, value) => {
  const cpus = make();
  expect(cpus.restore(value)).toBeTypeOf('string');
  expect([cpus.podUids, formatCpus(cpus.shared)]).toEqual([[], '0-3']);
});
