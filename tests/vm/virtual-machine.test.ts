/** A machine in a cluster, as the example has it: beside ordinary pods, reached through a Service, watched, asked and started again like any container. */
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

test('a machine that is run by hand starts and stops when it is asked to', async () => {
  const vm = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await cluster.coxswain(['vm', ...args]);
    return code === 0 ? stdout : stderr;
  };
  const statusIs = (status: string) =>
    kubectl('wait', `--for=jsonpath={.status.printableStatus}=${status}`, 'vm/board', '--timeout=110s');
  await statusIs('Stopped');
  expect(await vm('console', 'board')).toBe('coxswain: board does not run: it is Stopped\n');
  expect(await vm('start', 'board')).toBe('board is to start\n');
  await statusIs('Running');
  expect(await vm('list')).toMatch(
    /^NAME +STATUS +NODE +ADDRESS +RUNS +STRATEGY\nboard +Running +\S+ +127\.\S+ +1 +Manual\n$/,
  );
  // Usage is known a moment later; what the machine did is its kubelet's answer then.
  await expect
    .poll(() => vm('top', 'board'), { timeout: 110_000, interval: 500 })
    .toMatch(/^NAME [\s\S]*\n\nINSTRUCTIONS +TRAPS +INTERRUPTS +TLB MISSES +PAGE WALKS .*\n[1-9]\d* +[1-9]\d* /);
  await vm('stop', 'board');
  await statusIs('Stopped');
  expect(await vm('start', 'none')).toBe('coxswain: there is no machine "none" in default\n');
});
