import { expect, test } from 'vitest';
import type { PodSpec } from '#pkg/api/types/core-v1.ts';
import type { ObjectMeta } from '#pkg/apimachinery/object.ts';
import { podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { Budgets } from '#pkg/scheduler/offline/rebalance.ts';
import { makePod } from '#pkg/testing/builders.ts';
import { whyItStays } from './shrink.ts';

const owned: ObjectMeta = {
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u', controller: true }],
};
const note = (name: string, value: string): ObjectMeta => ({
  annotations: { [`cluster-autoscaler.kubernetes.io/${name}`]: value },
});
const cache: Partial<PodSpec> = { volumes: [{ name: 'cache', emptyDir: {} }] };

test.each<readonly [string, ObjectMeta, Partial<PodSpec>, string | undefined]>([
  ['somebody makes it again', owned, {}, undefined],
  ['nobody makes it again', {}, {}, 'nobody would make default/web again'],
  ['nobody does, but it may be lost', note('safe-to-evict', 'true'), {}, undefined],
  ['it is not to be moved', { ...owned, ...note('safe-to-evict', 'false') }, {}, 'default/web is not safe to evict'],
  ['it has files there', owned, cache, 'default/web has files of the node in its volume cache'],
  [
    'it has files there that may be lost',
    { ...owned, ...note('safe-to-evict-local-volumes', 'x, cache') },
    cache,
    undefined,
  ],
  ['its files are in memory', owned, { volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }] }, undefined],
  [
    'it has a path of the node',
    owned,
    { volumes: [{ name: 'p', hostPath: { path: '/p' } }] },
    'default/web has files of the node in its volume p',
  ],
  [
    'it is of the system',
    { ...owned, namespace: 'kube-system' },
    {},
    'kube-system/web is of the system and has no budget',
  ],
])('whether a pod holds its node: %s', (_, meta, spec, expected) => {
  const pod = makePod('web').meta(meta).spec(spec).object;
  expect(whyItStays(podInfoOf(pod), new Budgets([]))).toBe(expected);
});

test('a pod of the system may go where a budget is about it', () => {
  const pod = makePod('dns').meta({ ...owned, namespace: 'kube-system', labels: { app: 'dns' } }).object;
  const budget = {
    metadata: { name: 'dns', namespace: 'kube-system' },
    spec: { selector: { matchLabels: { app: 'dns' } }, maxUnavailable: 1 },
  };
  expect(whyItStays(podInfoOf(pod), new Budgets([budget]))).toBeUndefined();
});
