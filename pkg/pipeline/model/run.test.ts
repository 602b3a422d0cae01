/** The laws of `run.ts`, on random pipelines in a simulated world; `COXSWAIN_PIPELINE_SEEDS` says how many. */
import { expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { planProblem } from './plan.ts';
import { decideRun } from './run.ts';
import { randomSteps, type SimulatedRun, SimulatedWorld } from './simulated-world.ts';
import { isFinal, type TargetFacts, type World } from './step-view.ts';
import type { PipelineRun, RunStatus, StepSpec, StepStatus } from './types.ts';

const seeds = Number(process.env.COXSWAIN_PIPELINE_SEEDS ?? 60);
/** No sum of the deadlines of seven steps is longer. */
const horizonMs = 900_000;

function specOf(sequence: number, steps: readonly StepSpec[]): PipelineRun['spec'] {
  return { pipeline: 'p', repository: 'r', ref: 'refs/heads/main', commit: 'c', sequence, steps };
}

/** Checks what must hold at every moment. */
function check(run: SimulatedRun, before: ReadonlyMap<string, StepStatus>): void {
  for (const status of run.status?.steps ?? []) {
    const was = before.get(status.name);
    if (was === status) continue;
    if (was !== undefined && isFinal(was.phase)) expect(status).toEqual(was);
    if (was?.verdict !== undefined && status.verdict !== undefined) expect(status.verdict).toEqual(was.verdict);
    if (status.phase !== 'Running' && status.phase !== 'Succeeded') continue;
    const { after = [] } = run.spec.steps.find(({ name }) => name === status.name) ?? {};
    const others = run.status?.steps.filter(({ name }) => name === 'checkout' || after.includes(name)) ?? [];
    if (status.name !== 'checkout') expect(others.map(({ phase }) => phase)).toEqual(others.map(() => 'Succeeded'));
  }
}

function live(
  seed: number,
  { faulty, outsiders }: { readonly faulty: boolean; readonly outsiders: boolean },
): SimulatedWorld {
  const world = new SimulatedWorld(new SeededRandom(seed));
  const steps = randomSteps(world);
  world.add('run-1', specOf(1, steps));
  world.add('run-2', specOf(2, steps));
  const finals = new Map<string, unknown>();
  // Some turns more than the runs need, in which nothing may change.
  for (let left = 20; left > 0 && world.nowMs < horizonMs; ) {
    if (finals.size === world.runs.length) left--;
    world.nowMs += world.pick([100, 500, 1000, 5000]);
    for (const run of world.runs) {
      const before = new Map(run.status?.steps.map((step) => [step.name, step]));
      if (world.chance(0.02)) run.spec = { ...run.spec, approved: steps.map(({ name }) => name) };
      if (world.chance(0.003)) run.spec = { ...run.spec, cancelled: true };
      world.turn(run, { faulty });
      check(run, before);
      if (run.status?.completionTime === undefined) continue;
      // An ended run stays as it ended.
      if (finals.has(run.name)) expect(run.status).toEqual(finals.get(run.name));
      finals.set(run.name, run.status);
      for (const target of world.targets.values()) expect(target.hold?.by.startsWith(run.name) ?? false).toBe(false);
    }
    if (outsiders && world.chance(0.01)) for (const target of world.targets.values()) world.setImage(target, 'outside');
  }
  return world;
}

function deployed(world: SimulatedWorld, deployment: string): readonly StepStatus[] {
  return world.runs.flatMap(({ spec, status }) =>
    (status?.steps ?? []).filter(
      ({ name }) => spec.steps.find((step) => step.name === name)?.deploy?.deployment === deployment,
    ),
  );
}

test.each([false, true])('every run ends once, in time, and nothing is half promoted (faulty: %s)', (faulty) => {
  const ends = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const world = live(seed, { faulty, outsiders: false });
    for (const { status } of world.runs) {
      expect(status?.completionTime, `seed ${seed}`).toBeDefined();
      if (status?.phase !== 'Succeeded') expect(status?.message, `seed ${seed}`).toMatch(/^step [a-z0-9-]+: \S/);
      ends.set(status?.phase ?? '', (ends.get(status?.phase ?? '') ?? 0) + 1);
    }
    for (const [name, target] of world.targets) {
      expect(target.hold, `seed ${seed}`).toBeUndefined();
      // What is there now is the image of a step that succeeded, and the first one where none did.
      const good = deployed(world, name).filter(({ phase }) => phase === 'Succeeded');
      const last = good.toSorted((a, b) => ((a.completionTime ?? '') < (b.completionTime ?? '') ? -1 : 1)).at(-1);
      if (last === undefined) expect(target.image, `seed ${seed}`).toBe('first');
      else
        expect(
          good.map(({ image }) => image),
          `seed ${seed}`,
        ).toContain(target.image);
    }
  }
  // The world is one in which all of it happens.
  expect([...ends.keys()].sort()).toEqual(['Cancelled', 'Failed', 'RolledBack', 'Succeeded']);
});

test('what an outsider sets meanwhile is left alone, and the run still ends without a hold', () => {
  let seen = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const world = live(seed, { faulty: true, outsiders: true });
    for (const { status } of world.runs) {
      expect(status?.completionTime, `seed ${seed}`).toBeDefined();
      seen += status?.steps.filter(({ reason }) => reason === 'ChangedMeanwhile').length ?? 0;
    }
    for (const target of world.targets.values()) expect(target.hold, `seed ${seed}`).toBeUndefined();
  }
  expect(seen).toBeGreaterThan(0);
});

test('what is held is looked at each second, and goes back at the look that finds its metric exceeded', () => {
  const made = 'app@sha256:12';
  const metric = { port: 1, name: 'errors', max: 0.5 };
  const deploy = {
    from: 'build',
    namespace: 'default',
    deployment: 'web',
    container: 'main',
    watchSeconds: 30,
    metric,
  };
  const spec = specOf(1, [build, { name: 'live', after: ['build'], deploy }]);
  const startTime = new Date(0).toISOString();
  const before = {
    phase: 'Running',
    startTime,
    steps: [
      { name: 'checkout', phase: 'Succeeded' },
      { name: 'build', phase: 'Succeeded', image: made },
      { name: 'live', phase: 'Running', startTime, image: made },
    ],
  } as const;
  const seen = { state: 'present', image: made, holder: 'me', isLater: false, rollout: 'complete' } as const;
  const look = (status: RunStatus, target: TargetFacts, nowMs: number) =>
    decideRun({ spec, status, nowMs, world: { pod: () => ({ state: 'absent' }), target: () => target } });
  const well = look(before, { ...seen, metric: 0.1 }, 4_000);
  expect([well.acts, well.wakeMs]).toEqual([[], 5_000]);
  const bad = look(well.status, { ...seen, metric: 0.6 }, 5_000);
  expect(bad.acts).toEqual([{ type: 'rollBack', step: 'live' }]);
  // Also where it is well again by the next look.
  const again = look(bad.status, { ...seen, metric: 0 }, 6_000);
  expect(again.acts).toEqual([{ type: 'rollBack', step: 'live' }]);
  const back = look(again.status, { ...seen, image: 'first', holder: 'none', metric: 0 }, 7_000);
  expect(back.status).toMatchObject({ phase: 'RolledBack', reason: 'MetricExceeded' });
});

const image = (name: string, after: readonly string[] = []): StepSpec => ({ name, after, run: { image: 'x' } });
const build: StepSpec = { name: 'build', build: { image: 'app', entry: 'main.js' } };
const deployOf = (after: readonly string[]): StepSpec => ({
  name: 'live',
  after,
  deploy: { from: 'build', namespace: 'default', deployment: 'web', container: 'main' },
});

test.each([
  ['a missing step', [image('a', ['b'])], 'step a waits for b, which is no step'],
  [
    'a circle',
    [image('a', ['c']), image('b', ['a']), image('c', ['b'])],
    'steps wait for each other in a circle: a -> c -> b -> a',
  ],
  ['a step that waits for itself', [image('a', ['a'])], 'steps wait for each other in a circle: a -> a'],
  ['a name twice', [image('a'), image('a')], 'two steps are named a'],
  ['the name of the first step', [image('checkout')], 'no step can be named checkout, as every run begins with one'],
  ['a step that does nothing', [{ name: 'a' }], 'step a has 0 of run, build and deploy instead of one'],
  [
    'a deploy of what no step builds',
    [image('build'), deployOf(['build'])],
    'step live deploys what build builds, which is no step with build',
  ],
  [
    'a deploy that does not wait',
    [build, deployOf([])],
    'step live deploys what build builds, but does not wait for it',
  ],
])('%s ends the run before anything is done', (_, steps, problem) => {
  expect(planProblem(steps)).toBe(problem);
  const never: World = {
    pod: () => ({ state: 'absent' }),
    target: () => {
      throw new Error('looked at');
    },
  };
  const { status, acts } = decideRun({ spec: specOf(1, steps), status: undefined, world: never, nowMs: 0 });
  expect(acts).toEqual([]);
  expect(status).toMatchObject({ phase: 'Failed', reason: 'InvalidPipeline', message: problem, steps: [] });
});
