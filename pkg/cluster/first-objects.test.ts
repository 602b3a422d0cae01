/** What a cluster has from the start, before anybody has made anything (fault 21). */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  configMaps,
  flowSchemas,
  ipAddresses,
  nodes,
  priorityLevelConfigurations,
  serviceCIDrs,
} from '#pkg/api/types/refs.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom, SystemRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { startCluster } from './cluster.ts';
import { defaultSettings, loopbackAddresses } from './settings.ts';

const api = startBareApi({ clock: new VirtualClock(), random: new SeededRandom(1), serviceCidr: '10.9.0.0/16' });
const client = async () => createClient({ transport: (await api).transport('admin'), userAgent: 'test' });

test('the flow schemas and priority levels of every cluster are there, and pass for valid (fault 21)', async () => {
  const { resource } = await client();
  const schemas = (await resource(flowSchemas).list()).items;
  const named = schemas.map(({ metadata, spec }) => [
    metadata?.name,
    spec?.priorityLevelConfiguration.name,
    spec?.matchingPrecedence,
    spec?.distinguisherMethod?.type,
  ]);
  expect(named).toEqual([
    ['catch-all', 'catch-all', 10_000, 'ByUser'],
    ['exempt', 'exempt', 1, undefined],
    ['global-default', 'global-default', 9_900, 'ByUser'],
    ['kube-controller-manager', 'workload-high', 800, 'ByNamespace'],
    ['kube-scheduler', 'workload-high', 800, 'ByNamespace'],
    ['kube-system-service-accounts', 'workload-high', 900, 'ByNamespace'],
    ['probes', 'exempt', 2, undefined],
    ['service-accounts', 'workload-low', 9_000, 'ByUser'],
    ['system-leader-election', 'leader-election', 100, 'ByUser'],
    ['system-node-high', 'node-high', 400, 'ByUser'],
    ['system-nodes', 'system', 500, 'ByUser'],
  ]);
  for (const schema of schemas) await resource(flowSchemas).update(schema, { dryRun: true });
  const levels = (await resource(priorityLevelConfigurations).list()).items;
  const shares = levels.map(({ metadata, spec }) => [
    metadata?.name,
    spec?.limited?.nominalConcurrencyShares ?? spec?.exempt?.nominalConcurrencyShares,
    spec?.limited?.limitResponse?.queuing?.queues,
  ]);
  expect(shares).toEqual([
    ['catch-all', 5, undefined],
    ['exempt', 0, undefined],
    ['global-default', 20, 128],
    ['leader-election', 10, 16],
    ['node-high', 40, 64],
    ['system', 30, 64],
    ['workload-high', 40, 128],
    ['workload-low', 100, 128],
  ]);
  for (const level of levels) await resource(priorityLevelConfigurations).update(level, { dryRun: true });
});

test('the range of cluster IPs is an object, and ready (fault 21)', async () => {
  const { resource } = await client();
  const { metadata, spec, status } = await resource(serviceCIDrs).get('kubernetes');
  expect([metadata?.finalizers, spec?.cidrs, status?.conditions]).toEqual([
    ['networking.k8s.io/service-cidr-finalizer'],
    ['10.9.0.0/16'],
    [expect.objectContaining({ type: 'Ready', status: 'True', message: 'Kubernetes default Service CIDR is ready' })],
  ]);
});

test('the address of the Service of the API server is an object that names it (fault 21)', async () => {
  const { resource } = await client();
  const { metadata, spec } = await resource(ipAddresses).get('10.9.0.1');
  expect([metadata?.labels, spec?.parentRef]).toEqual([
    { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' },
    { group: '', resource: 'services', namespace: 'default', name: 'kubernetes' },
  ]);
});

test('a cluster says by which authority it knows clients, and its nodes which machine they are on (fault 21)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-first-'));
  // Those of no other test: files run beside one another.
  const settings = { ...defaultSettings, ...loopbackAddresses(60), runtime: 'fake', store: 'memory', apiPort: 0 };
  const cluster = await startCluster({
    settings,
    folder,
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: silentLogger,
    signal: new AbortController().signal,
  });
  onTestFinished(async () => {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await cluster.nodesReady(90_000, new AbortController().signal);
  const transport = inProcessTransport(cluster.handle, { commonName: 'admin', organizations: ['system:masters'] });
  const { resource } = createClient({ transport, userAgent: 'test' });
  const name = 'extension-apiserver-authentication';
  await expect
    .poll(
      async () =>
        (await resource(configMaps).list({ namespace: 'kube-system' })).items.map((map) => map.metadata?.name),
      { timeout: 60_000, interval: 20 },
    )
    .toContain(name);
  const { data } = await resource(configMaps).get(name, { namespace: 'kube-system' });
  expect(data).toEqual({
    'client-ca-file': cluster.pki.authority.certificate,
    'requestheader-allowed-names': '["front-proxy-client"]',
    'requestheader-client-ca-file': cluster.pki.frontProxy.authority,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  });
  const info = (await resource(nodes).get('dev-node-1')).status?.nodeInfo;
  expect(info?.bootID).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  expect([info?.machineID, info?.systemUUID].every(Boolean)).toBe(true);
});
