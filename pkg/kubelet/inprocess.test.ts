/** A kubelet with real programs: worker threads, files and sockets, on the machine's clock. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { configMaps, pods, secrets } from '#pkg/api/types/refs.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { alwaysAllow } from '#pkg/apiserver/authz/authorizer.ts';
import { createApiServer } from '#pkg/apiserver/server.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { createLoopbackNetwork } from '#pkg/network/loopback/loopback-network.ts';
import { strategies } from '#pkg/registry/table.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { createKubelet } from './kubelet.ts';
import { socketProbeTransport } from './probes/socket-transport.ts';
import { createInProcessRuntime } from './runtime/inprocess/inprocess-runtime.ts';
import { diskVolumeHost } from './volumes/disk-volume-host.ts';

async function start() {
  const directory = await mkdtemp(join(tmpdir(), 'coxswain-kubelet-'));
  const base = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger };
  const server = createApiServer({
    ...base,
    store: createMemoryStore(base),
    strategies,
    admission: [],
    authenticators: [clientCertificateAuthenticator()],
    authorizer: alwaysAllow(),
  });
  const stop = new AbortController();
  const serving = server.run(stop.signal);
  await server.ready();
  const client = createClient({
    transport: inProcessTransport(server.handle, { commonName: 'system:node:n1', organizations: ['system:masters'] }),
    userAgent: 'kubelet',
  });
  const informers = createInformers({ ...base, client });
  const runtime = createInProcessRuntime({ ...base, dataDir: join(directory, 'containers') });
  const kubelet = createKubelet({
    deps: { ...base, client, informers },
    nodeName: 'n1',
    runtimes: { inprocess: runtime },
    defaultRuntime: 'inprocess',
    network: createLoopbackNetwork(),
    volumes: diskVolumeHost(join(directory, 'volumes')),
    probes: socketProbeTransport(base),
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    kubeletPort: 10250,
    capacity: { cpu: '4', memory: '8Gi', pods: '110' },
    version: 'v1.36.0',
    podCidr: '127.78.1.0/24',
  });
  const running = [informers.run(stop.signal), kubelet.run(stop.signal), serving];
  onTestFinished(async () => {
    stop.abort();
    await Promise.all(running);
    await runtime.close();
    await rm(directory, { recursive: true, force: true });
  });
  const until = async (name: string, holds: (pod: Pod) => boolean): Promise<Pod> => {
    const read = (): Promise<Pod> => client.resource(pods).get(name, { namespace: 'default' });
    await expect.poll(async () => holds(await read()), { timeout: 8_000 }).toBe(true);
    return read();
  };
  const logs = async (path: string): Promise<string> => {
    const peer = { address: '' };
    const [route = '', query = ''] = path.split('?');
    const { signal } = new AbortController();
    const answer = await kubelet.handle({ method: 'GET', path: route, query, headers: {}, peer, signal });
    if (answer.body.kind === 'bytes') return `${answer.status} ${new TextDecoder().decode(answer.body.bytes)}`;
    let text = '';
    if (answer.body.kind === 'stream')
      for await (const chunk of answer.body.chunks) text += new TextDecoder().decode(chunk);
    return text;
  };
  return { client, directory, until, logs };
}

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

test('a program gets its environment, files and probes, is restarted when unhealthy, and keeps its previous log', async () => {
  const { client, until, logs, directory } = await start();
  const metadata = { name: 'settings', namespace: 'default' };
  await client
    .resource(configMaps)
    .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { color: 'red', 'a.txt': 'one' } });
  await client
    .resource(secrets)
    .create({ apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, name: 'key' }, data: { token: 'c2VjcmV0' } });
  const probe = { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, failureThreshold: 1 };
  await client.resource(pods).create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'echo', namespace: 'default' },
    spec: {
      nodeName: 'n1',
      terminationGracePeriodSeconds: 5,
      containers: [
        {
          name: 'echo',
          image: 'coxswain.dev/echo:v2',
          ports: [{ name: 'http', containerPort: 8080 }],
          env: [
            { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
            { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'key', key: 'token' } } },
            { name: 'ME', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'MESSAGE', value: '$(COLOR) $(TOKEN) $(ME) $(NONE)' },
          ],
          volumeMounts: [{ name: 'files', mountPath: '/etc/files' }],
          readinessProbe: { exec: { command: ['cat', '/etc/files/a.txt'] }, periodSeconds: 1 },
          livenessProbe: probe,
        },
      ],
      volumes: [{ name: 'files', configMap: { name: 'settings' } }],
    },
  });
  const pod = await until('echo', isReady);
  const ip = pod.status?.podIP;
  expect(await (await fetch(`http://${ip}:8080/`)).text()).toBe(`echo (${ip}) version v2: red secret ${ip} $(NONE)\n`);
  const file = join(directory, 'volumes', pod.metadata?.uid ?? '', 'configmap', 'files', 'a.txt');
  expect(await readFile(file, 'utf8')).toBe('one');
  const patch = { data: { 'a.txt': 'two' } };
  await client.resource(configMaps).patch('settings', patch, { namespace: 'default', type: 'merge' });
  await expect.poll(() => readFile(file, 'utf8')).toBe('two');
  await fetch(`http://${ip}:8080/fail`, { method: 'POST' });
  await until('echo', (now) => now.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(now));
  expect(await logs('/containerLogs/default/echo/echo?tailLines=1')).toMatch(/GET|listening/);
  expect(await logs('/containerLogs/default/echo/echo?previous=true')).toContain('POST /fail\n');
  expect(await logs('/containerLogs/default/echo/none')).toBe('404 container none not found in pod echo');
  await client.resource(pods).delete('echo', { namespace: 'default' });
  await expect.poll(async () => (await client.resource(pods).list({})).items.length, { timeout: 5_000 }).toBe(0);
}, 20_000);
