/** A node for tests of what plugins do: a kubelet with the fake runtime, a folder and sockets of this machine, on its clock. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { namespaces, pods } from '#pkg/api/types/refs.ts';
import { type Clock, SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { createLoopbackNetwork } from '#pkg/network/loopback/loopback-network.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { createKubelet } from '../kubelet.ts';
import type { KubeletOptions } from '../kubelet-options.ts';
import { NodePlugins } from '../node-plugins.ts';
import type { ContainerConfig } from '../runtime/container-config.ts';
import { createFakeRuntime } from '../runtime/fake/fake-runtime.ts';
import { diskVolumeHost } from '../volumes/disk-volume-host.ts';
import { unmountBelow } from '../volumes/mounts.ts';

/** Starts the node, with these settings beside its usual ones, on the machine's clock or another; it ends with the test, with all that was in its folder. */
export async function startRealNode(settings: Partial<KubeletOptions> = {}, clock: Clock = new SystemClock()) {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-plugins-'));
  const base = { clock, random: new SystemRandom(), log: silentLogger };
  const server = await startBareApi(base);
  const stopped = new AbortController();
  const serving = server.run(stopped.signal);
  const { client } = server.connect('system:node:n1', 'kubelet');
  const runtime = createFakeRuntime(base);
  /** What containers were made with, the newest last. */
  const made: ContainerConfig[] = [];
  const { create } = runtime.containers;
  Object.assign(runtime.containers, {
    create: (id: string, config: ContainerConfig) => {
      made.push(config);
      return create.call(runtime.containers, id, config);
    },
  });
  const startKubelet = () => {
    const signal = new AbortController();
    const informers = createInformers({ ...base, client });
    const kubelet = createKubelet({
      deps: { ...base, client, informers, metrics: new Metrics() },
      nodeName: 'n1',
      runtimes: { fake: runtime },
      defaultRuntime: 'fake',
      network: createLoopbackNetwork(),
      volumes: diskVolumeHost(join(folder, 'volumes')),
      plugins: (deps) => new NodePlugins(deps, folder),
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      kubeletPort: 10250,
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      version: 'v1.36.0',
      podCidr: '127.8.1.0/24',
      ...settings,
    });
    const ended = Promise.all([informers.run(signal.signal), kubelet.run(signal.signal)]);
    const end = async (): Promise<void> => {
      signal.abort();
      await ended;
    };
    return { kubelet, end };
  };
  for (const name of ['default', 'kube-node-lease'])
    await client
      .resource(namespaces)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
      .catch(() => {});
  let current = startKubelet();
  onTestFinished(async () => {
    await current.end();
    stopped.abort();
    await serving;
    // What a driver has mounted stays until it is told otherwise.
    await unmountBelow(folder);
    await rm(folder, { recursive: true, force: true });
  });
  /** As when its process ends and is started again, after what happens meanwhile. */
  const restart = async (meanwhile: () => Promise<unknown> = async () => {}): Promise<void> => {
    await current.end();
    await meanwhile();
    current = startKubelet();
  };
  const read = (name: string): Promise<Pod> => client.resource(pods).get(name, { namespace: 'default' });
  /** The pod once it is as it should be. */
  const until = async (name: string, holds: (pod: Pod) => boolean): Promise<Pod> => {
    await expect.poll(async () => holds(await read(name)), { interval: 20 }).toBe(true);
    return read(name);
  };
  /** A folder in the node's own. */
  const place = async (...names: readonly string[]): Promise<string> => {
    const path = join(folder, ...names);
    await mkdir(join(path, '..'), { recursive: true });
    return path;
  };
  /** What the kubelet answers at a path. */
  const get = async (path: string): Promise<string> => {
    const { signal } = stopped;
    const request = { method: 'GET', path, query: '', headers: {}, peer: { address: '' }, signal };
    const { body } = await current.kubelet.handle(request);
    if (body.kind !== 'bytes' && body.kind !== 'object') throw new Error(`the answer is ${body.kind}`);
    return Buffer.from(body.kind === 'object' ? body.bytes() : body.bytes).toString();
  };
  return { client, folder, get, made, place, restart, runtime, until };
}
