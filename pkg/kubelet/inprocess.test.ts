/** A kubelet with real programs: worker threads, files and sockets, on the machine's clock. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { configMaps, events, pods, secrets } from '#pkg/api/types/refs.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { createLoopbackNetwork } from '#pkg/network/loopback/loopback-network.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { createKubelet } from './kubelet.ts';
import { socketProbeTransport } from './probes/socket-transport.ts';
import { createInProcessRuntime } from './runtime/inprocess/inprocess-runtime.ts';
import { diskVolumeHost } from './volumes/disk-volume-host.ts';

async function start() {
  const directory = await mkdtemp(join(tmpdir(), 'coxswain-kubelet-'));
  const base = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, metrics: new Metrics() };
  const server = await startBareApi(base);
  const stop = new AbortController();
  const serving = server.run(stop.signal);
  const { client, informers } = server.connect('system:node:n1', 'kubelet');
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
    await expect.poll(async () => holds(await read())).toBe(true);
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
  return { client, directory, until, logs, runtime };
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
  // None fails as the machine is slow, and one counts only from when the program listens.
  const often = { periodSeconds: 1, timeoutSeconds: 60 };
  const probe = { httpGet: { path: '/healthz', port: 'http' }, ...often };
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
          startupProbe: { ...probe, failureThreshold: 1_000 },
          readinessProbe: { exec: { command: ['cat', '/etc/files/a.txt'] }, ...often },
          livenessProbe: { ...probe, failureThreshold: 2 },
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
  await expect.poll(() => logs('/containerLogs/default/echo/echo?tailLines=1')).toMatch(/GET|listening/);
  expect(await logs('/containerLogs/default/echo/echo?previous=true')).toContain('POST /fail\n');
  expect(await logs('/containerLogs/default/echo/none')).toBe('404 container none not found in pod echo');
  await client.resource(pods).delete('echo', { namespace: 'default' });
  await expect.poll(async () => (await client.resource(pods).list({})).items.length).toBe(0);
});

test('pods whose process died are restarted by their policy, say why they ended, and the node tells of it (fault 53)', async () => {
  const { client, until, directory } = await start();
  const marker = join(directory, 'killed');
  const program = join(directory, 'killer.mjs');
  await writeFile(
    program,
    `import { existsSync, writeFileSync } from 'node:fs'; import { execFileSync } from 'node:child_process';
     setInterval(() => {}, 1000);
     setTimeout(() => { if (!existsSync(process.env.MARKER)) { writeFileSync(process.env.MARKER, ''); execFileSync('sh', ['-c', 'kill -9 $PPID']); } }, 300);`,
  );
  const pod = (name: string, image: string, restartPolicy: string): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      nodeName: 'n1',
      restartPolicy,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'app', image, env: [{ name: 'MARKER', value: marker }] }],
    },
  });
  await client.resource(pods).create(pod('other', 'coxswain.dev/pause', 'Always'));
  await client.resource(pods).create(pod('once', 'coxswain.dev/pause', 'Never'));
  await Promise.all([until('other', isReady), until('once', isReady)]);
  await client.resource(pods).create(pod('killer', pathToFileURL(program).href, 'Always'));
  const isRestarted = (now: Pod): boolean => now.status?.containerStatuses?.[0]?.restartCount === 1 && isReady(now);
  const restarted = await Promise.all([until('other', isRestarted), until('killer', isRestarted)]);
  for (const { status } of restarted) {
    expect(status?.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({
      exitCode: 137,
      reason: 'Error',
      message: "the process of this node's programs was ended by SIGKILL: they all ended with it",
    });
  }
  expect(
    (await until('once', (now) => now.status?.phase === 'Failed')).status?.containerStatuses?.[0]?.state,
  ).toMatchObject({
    terminated: { exitCode: 137, reason: 'Error' },
  });
  await expect
    .poll(async () =>
      (await client.resource(events).list({})).items.map(({ reason, message }) => `${reason}: ${message}`),
    )
    .toContain("ContainerRuntimeFailed: The process of this node's programs was ended by SIGKILL");
});

test('a program does not run without what its pod asks for, and the reason says what that is (fault 35)', async () => {
  const { client, until } = await start();
  await client.resource(pods).create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'strict', namespace: 'default' },
    spec: {
      nodeName: 'n1',
      containers: [
        {
          name: 'app',
          image: 'coxswain.dev/echo',
          securityContext: { runAsUser: 54_321, readOnlyRootFilesystem: true },
        },
      ],
    },
  });
  const reasonOf = ({ status }: Pod) => status?.containerStatuses?.[0]?.state?.waiting?.reason ?? 'ContainerCreating';
  const pod = await until('strict', (one) => reasonOf(one) !== 'ContainerCreating');
  expect(pod.status?.containerStatuses?.[0]?.state).toEqual({
    waiting: {
      reason: 'CreateContainerConfigError',
      message: 'the inprocess runtime does not support runAsUser 54321, readOnlyRootFilesystem',
    },
  });
});

test('a program that may not get more rights does not, and no event says that it might', async () => {
  const { client, until } = await start();
  const source =
    "console.log(require('fs').readFileSync('/proc/thread-self/status', 'utf8').includes('NoNewPrivs:\\t1'));";
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-rights-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'rights.cjs');
  await writeFile(path, source);
  const container = { name: 'app', image: pathToFileURL(path).href, terminationMessagePolicy: 'FallbackToLogsOnError' };
  await client.resource(pods).create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'bound', namespace: 'default' },
    spec: {
      nodeName: 'n1',
      restartPolicy: 'Never',
      containers: [{ ...container, securityContext: { allowPrivilegeEscalation: false } }],
    },
  });
  await until('bound', (pod) => pod.status?.phase === 'Succeeded');
  const reasons = async () => {
    const { items } = await client.resource(events).list({ namespace: 'default' });
    return items.filter(({ involvedObject }) => involvedObject.name === 'bound').map(({ reason }) => reason);
  };
  // Events are written in their order, beside the pod's status.
  await expect.poll(reasons).toContain('Started');
  expect(await reasons()).not.toContain('NotEnforced');
});
