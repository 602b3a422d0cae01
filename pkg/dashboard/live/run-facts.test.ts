import { expect, test } from 'vitest';
import { runFacts } from './run-facts.ts';

const none = { after: [], phase: '', reason: '', message: '', started: 0, ended: 0, pod: '', image: '' };
const target = { namespace: '', name: '' };

test('a run is understood step by step: what each does, waits for and has come to', () => {
  const spec = {
    pipeline: 'shop',
    ref: 'refs/tags/v1',
    commit: 'abc',
    author: 'Ann',
    steps: [
      { name: 'build', build: {} },
      { name: 'live', after: ['build'], deploy: { namespace: 'shop', deployment: 'web' } },
    ],
  };
  const status = {
    phase: 'Failed',
    reason: 'Error',
    completionTime: '2026-01-01T00:00:09Z',
    steps: [
      {
        name: 'checkout',
        phase: 'Succeeded',
        podName: 'p',
        startTime: '1970-01-01T00:00:01Z',
        completionTime: '1970-01-01T00:00:02Z',
      },
      { name: 'build', phase: 'Failed', reason: 'Error', message: 'exit code 1', image: 'i' },
      { name: 'live', phase: 'Skipped' },
    ],
  };
  expect(runFacts({ spec, status })).toEqual({
    phase: 'Failed',
    run: {
      pipeline: 'shop',
      ref: 'v1',
      commit: 'abc',
      author: 'Ann',
      message: 'Error',
      hasEnded: true,
      steps: [
        {
          ...none,
          name: 'checkout',
          kind: 'checkout',
          phase: 'Succeeded',
          pod: 'p',
          started: 1_000,
          ended: 2_000,
          target,
        },
        {
          ...none,
          name: 'build',
          kind: 'build',
          after: ['checkout'],
          phase: 'Failed',
          reason: 'Error',
          message: 'exit code 1',
          image: 'i',
          target,
        },
        {
          ...none,
          name: 'live',
          kind: 'deploy',
          after: ['build'],
          phase: 'Skipped',
          target: { namespace: 'shop', name: 'web' },
        },
      ],
    },
  });
});

test('of what is not there yet, or is no run, nothing is said', () => {
  expect(runFacts({ spec: { pipeline: 'shop' } })).toMatchObject({ phase: '', run: { hasEnded: false, steps: [] } });
  expect(runFacts('nonsense')).toMatchObject({ run: { pipeline: '', steps: [] } });
});
