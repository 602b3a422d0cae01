/** Machines on the bridge network: real guests, each what is at its pod's address, by a tap device of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginsFromSnapshot } from '#pkg/api/virtual-machine-snapshot.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { Sandbox } from '#pkg/kubelet/runtime/runtime.ts';
import { createVmRuntime, type MachineRuntime } from '#pkg/kubelet/runtime/vm/vm-runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { createBridgeNetwork } from '#pkg/network/bridge/bridge-network.ts';
import { ensureClusterLinks, removeClusterLinks } from '#pkg/network/bridge/cluster-links.ts';
import { namespaceLinks } from '#pkg/network/bridge/node-links.ts';
import { nodeNamespace } from '#pkg/network/bridge/places.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import { testNetwork } from './test-network.ts';

const network = testNetwork(`taps-${process.pid}`);
const nodeName = `${network.cluster}-node-1`;
const port = 8090;
const uid = '00000000-0000-4000-8000-000000000001';
const folder = mkdtempSync(join(tmpdir(), 'machine-taps-'));
let bridge: PodNetwork;
let runtime: MachineRuntime;

beforeAll(async () => {
  // The node's own connections to its machines are on this computer.
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  await ensureClusterLinks(network);
  bridge = createBridgeNetwork({ links: namespaceLinks({ network, nodeName, nodeAddress: '10.94.0.2' }) });
  bridge.configure(['10.95.1.0/24']);
  runtime = createVmRuntime({ clock: new SystemClock(), random: new SystemRandom(), folder, ownNetwork: true });
});

afterAll(async () => {
  await runtime?.close();
  await removeClusterLinks(network.cluster, [nodeNamespace(nodeName)]);
  rmSync(folder, { recursive: true, force: true });
});

interface Machine {
  readonly sandbox: Sandbox;
  readonly address: string;
  readonly id: string;
}

async function start(name: string, annotations: Readonly<Record<string, string>> = {}): Promise<Machine> {
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podUid: `uid-${name}`, podName: name, annotations }));
  const { id: place, networkNamespace: namespacePath = '' } = sandbox;
  const addresses = await bridge.attach({ owner: name, id: place, namespacePath });
  const resources = { memoryLimitBytes: 8 << 20 };
  const config = { image: 'coxswain.dev/vm/kernel', args: [`port=${port}`], addresses, resources };
  const id = await runtime.containers.create(sandbox.id, makeContainerConfig(config));
  await runtime.containers.start(id);
  return { sandbox, address: addresses[0] ?? '', id };
}

async function end(name: string, { sandbox }: Machine): Promise<void> {
  await runtime.sandboxes.remove(sandbox.id);
  await bridge.detach(name);
}

/** The answer once there is one: a guest boots. */
const ask = (address: string, path: string, options: { readonly method?: string; readonly body?: string } = {}) =>
  expect.poll(
    async () => {
      const answer = await fetch(`http://${address}:${port}${path}`, options).catch(() => undefined);
      return `${answer?.status} ${await answer?.text()}`;
    },
    { timeout: 60_000, interval: 20 },
  );

const inNode = (...command: readonly string[]): string =>
  execFileSync('ip', ['netns', 'exec', nodeNamespace(nodeName), ...command], { encoding: 'utf8' });

test('a machine is what is at its address: it has a hardware address of its own, and TCP is its own', async () => {
  const machine = await start('one');
  await ask(machine.address, '/healthz').toBe('200 ok\n');
  expect(inNode('ip', 'neigh', 'show', machine.address)).toMatch(/ lladdr 52:54:/);
  // Nothing of this machine listens there: its namespace sees no packet.
  const inside = (...command: readonly string[]) =>
    execFileSync('nsenter', [`--net=${machine.sandbox.networkNamespace}`, '--', ...command], { encoding: 'utf8' });
  expect(inside('ss', '-Htuln')).toBe('');
  expect(inside('ip', '-br', 'link', 'show', 'type', 'tun')).toMatch(/^tap0 +U/);
  expect((await runtime.inspection.stats(machine.id)).counters).toMatchObject({
    networkInBytes: expect.any(Number),
    networkOutBytes: expect.any(Number),
  });
  await end('one', machine);
  expect(inNode('ip', '-br', 'link', 'show', 'master', 'pods')).toBe('');
});

test('commands and forwarded ports reach it, and nobody else the port of its agent', async () => {
  const machine = await start('two');
  await ask(machine.address, '/healthz').toBe('200 ok\n');
  expect(await runtime.inspection.exec(machine.id, { command: ['echo', 'inside'] })).toMatchObject({
    exitCode: 0,
    stdout: 'inside\n',
  });
  const forwarded = await runtime.streaming.portForward(machine.sandbox.id, { port, addresses: [machine.address] });
  forwarded.write(Buffer.from('GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'));
  let text = '';
  for await (const bytes of forwarded) text += Buffer.from(bytes).toString();
  expect(text).toMatch(/^HTTP\/1.1 200 /);
  forwarded.destroy();
  const lost = async (): Promise<number> => (await runtime.inspection.stats(machine.id)).counters?.framesLost ?? 0;
  const before = await lost();
  const refused = fetch(`http://${machine.address}:1/`, { signal: AbortSignal.timeout(60_000) }).catch(() => 'nobody');
  await expect.poll(lost, { timeout: 50_000, interval: 20 }).toBeGreaterThan(before);
  await end('two', machine);
  expect(await refused).toBe('nobody');
});

test('a second machine of a pod is refused, and one that is started again has the same link', async () => {
  const machine = await start('three');
  const config = { image: 'coxswain.dev/vm/echo', addresses: [machine.address] };
  const create = () => runtime.containers.create(machine.sandbox.id, makeContainerConfig(config));
  await expect(create()).rejects.toThrow('a pod on a network of its own has one machine');
  await ask(machine.address, '/healthz').toBe('200 ok\n');
  await runtime.containers.stop(machine.id, { graceMs: 0 });
  const again = await runtime.containers.create(
    machine.sandbox.id,
    makeContainerConfig({ ...config, image: 'coxswain.dev/vm/kernel', args: [`port=${port}`] }),
  );
  await runtime.containers.start(again);
  await ask(machine.address, '/healthz').toBe('200 ok\n');
  await end('three', machine);
});

test('a machine that began as a copy of another is at its own address, and the other at the other', async () => {
  const first = await start('four');
  await ask(first.address, '/value', { method: 'PUT', body: 'kept' }).toBe('204 ');
  await runtime.machines.save({ namespace: 'default', name: 'four' }, uid);
  const second = await start('five', { [beginsFromSnapshot]: uid });
  expect(second.address).not.toBe(first.address);
  await ask(second.address, '/value').toBe('200 kept');
  await ask(second.address, '/value', { method: 'PUT', body: 'changed' }).toBe('204 ');
  await ask(first.address, '/value').toBe('200 kept');
  await end('four', first);
  await ask(second.address, '/value').toBe('200 changed');
  await end('five', second);
});
