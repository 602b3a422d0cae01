/** How fast and how soon, on a time that is written down. */
import { expect, test } from 'vitest';
import type { HorizontalPodAutoscalerBehavior } from '#pkg/api/types/autoscaling-v2.ts';
import { ScaleHistory } from './behavior.ts';

/** Asks at each second of `asked` and does what comes of it; answers the replicas after each. */
function run(
  start: number,
  asked: readonly (readonly [second: number, desired: number])[],
  { behavior, max = 100, min = 1 }: { behavior?: HorizontalPodAutoscalerBehavior; max?: number; min?: number } = {},
) {
  const history = new ScaleHistory();
  history.begin(start, 0);
  let current = start;
  return asked.map(([second, desired]) => {
    const nowMs = second * 1_000;
    const { replicas, limited, ableToScale } = history.normalize({
      behavior,
      minReplicas: min,
      maxReplicas: max,
      current,
      desired,
      downscaleStabilizationMs: 300_000,
      nowMs,
    });
    if (replicas !== current) history.scaled({ from: current, to: replicas, nowMs });
    current = replicas;
    return [replicas, ableToScale.reason, `${limited.status} ${limited.reason}`];
  });
}

const rules = (policies: readonly (readonly ['Percent' | 'Pods', number, number])[], more = {}) => ({
  policies: policies.map(([type, value, periodSeconds]) => ({ type, value, periodSeconds })),
  selectPolicy: 'Max',
  stabilizationWindowSeconds: 0,
  ...more,
});
const all = rules([['Percent', 100, 15]]);

test('without a behaviour growth at most doubles, and fewer are put off for five minutes', () => {
  expect(
    run(
      3,
      [
        [15, 50],
        [30, 50],
        [45, 2],
        [200, 2],
        [329, 2],
        [331, 2],
      ],
      { max: 20 },
    ),
  ).toEqual([
    [6, 'ReadyForNewScale', 'True ScaleUpLimit'],
    [12, 'ReadyForNewScale', 'True ScaleUpLimit'],
    [20, 'ScaleDownStabilized', 'True TooManyReplicas'],
    [20, 'ScaleDownStabilized', 'True TooManyReplicas'],
    [20, 'ScaleDownStabilized', 'True TooManyReplicas'],
    [2, 'ReadyForNewScale', 'False DesiredWithinRange'],
  ]);
});

test('policies count what was done within their periods', () => {
  const behavior = { scaleUp: rules([['Pods', 4, 60]]), scaleDown: all };
  expect(
    run(
      2,
      [
        [15, 50],
        [30, 50],
        [74, 50],
        [76, 50],
      ],
      { behavior },
    ).map(([replicas]) => replicas),
  ).toEqual([6, 6, 6, 10]);
  const down = { scaleUp: all, scaleDown: rules([['Percent', 10, 60]]) };
  expect(
    run(
      100,
      [
        [15, 1],
        [30, 1],
        [76, 1],
      ],
      { behavior: down },
    ),
  ).toEqual([
    [90, 'ReadyForNewScale', 'True ScaleDownLimit'],
    [90, 'ReadyForNewScale', 'True ScaleDownLimit'],
    [81, 'ReadyForNewScale', 'True ScaleDownLimit'],
  ]);
});

test('of several policies the one that changes most counts, or least, or none', () => {
  const of = (selectPolicy: string) => {
    const behavior = {
      scaleUp: rules(
        [
          ['Pods', 1, 60],
          ['Percent', 50, 60],
        ],
        { selectPolicy },
      ),
      scaleDown: all,
    };
    return run(10, [[15, 90]], { behavior })[0]?.[0];
  };
  expect([of('Max'), of('Min'), of('Disabled')]).toEqual([15, 11, 10]);
  const down = (selectPolicy: string) => {
    const behavior = {
      scaleUp: all,
      scaleDown: rules(
        [
          ['Pods', 1, 60],
          ['Percent', 50, 60],
        ],
        { selectPolicy },
      ),
    };
    return run(10, [[15, 1]], { behavior })[0]?.[0];
  };
  expect([down('Max'), down('Min'), down('Disabled')]).toEqual([5, 9, 10]);
});

test('stabilization goes by the lowest and the highest of what was asked for lately', () => {
  const behavior = {
    scaleUp: rules([['Percent', 1_000, 15]], { stabilizationWindowSeconds: 60 }),
    scaleDown: rules([['Percent', 100, 15]], { stabilizationWindowSeconds: 120 }),
  };
  expect(
    run(
      5,
      [
        [15, 9],
        [30, 8],
        [61, 9],
        [90, 3],
        [150, 3],
        [211, 3],
      ],
      { behavior },
    ),
  ).toEqual([
    [5, 'ScaleUpStabilized', 'False DesiredWithinRange'],
    [5, 'ScaleUpStabilized', 'False DesiredWithinRange'],
    [8, 'ScaleUpStabilized', 'False DesiredWithinRange'],
    [8, 'ScaleDownStabilized', 'False DesiredWithinRange'],
    [8, 'ScaleDownStabilized', 'False DesiredWithinRange'],
    [3, 'ReadyForNewScale', 'False DesiredWithinRange'],
  ]);
});
