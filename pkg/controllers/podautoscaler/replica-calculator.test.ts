/** Held against what upstream's `replica_calculator_test.go` says of the same situations. */
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import {
  averageReplicas,
  type CalculationInput,
  perPodReplicas,
  utilizationReplicas,
  valueReplicas,
} from './replica-calculator.ts';

const nowMs = Date.UTC(2026, 0, 1);
const minuteMs = 60_000;

interface Traits {
  readonly name?: string;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly startedMinutesAgo?: number;
  readonly changedMinutesAgo?: number;
  readonly deleted?: boolean;
  readonly request?: string | null;
}

function podsOf(...traits: readonly Traits[]): readonly Pod[] {
  return traits.map((each, at): Pod => {
    const { name = `pod-${at}`, phase = 'Running', ready = true, startedMinutesAgo = 60, request = '1' } = each;
    const changedMs = nowMs - (each.changedMinutesAgo ?? startedMinutesAgo) * minuteMs;
    const requests = request === null ? {} : { requests: { cpu: request } };
    return {
      metadata: { name, ...(each.deleted ? { deletionTimestamp: formatTimestamp(nowMs) } : {}) },
      spec: { containers: [{ name: 'main', image: 'x', resources: requests }] },
      status: {
        phase,
        startTime: formatTimestamp(nowMs - startedMinutesAgo * minuteMs),
        conditions: [
          { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: formatTimestamp(changedMs) },
        ],
      },
    };
  });
}

function inputOf(pods: readonly Pod[], more: Partial<CalculationInput> = {}): CalculationInput {
  return {
    pods,
    currentReplicas: pods.length,
    tolerances: { up: 0.1, down: 0.1 },
    nowMs,
    cpuInitializationMs: 5 * minuteMs,
    initialReadinessMs: 30_000,
    ...more,
  };
}

/** Metrics by position; undefined for a pod that has none. */
const metricsOf = (...milli: readonly (number | undefined)[]) =>
  new Map(
    milli.flatMap((value, at) =>
      value === undefined ? [] : [[`pod-${at}`, { timeMs: nowMs, windowMs: minuteMs, milli: value }] as const],
    ),
  );

const many = (count: number, traits: Traits = {}): readonly Traits[] => Array.from({ length: count }, () => traits);

interface Row {
  readonly pods: readonly Traits[];
  readonly usage: readonly (number | undefined)[];
  readonly target: number;
  readonly replicas: number;
  readonly current?: number;
}

test.each<[string, Row]>([
  ['more is asked for in proportion', { pods: many(3), usage: [300, 500, 700], target: 30, replicas: 5, current: 50 }],
  [
    'fewer are asked for in proportion',
    { pods: many(5), usage: [100, 300, 500, 250, 250], target: 50, replicas: 3, current: 28 },
  ],
  [
    'what is near the target is left alone',
    { pods: many(3), usage: [1_010, 1_030, 1_020], target: 100, replicas: 3, current: 102 },
  ],
  [
    'a pod that is not ready yet counts as using nothing when more are asked for',
    {
      pods: [...many(2), { ready: false, startedMinutesAgo: 1 }],
      usage: [500, 700, 900],
      target: 30,
      replicas: 4,
      current: 60,
    },
  ],
  [
    'a pod that is still warming up does not count, though it is ready',
    {
      pods: [...many(3, { ready: true }), { startedMinutesAgo: 2, changedMinutesAgo: 0.5 }],
      usage: [300, 300, 300, 1_000],
      target: 30,
      replicas: 4,
      current: 30,
    },
  ],
  [
    'a pod that was measured since it was ready counts',
    {
      pods: [...many(3), { startedMinutesAgo: 4, changedMinutesAgo: 3 }],
      usage: [600, 600, 600, 600],
      target: 30,
      replicas: 8,
      current: 60,
    },
  ],
  [
    'a pod that was ready and is not counts',
    {
      pods: [...many(2), { ready: false, startedMinutesAgo: 60, changedMinutesAgo: 1 }],
      usage: [600, 600, 600],
      target: 30,
      replicas: 6,
      current: 60,
    },
  ],
  [
    'pending pods hold a growth back',
    { pods: [...many(1), ...many(2, { phase: 'Pending' })], usage: [900], target: 30, replicas: 3, current: 90 },
  ],
  [
    'a pod without a metric counts as full when fewer are asked for',
    { pods: many(3), usage: [100, 450, undefined], target: 50, replicas: 3, current: 27 },
  ],
  [
    'a pod without a metric counts as idle when more are asked for',
    { pods: many(3), usage: [300, 500, undefined], target: 30, replicas: 3, current: 40 },
  ],
  [
    'a share above the whole is what a pod without a metric has',
    { pods: many(4), usage: [1_000, 1_000, undefined, undefined], target: 200, replicas: 3, current: 100 },
  ],
  [
    'pods that go or failed are no pods',
    {
      pods: [...many(2), { phase: 'Failed' }, { deleted: true }],
      usage: [600, 600, 9_000, 9_000],
      target: 30,
      replicas: 4,
      current: 60,
    },
  ],
])('%s', (_name, { pods, usage, target, replicas, current }) => {
  const made = podsOf(...pods);
  const proposal = utilizationReplicas(inputOf(made), { metrics: metricsOf(...usage), resource: 'cpu', target });
  expect([proposal.replicas, proposal.current]).toEqual([replicas, current]);
});

test('tolerances of both directions are their own', () => {
  const pods = podsOf(...many(10));
  const at = (milli: number, tolerances: { up: number; down: number }) =>
    utilizationReplicas(inputOf(pods, { tolerances }), {
      metrics: metricsOf(...many(10).map(() => milli)),
      resource: 'cpu',
      target: 50,
    }).replicas;
  expect(at(600, { up: 0.1, down: 0.1 })).toBe(12);
  expect(at(600, { up: 0.25, down: 0 })).toBe(10);
  expect(at(470, { up: 0, down: 0.1 })).toBe(10);
  expect(at(470, { up: 0.5, down: 0 })).toBe(10);
  expect(at(450, { up: 0.5, down: 0 })).toBe(9);
});

test('shares are of what all containers of a pod request, sidecars too, or the pod itself, or one container', () => {
  const [pod] = podsOf({});
  const container = (name: string, cpu: string) => ({ name, image: 'x', resources: { requests: { cpu } } });
  const withSidecar: Pod = {
    ...pod,
    spec: {
      containers: [container('main', '1')],
      initContainers: [{ ...container('side', '1'), restartPolicy: 'Always' }, container('setup', '9')],
    },
  };
  const share = (one: Pod, name?: string) =>
    utilizationReplicas(inputOf([one]), {
      metrics: metricsOf(1_000),
      resource: 'cpu',
      target: 100,
      ...(name === undefined ? {} : { container: name }),
    }).current;
  expect(share(withSidecar)).toBe(50);
  expect(share(withSidecar, 'main')).toBe(100);
  expect(share({ ...withSidecar, spec: { ...withSidecar.spec!, resources: { requests: { cpu: '4' } } } })).toBe(25);
});

test('what cannot be worked out says why', () => {
  const run =
    (pods: readonly Pod[], metrics = metricsOf(100)) =>
    () =>
      utilizationReplicas(inputOf(pods), { metrics, resource: 'cpu', target: 50 });
  expect(run([])).toThrow('no pods returned by selector while calculating replica count');
  expect(run(podsOf({ ready: false, startedMinutesAgo: 1 }))).toThrow(
    'did not receive metrics for targeted pods (pods might be unready)',
  );
  expect(run(podsOf({ request: null }))).toThrow('missing request for cpu in container main of Pod pod-0');
});

test('averages, values and shares of values ask for what brings them to their target', () => {
  const pods = podsOf(...many(3));
  const average = (...milli: readonly (number | undefined)[]) =>
    averageReplicas(inputOf(pods), { metrics: metricsOf(...milli), resource: '', target: 15_000 }).replicas;
  expect(average(20_000, 10_000, 30_000)).toBe(4);
  expect(average(20_000, undefined, 40_000)).toBe(4);
  expect(average(5_000, undefined, 5_000)).toBe(2);
  const value = (milli: number, more: Partial<CalculationInput> = {}) =>
    valueReplicas(inputOf(pods, more), { value: milli, target: 15_000 }).replicas;
  expect([value(20_033), value(15_500), value(5_000)]).toEqual([5, 3, 1]);
  expect(value(40_000, { currentReplicas: 0 })).toBe(3);
  const perPod = (milli: number) =>
    perPodReplicas(inputOf(pods), { value: milli, target: 2_000, statusReplicas: 3 }).replicas;
  expect([perPod(8_600), perPod(6_100), perPod(1_000)]).toEqual([5, 3, 1]);
});
