/** Where pods may run, what makes room for them, and the limits they are given. */
import { expect } from 'vitest';
import type { Pod, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import { limitRanges, nodes, pods, priorityClasses, replicaSets } from '#pkg/api/types/refs.ts';
import { isForbidden, isInvalid, reasonOf } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { container, pod, replicaSet } from './objects.ts';

const predicates = '[sig-scheduling] SchedulerPredicates [Serial]';
const preemption = '[sig-scheduling] SchedulerPreemption [Serial]';
const limits = '[sig-scheduling] LimitRange';

const find = (stage: Stage, name: string): Pod | undefined =>
  stage.cluster.pods().find(({ metadata }) => metadata?.name === name);

const scheduled = (stage: Stage, name: string) =>
  stage.cluster.until(() => find(stage, name)?.spec?.nodeName !== undefined);

const unschedulable = (stage: Stage, name: string) =>
  stage.cluster.until(
    () => find(stage, name)?.status?.conditions?.some(({ reason }) => reason === 'Unschedulable') === true,
  );

const asking = (resources: ResourceRequirements) => ({ containers: [{ ...container, resources }] });

behaviour(
  `${predicates} validates resource limits of pods that are allowed to run`,
  async (stage) => {
    const cpu = '2800m';
    for (const { name } of stage.cluster.nodes) {
      const nodeSelector = { 'kubernetes.io/hostname': name };
      const spec = { ...asking({ requests: { cpu }, limits: { cpu } }), nodeSelector };
      await stage.of(pods).create(pod(`filler-${name}`, spec));
      await scheduled(stage, `filler-${name}`);
    }
    await stage.of(pods).create(pod('additional', asking({ requests: { cpu: '2' }, limits: { cpu: '2' } })));
    await unschedulable(stage, 'additional');
    expect(stage.cluster.transcript.join('\n')).toMatch(
      /additional: Warning FailedScheduling 0\/2 nodes are available: 2 Insufficient cpu/,
    );
  },
  { nodes: 2 },
);

behaviour(`${predicates} validates that NodeSelector is respected if not matching`, async (stage) => {
  await stage.of(pods).create(pod('restricted', { nodeSelector: { label: 'nonempty' } }));
  await unschedulable(stage, 'restricted');
  await stage.cluster.advance(10_000);
  expect(find(stage, 'restricted')?.spec?.nodeName).toBe(undefined);
});

behaviour(
  `${predicates} validates that NodeSelector is respected if matching`,
  async (stage) => {
    const key = 'kubernetes.io/e2e-random';
    await stage.of(nodes).patch('node-2', { metadata: { labels: { [key]: '42' } } }, { type: 'merge' });
    await stage.of(pods).create(pod('with-labels', { nodeSelector: { [key]: '42' } }));
    await scheduled(stage, 'with-labels');
    expect(find(stage, 'with-labels')?.spec?.nodeName).toBe('node-2');
  },
  { nodes: 3 },
);

behaviour(
  `${predicates} validates that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP`,
  async (stage) => {
    const on = (hostIP: string) => ({
      containers: [
        { ...container, ports: [{ containerPort: 8080, hostPort: 54_322, protocol: 'TCP' as const, hostIP }] },
      ],
      nodeSelector: { 'kubernetes.io/hostname': 'node-1' },
    });
    await stage.of(pods).create(pod('pod4', on('0.0.0.0')));
    await scheduled(stage, 'pod4');
    await stage.of(pods).create(pod('pod5', on('127.0.0.1')));
    await unschedulable(stage, 'pod5');
    await stage.cluster.advance(60_000);
    expect(find(stage, 'pod5')?.spec?.nodeName).toBe(undefined);
  },
);

const priorityClass = (name: string, value: number) => ({
  apiVersion: 'scheduling.k8s.io/v1' as const,
  kind: 'PriorityClass' as const,
  metadata: { name },
  value,
});

async function fill(stage: Stage): Promise<void> {
  await stage.of(priorityClasses).create(priorityClass('low', 1));
  await stage.of(priorityClasses).create(priorityClass('medium', 100));
  await stage.of(priorityClasses).create(priorityClass('high', 1000));
  const spec = asking({ requests: { cpu: '3' }, limits: { cpu: '3' } });
  await stage.of(pods).create(pod('pod0', { ...spec, priorityClassName: 'low', terminationGracePeriodSeconds: 0 }));
  await scheduled(stage, 'pod0');
  await stage.of(pods).create(pod('pod1', { ...spec, priorityClassName: 'medium', terminationGracePeriodSeconds: 0 }));
  await scheduled(stage, 'pod1');
  expect(find(stage, 'pod0')?.spec?.nodeName).not.toBe(find(stage, 'pod1')?.spec?.nodeName);
}

const big = asking({ requests: { cpu: '3' }, limits: { cpu: '3' } });

behaviour(
  `${preemption} validates basic preemption works`,
  async (stage) => {
    await fill(stage);
    const victimNode = find(stage, 'pod0')?.spec?.nodeName;
    await stage.of(pods).create(pod('preemptor', { ...big, priorityClassName: 'high' }));
    await scheduled(stage, 'preemptor');
    expect(find(stage, 'preemptor')?.spec?.nodeName).toBe(victimNode);
    expect(find(stage, 'pod0')).toBe(undefined);
    expect(find(stage, 'pod1')?.metadata?.deletionTimestamp).toBe(undefined);
  },
  { nodes: 2 },
);

behaviour(
  `${preemption} validates lower priority pod preemption by critical pod`,
  async (stage) => {
    await fill(stage);
    const critical = pod(
      'critical',
      { ...big, priorityClassName: 'system-cluster-critical' },
      { namespace: 'kube-system' },
    );
    await stage.cluster.until(
      async () => (await stage.request('GET', '/api/v1/namespaces/kube-system/serviceaccounts/default')).status === 200,
    );
    await stage.of(pods).create(critical);
    await scheduled(stage, 'critical');
    expect([find(stage, 'pod0'), find(stage, 'pod1')?.metadata?.deletionTimestamp]).toEqual([undefined, undefined]);
  },
  { nodes: 2 },
);

behaviour(`${preemption} validates pod disruption condition is added to the preempted pod`, async (stage) => {
  await stage.of(priorityClasses).create(priorityClass('low', 1));
  await stage.of(priorityClasses).create(priorityClass('high', 1000));
  const victim = pod('victim', { ...big, priorityClassName: 'low' }, { finalizers: ['example.com/test-finalizer'] });
  await stage.of(pods).create(victim);
  await scheduled(stage, 'victim');
  await stage.of(pods).create(pod('preemptor', { ...big, priorityClassName: 'high' }));
  await stage.cluster.until(() => find(stage, 'victim')?.metadata?.deletionTimestamp !== undefined);
  const conditions = find(stage, 'victim')?.status?.conditions ?? [];
  expect(conditions.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'PreemptionByScheduler',
  });
  const options = { namespace: stage.namespace, type: 'merge' } as const;
  await stage.of(pods).patch('victim', { metadata: { finalizers: null } }, options);
  await stage.cluster.until(() => find(stage, 'victim') === undefined);
});

behaviour(
  `${preemption} PreemptionExecutionPath runs ReplicaSets to verify preemption running path`,
  async (stage) => {
    for (const level of [1, 2, 3, 4]) await stage.of(priorityClasses).create(priorityClass(`p${level}`, level));
    const sets = [
      { level: 1, replicas: 1, cpu: '200m' },
      { level: 2, replicas: 1, cpu: '300m' },
      { level: 3, replicas: 1, cpu: '450m' },
    ];
    const make = ({ level, replicas, cpu }: (typeof sets)[number]) =>
      replicaSet(`rs-pod${level}`, {
        replicas,
        podSpec: { ...asking({ requests: { cpu }, limits: { cpu } }), priorityClassName: `p${level}` },
      });
    const ready = (name: string) => async () => {
      const { spec, status } = await stage.of(replicaSets).get(name, { namespace: stage.namespace });
      return status?.readyReplicas === spec?.replicas;
    };
    for (const set of sets) {
      await stage.of(replicaSets).create(make(set));
      await stage.cluster.until(ready(`rs-pod${set.level}`));
    }
    await stage.of(replicaSets).create(make({ level: 4, replicas: 1, cpu: '500m' }));
    await stage.cluster.until(ready('rs-pod4'));
    await stage.cluster.advance(30_000);
    const readyReplicas = await Promise.all(
      [1, 2, 3, 4].map(async (level) => {
        const { status } = await stage.of(replicaSets).get(`rs-pod${level}`, { namespace: stage.namespace });
        return status?.readyReplicas ?? 0;
      }),
    );
    expect(readyReplicas).toEqual([0, 0, 1, 1]);
  },
  { capacity: { cpu: '1', memory: '8Gi', pods: '110' } },
);

behaviour(
  `${preemption} PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods`,
  async (stage) => {
    const client = stage.of(priorityClasses);
    for (const [name, value] of [
      ['p1', 1],
      ['p2', 2],
    ] as const) {
      const created = await client.create(priorityClass(name, value));
      const description = 'changed';
      expect((await client.patch(name, { description }, { type: 'strategic' })).description).toBe(description);
      await expect(client.patch(name, { value: value * 10 }, { type: 'strategic' })).rejects.toSatisfy(
        (error) => isInvalid(error) || isForbidden(error),
      );
      const current = await client.get(name);
      expect((await client.update({ ...current, description: 'updated' })).description).toBe('updated');
      const latest = await client.get(name);
      await expect(client.update({ ...latest, value: value * 10 })).rejects.toSatisfy(
        (error) => reasonOf(error) === 'Invalid',
      );
      expect((await client.get(name)).value).toBe(created.value);
    }
    const names = (await client.list({})).items.map(({ metadata }) => metadata?.name);
    expect(names).toEqual(expect.arrayContaining(['p1', 'p2']));
  },
);

const limitRange = (name: string, namespace = 'conformance') => ({
  apiVersion: 'v1' as const,
  kind: 'LimitRange' as const,
  metadata: { name, namespace, labels: { 'e2e-limitrange': name } },
  spec: {
    limits: [
      {
        type: 'Container' as const,
        min: { cpu: '50m', memory: '100Mi', 'ephemeral-storage': '100Gi' },
        max: { cpu: '500m', memory: '500Mi', 'ephemeral-storage': '500Gi' },
        default: { cpu: '500m', memory: '500Mi', 'ephemeral-storage': '500Gi' },
        defaultRequest: { cpu: '100m', memory: '200Mi', 'ephemeral-storage': '200Gi' },
      },
    ],
  },
});

behaviour(
  `${limits} should create a LimitRange with defaults and ensure pod has those defaults applied.`,
  async (stage) => {
    const { namespace } = stage;
    await stage.of(limitRanges).create(limitRange('limit-range'));
    const { defaultRequest, default: most } = limitRange('limit-range').spec.limits[0]!;
    await stage.of(pods).create(pod('no-resources'));
    const resourcesOf = async (name: string) =>
      (await stage.of(pods).get(name, { namespace })).spec!.containers[0]!.resources;
    expect(await resourcesOf('no-resources')).toEqual({ requests: defaultRequest, limits: most });
    const partial = { requests: { cpu: '150m', memory: '150Mi' }, limits: { cpu: '300m' } };
    await stage.of(pods).create(pod('partial', asking(partial)));
    expect(await resourcesOf('partial')).toEqual({
      requests: { cpu: '150m', memory: '150Mi', 'ephemeral-storage': '200Gi' },
      limits: { cpu: '300m', memory: '500Mi', 'ephemeral-storage': '500Gi' },
    });
    await expect(stage.of(pods).create(pod('small', asking({ requests: { cpu: '10m' } })))).rejects.toSatisfy(
      isForbidden,
    );
    await expect(
      stage.of(pods).create(pod('large', asking({ requests: { cpu: '600m' }, limits: { cpu: '600m' } }))),
    ).rejects.toSatisfy(isForbidden);
    const current = await stage.of(limitRanges).get('limit-range', { namespace });
    const min = { cpu: '9m', memory: '49Mi', 'ephemeral-storage': '49Gi' };
    await stage.of(limitRanges).update({ ...current, spec: { limits: [{ ...current.spec!.limits![0]!, min }] } });
    await stage.of(pods).create(pod('small', asking({ requests: { cpu: '10m' } })));
    await stage.of(limitRanges).delete('limit-range', { namespace });
    await stage.of(pods).create(pod('large', asking({ requests: { cpu: '600m' }, limits: { cpu: '600m' } })));
  },
);

behaviour(`${limits} should list, patch and delete a LimitRange by collection`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(limitRanges);
  await stage.cluster.apply({ apiVersion: 'v1' as const, kind: 'Namespace' as const, metadata: { name: 'another' } });
  await client.create(limitRange('e2e-limitrange'));
  await client.create(limitRange('e2e-limitrange', 'another'));
  const labelSelector = 'e2e-limitrange=e2e-limitrange';
  expect((await client.list({ labelSelector })).items.length).toBe(2);
  const [limit] = limitRange('x').spec.limits;
  const min = { cpu: '10m', memory: '50Mi', 'ephemeral-storage': '100Gi' };
  const patch = { metadata: { labels: { patched: 'true' } }, spec: { limits: [{ ...limit, min }] } };
  const patched = await client.patch('e2e-limitrange', patch, { namespace, type: 'strategic' });
  expect(patched.metadata?.labels).toMatchObject({ patched: 'true' });
  expect(patched.spec?.limits?.[0]?.min).toEqual(min);
  await client.deleteCollection({ namespace, labelSelector: 'patched=true' });
  expect((await client.list({ labelSelector })).items.map(({ metadata }) => metadata?.namespace)).toEqual(['another']);
});

behaviour(
  '[sig-architecture] Conformance Tests should have at least two untainted nodes',
  async (stage) => {
    const { items } = await stage.of(nodes).list({});
    expect(items.filter(({ spec }) => (spec?.taints?.length ?? 0) === 0).length).toBeGreaterThanOrEqual(2);
  },
  { nodes: 2 },
);
