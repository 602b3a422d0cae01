/** A kubelet that gives containers processors, over the simulated runtime: pods come and go, and so do kubelets. */
import { expect, test } from 'vitest';
import type { Pod, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import type { KubeletOptions } from '../kubelet-options.ts';
import { type Cluster, pod, start } from '../testing/virtual-node.ts';
import { CpuManager } from './cpu-manager.ts';
import { StaticCpus } from './static-cpus.ts';

const inDefault = { namespace: 'default' };
const periodMs = 10_000;

/** A node of four processors of which the first is reserved; kubelets share what is written down. */
function pinning(): { readonly options: Partial<KubeletOptions>; written: unknown; isFull: boolean } {
  const cpus = [0, 1, 2, 3].map((id) => ({ id, core: `0/${id}`, socket: '0', numa: 'node0' }));
  const disk = {
    written: undefined as unknown,
    isFull: false,
    options: {
      allocatable: { cpu: '3', memory: '8Gi', pods: '110' },
      cpus: (deps) => {
        const made = new StaticCpus({ cpus, reserved: [0], wholeCores: false });
        if (disk.written !== undefined) expect(made.restore(disk.written)).toBeUndefined();
        return new CpuManager(deps, {
          cpus: made,
          save: (record) => {
            if (disk.isFull) throw new Error('there is no room on the disk');
            disk.written = JSON.parse(JSON.stringify(record));
          },
        });
      },
    } satisfies Partial<KubeletOptions>,
  };
  return disk;
}

const whole = (cpu: string): ResourceRequirements => ({
  requests: { cpu, memory: '1Mi' },
  limits: { cpu, memory: '1Mi' },
});

const sized = (name: string, resources: ResourceRequirements): Pod =>
  pod(name, { spec: { containers: [{ name: 'app', image: 'example.com/app:v1', resources }] } });

async function run(cluster: Cluster, ...made: readonly Pod[]): Promise<void> {
  for (const one of made) {
    await cluster.client.resource(pods).create(one);
    await cluster.clock.settle();
  }
}

/** Which processors the running containers are kept to, by pod. */
async function kept(cluster: Cluster): Promise<Readonly<Record<string, string | undefined>>> {
  const list = await cluster.client.resource(pods).list(inDefault);
  const names = new Map(list.items.map(({ metadata }) => [metadata?.uid, metadata?.name ?? '']));
  const all = await cluster.runtime.containers.list();
  const running = all.filter(({ state, podUid }) => state === 'running' && names.has(podUid));
  return Object.fromEntries(running.map(({ podUid, resources }) => [names.get(podUid), resources.cpusetCpus]));
}

async function remove(cluster: Cluster, name: string): Promise<void> {
  await cluster.client.resource(pods).delete(name, { ...inDefault, gracePeriodSeconds: 0 });
  await cluster.clock.advance(periodMs);
}

test("what is one container's is taken from all others while it runs, and given back", async () => {
  const cluster = await start(pinning().options);
  await run(cluster, sized('small', { requests: { cpu: '100m' } }), sized('own', whole('2')), sized('late', {}));
  expect(await kept(cluster)).toEqual({ small: '0,3', own: '1-2', late: '0,3' });
  const all = await cluster.runtime.containers.list();
  // Nobody holds it back on what is its own.
  expect(all.find(({ resources }) => resources.cpusetCpus === '1-2')?.resources.cpuQuotaUs).toBeUndefined();
  await remove(cluster, 'own');
  expect(await kept(cluster)).toEqual({ small: '0-3', late: '0-3' });
});

test('the next kubelet knows what the last one gave', async () => {
  const disk = pinning();
  const cluster = await start(disk.options);
  await run(cluster, sized('one', whole('1')), sized('two', whole('1')), sized('small', {}));
  const before = await kept(cluster);
  expect(before).toEqual({ one: '1', two: '2', small: '0,3' });
  await cluster.end();
  const { end } = cluster.startKubelet();
  await cluster.clock.settle();
  await run(cluster, sized('three', whole('1')));
  expect(await kept(cluster)).toEqual({ ...before, small: '0', three: '3' });
  await remove(cluster, 'one');
  await run(cluster, sized('four', whole('1')));
  expect((await kept(cluster))['four']).toBe('1');
  await end();
});

test('what a pod had that went while no kubelet ran is free again', async () => {
  const disk = pinning();
  const cluster = await start(disk.options);
  await run(cluster, sized('gone', whole('3')));
  await cluster.end();
  await cluster.client.resource(pods).delete('gone', { ...inDefault, gracePeriodSeconds: 0 });
  const { end } = cluster.startKubelet();
  await cluster.clock.advance(periodMs);
  await run(cluster, sized('next', whole('3')));
  expect((await kept(cluster))['next']).toBe('1-3');
  await end();
});

test('a pod whose processors cannot be written down is refused, and nothing is taken for it', async () => {
  const disk = pinning();
  const cluster = await start(disk.options);
  disk.isFull = true;
  await run(cluster, sized('first', whole('1')));
  const { status } = await cluster.client.resource(pods).get('first', inDefault);
  expect(status).toMatchObject({ phase: 'Failed', reason: 'UnexpectedAdmissionError' });
  expect(status?.message).toContain('there is no room on the disk');
  disk.isFull = false;
  await run(cluster, sized('second', whole('3')));
  expect((await kept(cluster))['second']).toBe('1-3');
});

test('a pod with processors of its own is not resized', async () => {
  const cluster = await start(pinning().options);
  await run(cluster, sized('own', whole('1')));
  const patch = { spec: { containers: [{ name: 'app', resources: whole('2') }] } };
  await cluster.client.resource(pods).patch('own', patch, { ...inDefault, type: 'strategic', subresource: 'resize' });
  await cluster.clock.settle();
  const { status } = await cluster.client.resource(pods).get('own', inDefault);
  expect(findCondition(status?.conditions, 'PodResizePending')).toMatchObject({
    reason: 'Infeasible',
    message: 'Resize is infeasible for Guaranteed Pods alongside CPU Manager static policy',
  });
  expect(await kept(cluster)).toEqual({ own: '1' });
});
