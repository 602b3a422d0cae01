/** A machine in a cluster, as the example has it: beside ordinary pods, reached through a Service, watched, asked and started again like any container. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookMs, RunningCluster, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

let cluster: RunningCluster;

const kubectl = async (...args: readonly string[]): Promise<string> => {
  const main = join(root, 'cmd/coxswain/main.ts');
  const { code, stdout, stderr } = await run(process.execPath, [main, 'kubectl', ...args], { env: cluster.env() });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
};

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--runtime', 'inprocess,vm'] });
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
}, hookMs);

test('a machine serves through a Service', async () => {
  await kubectl('apply', '-f', 'manifests/examples/virtual-machine.yaml');
  await kubectl('wait', '--for=condition=ready', 'pod/store', 'pod/client', '--timeout=110s');
  // Rules follow the endpoints after a moment, so the first answers may be refusals.
  const ask = () => kubectl('exec', 'client', '--', 'wget', '-q', '-O', '-', 'http://store/healthz').catch(String);
  await expect.poll(ask, { timeout: 110_000, interval: 200 }).toBe('ok\n');
  expect(await kubectl('logs', 'store')).toMatch(/^kernel: 16384 KiB, network\n/);
  expect(await kubectl('exec', 'store', '--', 'echo', 'of', 'the', 'machine')).toBe('of the machine\n');
  expect(await kubectl('get', 'pod', 'store', '-o', 'jsonpath={.status.containerStatuses[0].containerID}')).toMatch(
    /^vm:\/\//,
  );
});

test('a machine that no longer answers is started again', async () => {
  // The server's process is ended, and with it the machine: the container has its exit code.
  await kubectl('exec', 'store', '--', 'kill', '3').catch(() => '');
  const path = '{.status.containerStatuses[0].restartCount}';
  await kubectl('wait', `--for=jsonpath=${path}=1`, 'pod/store', '--timeout=110s');
  await kubectl('wait', '--for=condition=ready', 'pod/store', '--timeout=110s');
  const last = '{.status.containerStatuses[0].lastState.terminated.exitCode}';
  expect(await kubectl('get', 'pod', 'store', '-o', `jsonpath=${last}`)).toBe('137');
});

/** What the command says, well or not. */
const vm = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await cluster.coxswain(['vm', ...args]);
  return code === 0 ? stdout : stderr;
};

test('a machine that is run by hand starts and stops when it is asked to', async () => {
  const statusIs = (status: string) =>
    kubectl('wait', `--for=jsonpath={.status.printableStatus}=${status}`, 'vm/board', '--timeout=110s');
  await statusIs('Stopped');
  expect(await vm('console', 'board')).toBe('coxswain: board does not run: it is Stopped\n');
  expect(await vm('start', 'board')).toBe('board is to start\n');
  await statusIs('Running');
  expect(await vm('list')).toMatch(
    /^NAME +STATUS +NODE +ADDRESS +RUNS +STRATEGY\nboard +Running +\S+ +127\.\S+ +1 +Manual\n$/,
  );
  const { machines } = JSON.parse(await vm('list', '-o', 'json'));
  expect(machines).toMatchObject([{ name: 'board', status: 'Running', runs: 1, strategy: 'Manual' }]);
  // Usage is known a moment later; what the machine did is its kubelet's answer then.
  await expect
    .poll(() => vm('top', 'board'), { timeout: 110_000, interval: 500 })
    .toMatch(
      /^NAME [\s\S]*\n\nOWN PAGES [\s\S]*\n[\d.]+ [KM]iB .*\n\nINSTRUCTIONS +TRAPS +INTERRUPTS +TLB MISSES +PAGE WALKS .*\n[1-9]\d* +[1-9]\d* /,
    );
  await vm('stop', 'board');
  await statusIs('Stopped');
  expect(await vm('start', 'none')).toBe('coxswain: there is no machine "none" in default\n');
});

const machines = `
apiVersion: vm.coxswain.dev/v1alpha1
kind: VirtualMachine
metadata: { name: shop }
spec: { image: coxswain.dev/vm/kernel, memory: 8Mi, args: [port=8092], ports: [{ port: 8092 }] }
---
apiVersion: vm.coxswain.dev/v1alpha1
kind: VirtualMachine
metadata: { name: idle }
spec: { runStrategy: Halted, image: coxswain.dev/vm/kernel, memory: 16Mi }
`;

/** What the server of a machine answers, or why it does not yet. */
async function ask(name: string, method: 'GET' | 'PUT', body = ''): Promise<string> {
  const host = await kubectl('get', 'vm', name, '-o', 'jsonpath={.status.address}');
  return new Promise((resolve) => {
    const asked = request({ host, port: 8092, path: '/value', method, agent: false }, async (answer) => {
      let text = '';
      try {
        for await (const bytes of answer) text += bytes;
        resolve(`${answer.statusCode} ${text}`);
      } catch (error) {
        resolve(String(error));
      }
    });
    asked.on('error', (error) => resolve(error.message));
    asked.end(body);
  });
}

test('a machine stands still, goes on, is kept, and begins again as it was, itself and another', async () => {
  const soon = { timeout: 110_000, interval: 200 };
  const file = join(cluster.dataDir, 'machines.yaml');
  writeFileSync(file, machines);
  await kubectl('apply', '-f', file);
  await kubectl('wait', '--for=condition=Ready', 'vm/shop', '--timeout=110s');
  await expect.poll(() => ask('shop', 'PUT', 'first'), soon).toBe('204 ');
  expect(await vm('snapshot', 'shop', '--as', 'before')).toMatch(/^before: shop as it was, [\d.]+ (KiB|MiB) on \S+\n$/);
  expect(await kubectl('get', 'vmsnapshots')).toMatch(/^NAME +MACHINE [\s\S]*\nbefore +shop +Succeeded +True /);
  expect(await ask('shop', 'PUT', 'second')).toBe('204 ');

  expect(await vm('pause', 'shop')).toBe('shop stands still\n');
  await kubectl('wait', '--for=condition=Paused', 'vm/shop', '--timeout=110s');
  expect(await vm('migrate', 'shop')).toContain('the machine "shop" is paused: resume it first');
  expect(await vm('clone', 'shop', '--as', 'twin')).toMatch(/^twin begins from shop-\w+\n$/);
  await expect.poll(() => ask('twin', 'GET'), soon).toBe('200 second');
  // It began as it was: nothing has booted.
  const pod = await kubectl('get', 'vm', 'twin', '-o', 'jsonpath={.status.podName}');
  expect(await kubectl('logs', pod)).toBe('');
  expect(await vm('resume', 'shop')).toBe('shop goes on\n');
  expect(await ask('shop', 'GET')).toBe('200 second');

  expect(await vm('restore', 'shop', '--snapshot', 'before')).toBe('shop begins from before now\n');
  await expect.poll(() => ask('shop', 'GET'), soon).toBe('200 first');
  expect(await ask('twin', 'GET')).toBe('200 second');
  expect(await vm('restart', 'twin')).toBe('twin is to restart\n');
  await kubectl('wait', '--for=jsonpath={.status.runs}=2', 'vm/twin', '--timeout=110s');
});

const watched = `
apiVersion: vm.coxswain.dev/v1alpha1
kind: VirtualMachine
metadata: { name: watched }
spec:
  image: coxswain.dev/vm/pages
  memory: 8Mi
  args: [monitor=translate, "512", "512", "512", "1000000"]
  terminationGracePeriodSeconds: 0
`;

test('a machine under a monitor says why it was left, and stays where it is', async () => {
  const file = join(cluster.dataDir, 'watched.yaml');
  writeFileSync(file, watched);
  await kubectl('apply', '-f', file);
  await kubectl('wait', '--for=condition=Ready', 'vm/watched', '--timeout=110s');
  await expect
    .poll(() => vm('top', 'watched'), { timeout: 110_000, interval: 500 })
    .toMatch(/\nINSTRUCTIONS [\s\S]*\n\nEXITED FOR +TIMES\n[\s\S]*\bsyscall +[1-9]\d*\n/);
  expect(await vm('snapshot', 'watched')).toContain('a machine under a monitor stays where it is');
  await kubectl('delete', 'vm', 'watched');
});

test('of a machine that cannot be kept or restored the reason is said', async () => {
  await kubectl('wait', '--for=jsonpath={.status.printableStatus}=Stopped', 'vm/idle', '--timeout=110s');
  expect(await vm('snapshot', 'none')).toBe('coxswain: there is no machine "none" in default\n');
  expect(await vm('snapshot', 'idle')).toBe('coxswain: idle does not run: it is Stopped\n');
  expect(await vm('pause', 'idle')).toBe('coxswain: idle does not run: it is Stopped\n');
  expect(await vm('restore', 'idle')).toBe('coxswain: say which snapshot (--snapshot)\n');
  expect(await vm('restore', 'idle', '--snapshot', 'none')).toBe('coxswain: there is no snapshot "none" in default\n');
  expect(await vm('restore', 'idle', '--snapshot', 'before')).toBe(
    'coxswain: before is of coxswain.dev/vm/kernel with 8Mi, and idle has coxswain.dev/vm/kernel with 16Mi\n',
  );
  expect(await vm('clone', 'shop')).toBe('coxswain: say how the clone is to be called (--as)\n');
});
