/** What the server itself refuses of pipelines and their runs, and with which reasons. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { pipelineDefinitions } from './crds.ts';
import { type PipelineRun, pipelineRuns, pipelines, type StepSpec } from './model/types.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startTestCluster({ nodes: 0, controllers: [] });
  await cluster.apply(...pipelineDefinitions());
});
afterAll(() => cluster.stop());

const meta = (name: string) => ({ name, namespace: 'default' });
const runOf = (name: string, after: readonly string[] = []): StepSpec => ({
  name,
  after,
  run: { image: 'workspace:a.js' },
});
const build: StepSpec = { name: 'build', build: { image: 'app', entry: 'main.js' } };
const deploy: StepSpec = {
  name: 'live',
  after: ['build'],
  deploy: { from: 'build', namespace: 'default', deployment: 'web', container: 'main' },
};

/** What the server says of it; undefined where it takes it. */
async function refusal(write: Promise<unknown>): Promise<string | undefined> {
  try {
    await write;
    return undefined;
  } catch (error) {
    if (error instanceof StatusError) return `${error.reason}: ${error.message}`;
    throw error;
  }
}

const create = (name: string, steps: readonly StepSpec[]) =>
  refusal(cluster.client.resource(pipelines).create({ metadata: meta(name), spec: { repository: 'app', steps } }));

test('a pipeline of every kind of step is taken', async () => {
  expect(await create('good', [runOf('test'), build, deploy, runOf('accept', ['live'])])).toBeUndefined();
});

test.each([
  ['a missing step', [runOf('a', ['b'])], 'a step waits for a step that is not there'],
  ['a circle', [runOf('a', ['b']), runOf('b', ['a'])], 'none wait for each other in a circle'],
  ['a step that waits for itself', [runOf('a', ['a'])], 'none wait for each other in a circle'],
  ['a name twice', [runOf('a'), runOf('a')], 'Duplicate value'],
  ['the name of the first step', [runOf('checkout')], 'every run begins with a step of the name checkout'],
  ['a step that does nothing', [{ name: 'a' }], 'must have exactly one of run, build and deploy'],
  [
    'a step that does two things',
    [{ ...build, run: { image: 'x' } }],
    'must have exactly one of run, build and deploy',
  ],
  ['a deploy of what no step builds', [runOf('build'), deploy], 'a step deploys what no step builds'],
  ['no steps', [], 'should have at least 1 items'],
  [
    'a module for a registry',
    [{ name: 'a', build: { image: 'app', entry: 'a.js', registry: 'localhost:5000' } }],
    'only images of a dockerfile are published to a registry',
  ],
  [
    'a registry with a path',
    [{ name: 'a', build: { image: 'app', dockerfile: 'Dockerfile', registry: 'localhost:5000/x' } }],
    'should match',
  ],
  ['a build of nothing', [{ name: 'a', build: { image: 'app' } }], 'must have exactly one of entry and dockerfile'],
  [
    'a build of two sorts',
    [{ name: 'a', build: { image: 'app', entry: 'a.js', dockerfile: 'Dockerfile' } }],
    'must have exactly one of entry and dockerfile',
  ],
  [
    'a program outside the sources',
    [{ name: 'a', run: { image: 'workspace:../a.js' } }],
    'must not lead out of the sources',
  ],
  [
    'an entry outside the sources',
    [{ name: 'a', build: { image: 'app', entry: 'a/../../b.js' } }],
    'must not lead out of the sources',
  ],
])('%s is refused', async (_, steps, message) => {
  const said = await create('bad', steps);
  expect(said).toContain('Invalid: ');
  expect(said).toContain(message);
});

const run: PipelineRun = {
  metadata: meta('app-1'),
  spec: {
    pipeline: 'good',
    repository: 'app',
    ref: 'refs/heads/main',
    commit: 'a'.repeat(40),
    sequence: 1,
    steps: [build],
  },
};

test('of a run that was made only the approvals and the end can be changed, and an ended one stays as it ended', async () => {
  const resource = cluster.client.resource(pipelineRuns);
  await resource.create(run);
  const patch = (spec: JsonObject) =>
    refusal(resource.patch('app-1', { spec }, { namespace: 'default', type: 'merge' }));
  expect(await patch({ commit: 'b'.repeat(40) })).toContain('only approved and cancelled can be changed');
  expect(await patch({ approved: ['live'], cancelled: true })).toBeUndefined();
  expect(await patch({ cancelled: false })).toContain('a run stays cancelled');
  const setPhase = (phase: string) => {
    const status = { phase, completionTime: '2026-01-01T00:00:00Z', steps: [] };
    return refusal(resource.patch('app-1', { status }, { namespace: 'default', type: 'merge', subresource: 'status' }));
  };
  expect(await setPhase('Failed')).toBeUndefined();
  expect(await setPhase('Succeeded')).toContain('a run that has ended stays as it ended');
});
