/** What several controllers make of a cluster together, told as transcripts on virtual time: what was done, and which states followed. */
import { afterEach, expect, test } from 'vitest';
import type { Deployment } from '#pkg/api/types/apps-v1.ts';
import {
  configMaps,
  deployments,
  endpointSlices,
  namespaces,
  pods,
  replicaSets,
  services,
} from '#pkg/api/types/refs.ts';
import { controllerTable } from './table.ts';
import { addNode, deploymentOf, type Harness, startHarness, templateOf } from './testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

/** Writes down what was done and every state that differs from the one before, with its second. */
class Transcript {
  readonly lines: string[] = [];
  readonly #state: () => Promise<string>;
  #last = '';

  constructor(state: () => Promise<string>) {
    this.#state = state;
  }

  async did(what: string, action: Promise<unknown>): Promise<void> {
    this.lines.push(`> ${what}`);
    await action;
    await harness.clock.settle();
  }

  async watch(seconds: number): Promise<void> {
    for (let passed = 0; passed <= seconds; passed++) {
      const state = await this.#state();
      if (state !== this.#last) this.lines.push(`${passed}s ${state}`);
      this.#last = state;
      if (passed < seconds) await harness.clock.advance(1_000);
    }
  }
}

const inShop = (deployment: Deployment): Deployment => ({
  ...deployment,
  metadata: { ...deployment.metadata, namespace: 'shop' },
});

test('an application is made, rolled out, broken, undone, scaled and removed with its namespace', async () => {
  // All but those that give up nodes: the one here has no heartbeat.
  const controllers = Object.keys(controllerTable).filter((name) => name !== 'node-lifecycle-controller');
  harness = await startHarness({ controllers });
  await addNode(harness, 'n1');
  const { client } = harness;
  const state = async (): Promise<string> => {
    const web = await harness.get(deployments, 'shop/web');
    const sets = (await harness.list(replicaSets, 'shop')).map(
      ({ spec }) => `${spec?.template?.spec?.containers[0]?.image}:${spec?.replicas}`,
    );
    const slices = await harness.list(endpointSlices, 'shop');
    const ready = slices.flatMap((slice) => slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready).length;
    const left = (await harness.list(pods, 'shop')).length + (await harness.list(configMaps, 'shop')).length;
    const namespace = await harness.get(namespaces, 'shop');
    if (namespace === undefined) return `gone, ${left + sets.length + slices.length} left behind`;
    if (web === undefined) return `${namespace.status?.phase}`;
    const { reason } = web.status?.conditions?.find(({ type }) => type === 'Progressing') ?? {};
    return `[${sets.sort().join(' ')}] available ${web.status?.availableReplicas ?? 0}, endpoints ${ready}, ${reason}`;
  };
  const transcript = new Transcript(state);
  const patch = (spec: object) =>
    client.resource(deployments).patch('web', { spec }, { namespace: 'shop', type: 'merge' });
  await client.resource(namespaces).create({ metadata: { name: 'shop' } });
  await client.resource(services).create({
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 1 };
  const strategy = { type: 'RollingUpdate', rollingUpdate };
  const spec = { replicas: 4, minReadySeconds: 2, progressDeadlineSeconds: 20, strategy };
  await transcript.did('create', client.resource(deployments).create(inShop(deploymentOf('web', spec))));
  await transcript.watch(5);
  await transcript.did('set image v2', patch({ template: templateOf('web', 'v2') }));
  await transcript.watch(15);
  await transcript.did('set image that never gets ready', patch({ template: templateOf('web', 'v3', { broken: '' }) }));
  await transcript.watch(30);
  await transcript.did(
    'undo',
    patch({ template: { ...templateOf('web', 'v2'), metadata: { labels: { app: 'web', broken: null } } } }),
  );
  await transcript.watch(15);
  await transcript.did('scale to 1', patch({ replicas: 1 }));
  await transcript.watch(5);
  await transcript.did('delete namespace', client.resource(namespaces).delete('shop'));
  await transcript.watch(10);
  expect(transcript.lines).toEqual([
    '> create',
    '0s [v1:4] available 0, endpoints 4, ReplicaSetUpdated',
    '2s [v1:4] available 4, endpoints 4, NewReplicaSetAvailable',
    '> set image v2',
    '0s [v1:3 v2:2] available 3, endpoints 5, ReplicaSetUpdated',
    '2s [v1:1 v2:4] available 3, endpoints 5, ReplicaSetUpdated',
    '4s [v1:0 v2:4] available 4, endpoints 4, NewReplicaSetAvailable',
    '> set image that never gets ready',
    '0s [v1:0 v2:3 v3:2] available 3, endpoints 3, ReplicaSetUpdated',
    '21s [v1:0 v2:3 v3:2] available 3, endpoints 3, ProgressDeadlineExceeded',
    '> undo',
    '0s [v1:0 v2:4 v3:0] available 3, endpoints 4, ReplicaSetUpdated',
    '2s [v1:0 v2:4 v3:0] available 4, endpoints 4, NewReplicaSetAvailable',
    '> scale to 1',
    '0s [v1:0 v2:1 v3:0] available 1, endpoints 1, NewReplicaSetAvailable',
    '> delete namespace',
    '0s gone, 0 left behind',
  ]);
});

test('a template that is sent again with zeros that say nothing, and again without, rolls nothing (fault 3)', async () => {
  harness = await startHarness({ controllers: ['deployment-controller', 'replicaset-controller'] });
  await addNode(harness, 'n1');
  const resource = harness.client.resource(deployments);
  const { template, ...spec } = deploymentOf('web').spec!;
  const zeros = { hostNetwork: false, hostname: '', volumes: [], nodeSelector: {} };
  const withZeros = {
    ...template,
    spec: {
      ...template.spec,
      ...zeros,
      containers: template.spec!.containers.map((one) => ({ ...one, stdin: false, workingDir: '', env: [] })),
    },
  };
  const namespace = 'default';
  const apply = (sent: object) =>
    resource.patch(
      'web',
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { ...spec, template: sent } },
      { namespace, type: 'apply', fieldManager: 'm', force: true },
    );
  for (const sent of [template, withZeros, template, withZeros]) {
    await apply(sent);
    await harness.clock.settle();
    const sets = await harness.list(replicaSets, namespace);
    const web = await harness.get(deployments, 'default/web');
    expect([web?.metadata?.generation, sets.length, sets[0]?.metadata?.generation]).toEqual([1, 1, 1]);
  }
});
