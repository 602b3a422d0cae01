import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { madeJobPod } from './made-history.ts';
import { podScriptsOf } from './pod-scripts.ts';

const told = (...objects: readonly JsonObject[]) =>
  podScriptsOf(objects.map((object) => ({ ms: 0, type: 'MODIFIED' as const, object })));

test('pods of a workload take the recorded durations in order, the last one again', () => {
  const scripts = told(
    madeJobPod('batch', 0, { startMs: 0, runMs: 5_000 }),
    madeJobPod('batch', 1, { startMs: 0, runMs: 90_000 }),
  );
  const times = ['x', 'y', 'z'].map((name) => scripts.take(`default/batch-${name}`, 'Job default/batch'));
  expect(times.map((script) => script['fake.coxswain.dev/main.run-time'])).toEqual(['5s', '90s', '90s']);
  expect(scripts.take('default/other', 'Job default/other')).toEqual({});
  expect(scripts.take('default/batch-1', 'Job default/batch')['fake.coxswain.dev/main.run-time']).toBe('90s');
});

test('each restart is an attempt, and one that runs on runs on', () => {
  const terminated = { exitCode: 2, startedAt: '2026-01-01T00:00:02Z', finishedAt: '2026-01-01T00:00:05Z' };
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
  const pod = (container: object): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', uid: 'u' },
    status: { conditions: [scheduled], containerStatuses: [{ name: 'c', ...container }] },
  });
  const scripts = told(
    pod({ restartCount: 0, state: { running: { startedAt: terminated.startedAt } } }),
    pod({ restartCount: 1, state: { running: {} }, lastState: { terminated } }),
  );
  expect(scripts.take('default/p', 'Pod default/p')).toEqual({
    'fake.coxswain.dev/start-delay': '2s',
    'fake.coxswain.dev/c.run-time': '3s,forever',
    'fake.coxswain.dev/c.exit-code': '2,0',
  });
});
