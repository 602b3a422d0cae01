import { expect, test } from 'vitest';
import type { Affinity, Node, Pod, PodAffinityTerm } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import type { ClusterEvent } from '../../framework/events.ts';
import { filtered, hinted, scored, type TestCluster } from '../../framework/plugin-tester.ts';
import { createInterPodAffinity } from './inter-pod-affinity.ts';

const interPodAffinity = createInterPodAffinity({
  hardPodAffinityWeight: 1,
  ignorePreferredTermsOfExistingPods: false,
});

const node = (name: string, zone?: string): Node => ({
  ...makeNode(name),
  metadata: { name, labels: zone === undefined ? {} : { zone } },
});
const nodes = [node('a', 'z1'), node('b', 'z2'), node('c')];
const app = (name: string, label = name, namespace = 'default') =>
  makePod(name).meta({ uid: name, namespace }).labels({ app: label });
const near = (label: string, fields: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  labelSelector: { matchLabels: { app: label } },
  topologyKey: 'zone',
  ...fields,
});
const required = (...terms: readonly PodAffinityTerm[]) => ({
  requiredDuringSchedulingIgnoredDuringExecution: [...terms],
});
const preferred = (weight: number, podAffinityTerm: PodAffinityTerm) => ({
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }],
});
const wanting = (name: string, affinity: Affinity): Pod => app(name).spec({ affinity }).object;

const noAffinity = "UnschedulableAndUnresolvable: node(s) didn't match pod affinity rules";
const antiAffinity = "Unschedulable: node(s) didn't match pod anti-affinity rules";
const existing = "Unschedulable: node(s) didn't satisfy existing pods anti-affinity rules";
const everywhere = { a: 'Success', b: 'Success', c: 'Success' };

test.each<{
  readonly rule: string;
  readonly pod: Pod;
  readonly placed?: TestCluster['placed'];
  readonly namespaces?: TestCluster['namespaces'];
  readonly expected: Readonly<Record<string, string>>;
}>([
  { rule: 'no terms anywhere', pod: app('p').object, placed: { a: [app('db').object] }, expected: everywhere },
  {
    rule: 'near a pod: in its zone',
    pod: wanting('p', { podAffinity: required(near('db')) }),
    placed: { b: [app('db').object] },
    expected: { a: noAffinity, b: 'Success', c: noAffinity },
  },
  {
    rule: 'one pod must satisfy all terms',
    pod: wanting('p', { podAffinity: required(near('db'), near('cache')) }),
    placed: { a: [app('db').object, app('cache').object] },
    expected: { a: noAffinity, b: noAffinity, c: noAffinity },
  },
  {
    rule: 'the first of a group goes anywhere that has the key',
    pod: wanting('web', { podAffinity: required(near('web')) }),
    expected: { a: 'Success', b: 'Success', c: noAffinity },
  },
  {
    rule: 'away from a pod: not in its zone',
    pod: wanting('p', { podAntiAffinity: required(near('db')) }),
    placed: { a: [app('db').object] },
    expected: { a: antiAffinity, b: 'Success', c: 'Success' },
  },
  {
    rule: 'a pod there does not want this one near',
    pod: app('p').object,
    placed: { a: [wanting('shy', { podAntiAffinity: required(near('p')) })] },
    expected: { a: existing, b: 'Success', c: 'Success' },
  },
  {
    rule: 'pods of another namespace are not meant',
    pod: wanting('p', { podAntiAffinity: required(near('db')) }),
    placed: { a: [app('db', 'db', 'prod').object] },
    expected: everywhere,
  },
  {
    rule: 'unless it is named',
    pod: wanting('p', { podAntiAffinity: required(near('db', { namespaces: ['prod'] })) }),
    placed: { a: [app('db', 'db', 'prod').object], b: [app('own', 'db').object] },
    expected: { a: antiAffinity, b: 'Success', c: 'Success' },
  },
  {
    rule: 'or selected by its labels',
    pod: wanting('p', {
      podAntiAffinity: required(near('db', { namespaceSelector: { matchLabels: { stage: 'prod' } } })),
    }),
    placed: { a: [app('db', 'db', 'prod').object], b: [app('test', 'db', 'test').object] },
    namespaces: { prod: { stage: 'prod' }, test: { stage: 'test' } },
    expected: { a: antiAffinity, b: 'Success', c: 'Success' },
  },
  {
    rule: 'an empty selector of namespaces selects all',
    pod: wanting('p', { podAntiAffinity: required(near('db', { namespaceSelector: {} })) }),
    placed: { b: [app('db', 'db', 'unknown').object] },
    expected: { a: 'Success', b: antiAffinity, c: 'Success' },
  },
  {
    rule: 'only pods of the same revision, with matchLabelKeys',
    pod: makePod('p')
      .labels({ app: 'web', revision: '2' })
      .spec({ affinity: { podAntiAffinity: required(near('web', { matchLabelKeys: ['revision'] })) } }).object,
    placed: {
      a: [app('old', 'web').labels({ app: 'web', revision: '1' }).object],
      b: [app('new', 'web').labels({ app: 'web', revision: '2' }).object],
    },
    expected: { a: 'Success', b: antiAffinity, c: 'Success' },
  },
  {
    rule: 'a preference refuses nothing',
    pod: wanting('p', { podAntiAffinity: preferred(100, near('db')) }),
    placed: { a: [app('db').object] },
    expected: everywhere,
  },
])('filter: $rule', ({ pod, placed = {}, namespaces = {}, expected }) => {
  expect(filtered(interPodAffinity, pod, { nodes, placed, namespaces })).toEqual(expected);
});

test.each<{
  readonly rule: string;
  readonly pod: Pod;
  readonly placed: TestCluster['placed'];
  readonly expected: Readonly<Record<string, number>>;
}>([
  { rule: 'no terms anywhere', pod: app('p').object, placed: { a: [app('db').object] }, expected: {} },
  {
    rule: 'near is better, away is worse',
    pod: wanting('p', { podAffinity: preferred(10, near('db')), podAntiAffinity: preferred(5, near('cache')) }),
    placed: { a: [app('db').object], b: [app('cache').object] },
    expected: { a: 100, b: 0, c: 33 },
  },
  {
    rule: 'pods there have their preferences too, and what they required counts a little',
    pod: app('p').object,
    placed: {
      a: [wanting('fond', { podAffinity: preferred(10, near('p')) })],
      b: [wanting('bound', { podAffinity: required(near('p')) })],
    },
    expected: { a: 100, b: 10, c: 0 },
  },
  {
    rule: 'pods there that want it away',
    pod: app('p').object,
    placed: { a: [wanting('shy', { podAntiAffinity: preferred(1, near('p')) })] },
    expected: { a: 0, b: 100, c: 100 },
  },
])('score: $rule', ({ pod, placed = {}, expected }) => {
  expect(scored(interPodAffinity, pod, { nodes, placed })).toEqual(expected);
});

const event = (action: ClusterEvent['action'], previous?: Pod, object?: Pod): ClusterEvent => ({
  resource: 'AssignedPod',
  action,
  ...(previous === undefined ? {} : { previous }),
  ...(object === undefined ? {} : { object }),
});
const wantsDb = wanting('p', { podAffinity: required(near('db')) });
const fearsDb = wanting('p', { podAntiAffinity: required(near('db')) });
const shy = wanting('shy', { podAntiAffinity: required(near('p')) });
const [db, cache] = [app('db').object, app('cache').object];

test.each([
  { rule: 'whom it wants near comes', pod: wantsDb, happened: event('Add', undefined, db), expected: 'Queue' },
  { rule: 'somebody else comes', pod: wantsDb, happened: event('Add', undefined, cache), expected: 'Skip' },
  { rule: 'whom it wants away goes', pod: fearsDb, happened: event('Delete', db), expected: 'Queue' },
  { rule: 'somebody else goes', pod: fearsDb, happened: event('Delete', cache), expected: 'Skip' },
  { rule: 'whom it wants away comes', pod: fearsDb, happened: event('Add', undefined, db), expected: 'Skip' },
  { rule: 'who did not want it near goes', pod: app('p').object, happened: event('Delete', shy), expected: 'Queue' },
  {
    rule: 'somebody becomes whom it wants',
    pod: wantsDb,
    happened: event('UpdateLabels', cache, db),
    expected: 'Queue',
  },
  {
    rule: 'whom it wants away becomes another',
    pod: fearsDb,
    happened: event('UpdateLabels', db, cache),
    expected: 'Queue',
  },
])('hint: $rule', ({ pod, happened, expected }) => {
  expect(hinted(interPodAffinity, pod, happened)).toBe(expected);
});
