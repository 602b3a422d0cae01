/** Services that become others, and those that keep a client with one endpoint. What pods ask goes by name where upstream's does. */
import { expect } from 'vitest';
import type { Service, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import { nodes, pods, replicationControllers, services } from '#pkg/api/types/refs.ts';
import { replicationController } from './objects.ts';
import { netexec, onRealCluster, patienceMs, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster({ nodes: 2 });
const timeout = patienceMs;
const inDefault = { namespace: 'default' };
/** Requests of which all have to reach one endpoint, or not all. Source: upstream's `AffinityConfirmCount`. */
const requests = 15;

/** Three servers that say their names, and the labels by which a Service finds them. */
async function servers(stage: RealStage, name: string): Promise<Readonly<Record<string, string>>> {
  const podSpec = { containers: [{ name: 'main', image: netexec, args: ['9376'] }] };
  const controller = replicationController(name, { replicas: 3, podSpec });
  await stage.of(replicationControllers).create({ ...controller, metadata: { name, ...inDefault } });
  const ready = async (): Promise<number> => {
    const { items } = await stage.of(pods).list({ ...inDefault, labelSelector: `name=${name}` });
    return items.filter(({ status }) =>
      status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
    ).length;
  };
  await expect.poll(ready, { timeout }).toBe(3);
  return { name };
}

async function querier(stage: RealStage): Promise<string> {
  const name = stage.name('querier');
  await stage.create({ containers: [{ name: 'main', image: 'coxswain.dev/pause:v1' }] }, { name });
  await stage.until(name, ({ status }) => status?.phase === 'Running');
  return name;
}

const create = (stage: RealStage, name: string, spec: ServiceSpec): Promise<Service> =>
  stage.of(services).create({ apiVersion: 'v1', kind: 'Service', metadata: { name, ...inDefault }, spec });

async function change(stage: RealStage, name: string, to: (spec: ServiceSpec) => ServiceSpec): Promise<Service> {
  const current = await stage.of(services).get(name, inDefault);
  return stage.of(services).update({ ...current, spec: to(current.spec ?? {}) });
}

const run = async (stage: RealStage, pod: string, command: string): Promise<string> =>
  (await stage.exec(pod, ['/bin/sh', '-c', `${command} || true`])).trim();

/** Asks until one of the servers answers. */
async function reach(stage: RealStage, from: string, { host, port, of }: { host: string; port: number; of: string }) {
  await expect
    .poll(() => run(stage, from, `curl -q -s --connect-timeout 2 http://${host}:${port}/`), { timeout })
    .toContain(of);
}

/** Where the nodes answer at node ports. */
async function nodeAddress(stage: RealStage): Promise<string> {
  const [node] = (await stage.of(nodes).list()).items;
  return node?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '';
}

const ports = [{ port: 80, targetPort: 9376, protocol: 'TCP' as const }];

behaviour('[sig-network] Services should be able to create a functioning NodePort service', async (stage) => {
  const name = stage.name('nodeport-test');
  const selector = await servers(stage, name);
  const { spec } = await create(stage, name, { type: 'NodePort', selector, ports });
  const from = await querier(stage);
  await reach(stage, from, { host: name, port: 80, of: name });
  await reach(stage, from, { host: String(spec?.clusterIP), port: 80, of: name });
  await reach(stage, from, { host: await nodeAddress(stage), port: spec?.ports?.[0]?.nodePort ?? 0, of: name });
});

for (const type of ['ClusterIP', 'NodePort'] as const) {
  behaviour(`[sig-network] Services should be able to change the type from ExternalName to ${type}`, async (stage) => {
    const name = stage.name('externalname-service');
    const selector = await servers(stage, name);
    await create(stage, name, { type: 'ExternalName', externalName: 'www.example.com' });
    await change(stage, name, () => ({ type, selector, ports }));
    const { spec } = await stage.of(services).get(name, inDefault);
    const from = await querier(stage);
    await reach(stage, from, { host: name, port: 80, of: name });
    await reach(stage, from, { host: String(spec?.clusterIP), port: 80, of: name });
    const { nodePort } = spec?.ports?.[0] ?? {};
    expect(nodePort !== undefined).toBe(type === 'NodePort');
    if (nodePort !== undefined) await reach(stage, from, { host: await nodeAddress(stage), port: nodePort, of: name });
  });

  behaviour(`[sig-network] Services should be able to change the type from ${type} to ExternalName`, async (stage) => {
    const [name, other] = [stage.name('typed-service'), stage.name('externalsvc')];
    const target = await create(stage, other, { ports });
    await create(stage, name, { type, ports });
    const externalName = `${other}.default.svc.cluster.local`;
    await change(stage, name, () => ({ type: 'ExternalName', externalName }));
    const from = await querier(stage);
    const whole = `${name}.default.svc.cluster.local`;
    await expect.poll(() => run(stage, from, `dig +short ${whole} CNAME`), { timeout }).toBe(`${externalName}.`);
    await expect
      .poll(() => run(stage, from, `nslookup ${whole}`), { timeout })
      .toContain(`Address: ${target.spec?.clusterIP}`);
  });
}

/** How many servers answer so many requests of one client. */
async function reached(stage: RealStage, from: string, url: string): Promise<number> {
  const loop = `for i in $(seq ${requests}); do curl -q -s --connect-timeout 2 ${url}; echo; done`;
  const names = (await run(stage, from, loop)).split('\n').filter((line) => line !== '');
  return names.length < requests ? Number.NaN : new Set(names).size;
}

for (const [kind, type] of [
  ['service with type clusterIP', 'ClusterIP'],
  ['NodePort service', 'NodePort'],
] as const) {
  for (const switches of [false, true]) {
    const what = switches ? 'be able to switch session affinity for' : 'have session affinity work for';
    behaviour(`[sig-network] Services should ${what} ${kind} [LinuxOnly]`, async (stage) => {
      const name = stage.name('affinity');
      const selector = await servers(stage, name);
      const sessionAffinity = switches ? 'None' : 'ClientIP';
      const { spec } = await create(stage, name, { type, selector, ports, sessionAffinity });
      const from = await querier(stage);
      const url =
        type === 'NodePort'
          ? `http://${await nodeAddress(stage)}:${spec?.ports?.[0]?.nodePort}/`
          : `http://${spec?.clusterIP}:80/`;
      const count = (): Promise<number> => reached(stage, from, url);
      if (switches) {
        await expect.poll(count, { timeout }).toBeGreaterThan(1);
        await change(stage, name, (current) => ({ ...current, sessionAffinity: 'ClientIP' }));
      }
      await expect.poll(count, { timeout }).toBe(1);
    });
  }
}
