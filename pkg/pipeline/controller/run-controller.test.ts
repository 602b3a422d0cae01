/** The controller of runs on the real API and virtual time: the test ends pods. What it holds are the writes that a run makes. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Deployment } from '#pkg/api/types/apps-v1.ts';
import { deployments, pods } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { pipelineDefinitions } from '../crds.ts';
import { type PipelineRun, pipelineRuns, type StepSpec } from '../model/types.ts';
import { placesIn } from '../places.ts';
import { createRunController } from './run-controller.ts';

let cluster: TestCluster;
let controller: { stop(): Promise<void> };

const rbac = 'rbac.authorization.k8s.io';
const image = (digit: string) => `file:///images/sha256-${digit.repeat(64)}/main.js`;

/** A controller that knows nothing of those before it. */
function startController(): { stop(): Promise<void> } {
  const { client, clock, random } = cluster;
  const informers = createInformers({ client, clock, random, log: silentLogger });
  const deps = { client, informers, clock, random, log: silentLogger, metrics: new Metrics() };
  const part = createRunController(deps, { places: placesIn('/nowhere') });
  const stop = new AbortController();
  const running = Promise.all([informers.run(stop.signal), part.run(stop.signal)]);
  return {
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

beforeEach(async () => {
  cluster = await startTestCluster({ nodes: 0, controllers: [] });
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'first' }] } };
  const selector = { matchLabels: { app: 'web' } };
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: 'deployer' };
  await cluster.apply(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } },
    ...pipelineDefinitions(),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default' },
      spec: { replicas: 1, selector, template },
    } as Deployment,
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'deployer' },
      rules: [{ apiGroups: ['apps'], resources: ['deployments'], verbs: ['patch'] }],
    } as never,
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: 'deployer', namespace: 'default' },
      roleRef,
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
    } as never,
  );
  controller = startController();
});
afterEach(async () => {
  await controller.stop();
  await cluster.stop();
});

const build: StepSpec = { name: 'build', build: { image: 'app', entry: 'main.js' } };
const live = (approval: 'Automatic' | 'Manual'): StepSpec => ({
  name: 'live',
  after: ['build'],
  deploy: { from: 'build', namespace: 'default', deployment: 'web', container: 'main', watchSeconds: 10, approval },
});

async function start(sequence: number, steps: readonly StepSpec[]): Promise<void> {
  const spec = { pipeline: 'app', repository: 'app', ref: 'refs/heads/main', commit: 'a'.repeat(40), sequence, steps };
  await cluster.client
    .resource(pipelineRuns)
    .create({ metadata: { name: `app-${sequence}`, namespace: 'default' }, spec });
  await end(`app-${sequence}-checkout`, '');
  await end(`app-${sequence}-build`, image(String(sequence)));
}

/** Ends a pod well, with last words, once it is there. */
async function end(name: string, message: string): Promise<void> {
  const resource = cluster.client.resource(pods);
  await cluster.until(async () => (await resource.list()).items.some(({ metadata }) => metadata?.name === name));
  const state = { terminated: { exitCode: 0, message } };
  const containerStatuses = [{ name: 'step', image: '', imageID: '', ready: false, restartCount: 0, state }];
  const options = { namespace: 'default', type: 'merge', subresource: 'status' } as const;
  await resource.patch(name, { status: { phase: 'Succeeded', containerStatuses } }, options);
}

function change(name: string, spec: Partial<PipelineRun['spec']>): Promise<unknown> {
  return cluster.client.resource(pipelineRuns).patch(name, { spec }, { namespace: 'default', type: 'merge' });
}

const deployment = (): Promise<Deployment> => cluster.client.resource(deployments).get('web', { namespace: 'default' });
const isHeld = ({ metadata }: Deployment): boolean => metadata?.annotations?.['ci.coxswain.dev/hold'] !== undefined;
const imageOf = ({ spec }: Deployment): string | undefined => spec?.template.spec?.containers[0]?.image;

/** Waits for a step to be in a phase. */
async function reaches(name: string, phase: string): Promise<void> {
  await cluster.until(async () => {
    const { status } = await cluster.client.resource(pipelineRuns).get(name, { namespace: 'default' });
    return status?.steps.some((step) => step.name === 'live' && step.phase === phase) ?? false;
  });
}

test('a run that is cancelled in production gives the image before back, and a later run waits for that', async () => {
  await start(1, [build, live('Automatic')]);
  await cluster.until(async () => imageOf(await deployment()) === image('1'));
  await start(2, [build, live('Automatic')]);
  await reaches('app-2', 'Running');
  await cluster.advance(5_000);
  expect(imageOf(await deployment())).toBe(image('1'));
  await change('app-1', { cancelled: true });
  await reaches('app-1', 'Cancelled');
  await cluster.until(async () => imageOf(await deployment()) === image('2'));
  await change('app-2', { cancelled: true });
  await reaches('app-2', 'Cancelled');
  expect([imageOf(await deployment()), isHeld(await deployment())]).toEqual(['first', false]);
});

test('what a deleted run has left is taken over, and going back goes to what was there before it; an older push comes too late', async () => {
  await start(2, [build, live('Automatic')]);
  await cluster.until(async () => imageOf(await deployment()) === image('2'));
  await cluster.client.resource(pipelineRuns).delete('app-2', { namespace: 'default' });
  await start(1, [build, live('Automatic')]);
  await reaches('app-1', 'Failed');
  await start(3, [build, live('Automatic')]);
  await cluster.until(async () => imageOf(await deployment()) === image('3'));
  await change('app-3', { cancelled: true });
  await reaches('app-3', 'Cancelled');
  expect([imageOf(await deployment()), isHeld(await deployment())]).toEqual(['first', false]);
});

test('without the right to patch the Deployment nothing of it is written', async () => {
  await cluster.client
    .resource({ group: rbac, version: 'v1', resource: 'rolebindings', kind: 'RoleBinding', namespaced: true })
    .delete('deployer', { namespace: 'default' });
  await start(1, [build, live('Automatic')]);
  await reaches('app-1', 'Failed');
  const { status } = await cluster.client.resource(pipelineRuns).get('app-1', { namespace: 'default' });
  expect([status?.phase, status?.reason]).toEqual(['Failed', 'Forbidden']);
  expect([imageOf(await deployment()), isHeld(await deployment())]).toEqual(['first', false]);
});
