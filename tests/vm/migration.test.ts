/** A machine that serves HTTP moves between kubelets that are processes of their own, while clients with open connections go on asking it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookMs, RunningCluster, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

let cluster: RunningCluster;
let folder: string;

const kubectl = async (...args: readonly string[]): Promise<string> => {
  const main = join(root, 'cmd/coxswain/main.ts');
  const { code, stdout, stderr } = await run(process.execPath, [main, 'kubectl', ...args], { env: cluster.env() });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
};

const machine = `
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: vm }
handler: vm
---
apiVersion: vm.coxswain.dev/v1alpha1
kind: VirtualMachine
metadata: { name: store }
spec:
  image: coxswain.dev/vm/kernel
  memory: 16Mi
  args: [port=8090]
  ports: [{ name: http, port: 8090 }]
  labels: { app: store }
`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'migration-'));
  cluster = await RunningCluster.start({ flags: ['--runtime', 'inprocess,vm', '--nodes', '2', '--processes'] });
  writeFileSync(join(folder, 'machine.yaml'), machine);
  await kubectl('apply', '-f', join(folder, 'machine.yaml'));
  await kubectl('wait', '--for=condition=Ready', 'vm/store', '--timeout=110s');
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
  rmSync(folder, { recursive: true, force: true });
}, hookMs);

const statusOf = (path: string) => kubectl('get', 'vm', 'store', '-o', `jsonpath={.status.${path}}`);

/** Asks over one connection, one request after the other, until it is stopped. */
function load(host: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<Socket>();
  const seen = { answers: 0, problems: [] as string[], longestMs: 0 };
  let goesOn = true;
  const ask = (): Promise<void> =>
    new Promise((resolve) => {
      const beganMs = performance.now();
      const request = get({ host, port: 8090, path: '/healthz', agent }, (answer) => {
        answer.resume().on('end', () => {
          if (answer.statusCode === 200) seen.answers++;
          else seen.problems.push(`status ${answer.statusCode}`);
          seen.longestMs = Math.max(seen.longestMs, performance.now() - beganMs);
          resolve();
        });
      });
      request.on('socket', (socket) => sockets.add(socket));
      request.on('error', (error) => {
        seen.problems.push(error.message);
        resolve();
      });
    });
  const running = (async () => {
    while (goesOn && seen.problems.length === 0) await ask();
  })();
  return {
    seen,
    stop: async () => {
      goesOn = false;
      await running;
      agent.destroy();
      return { ...seen, connections: sockets.size };
    },
  };
}

test('a machine moves while its clients go on, over the connections that they have', async () => {
  const [address, first] = [await statusOf('address'), await statusOf('nodeName')];
  const client = load(address);
  for (const mode of ['pre-copy', 'post-copy', 'hybrid', 'pre-copy']) {
    const before = client.seen.answers;
    const { code, stdout, stderr } = await cluster.coxswain(['vm', 'migrate', 'store', '--mode', mode]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^store moved from \S+ to \S+: /)]);
    expect(stderr).not.toContain('was not migrated');
    // Some answers come from where it is now.
    await expect.poll(() => client.seen.answers, { timeout: 60_000 }).toBeGreaterThan(before + 20);
  }
  const { answers, problems, connections, longestMs } = await client.stop();
  console.log(`${answers} answers, the longest after ${longestMs.toFixed(1)} ms`);
  expect([problems, connections]).toEqual([[], 1]);
  expect([await statusOf('nodeName'), await statusOf('runs')]).toEqual([first, '1']);
});

test('what cannot be is refused with the reason', async () => {
  const node = await statusOf('nodeName');
  const migrate = async (...args: readonly string[]) =>
    (await cluster.coxswain(['vm', 'migrate', 'store', ...args])).stderr;
  expect(await migrate('--to', node)).toContain(`the machine runs on the node "${node}" already`);
  expect(await migrate('--to', 'nowhere')).toContain('there is no node "nowhere"');
  expect(await migrate('--mode', 'slow')).toContain('there is no mode "slow"');
  expect(await migrate('--abort')).toContain('no migration of store is under way: it is Running');
});
