/** Addons as people use them: one command each way, in a cluster as it is started by hand. */
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--addons', 'gateway'] });
}, hookMs);
afterAll(() => cluster.remove(), hookMs);

const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** One request on a connection of its own; `status` 0 where there was no answer. */
function get(address: string, host: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const sent = request(address, { agent: false, headers: { host, ...headers } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', (error) => resolve({ status: 0, headers: {}, body: String(error) }));
    sent.end();
  });
}

async function gatewayAddress(): Promise<string> {
  const jsonpath = 'jsonpath={.status.addresses[0].value}:{.spec.listeners[0].port}';
  await kubectl('wait', '--for=condition=Programmed', 'gateway/shop', '--timeout=90s');
  return `http://${await kubectl('get', 'gateway', 'shop', '-o', jsonpath)}/`;
}

test('the objects of an addon are shown as they would be applied, whether the cluster has it or not', async () => {
  const before = (await cluster.coxswain(['addon', 'list', '-o', 'json'])).stdout;
  for (const name of ['gateway', 'logs']) {
    const { code, stdout } = await cluster.coxswain(['addon', 'show', name]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^kind: \w+$/m)]);
    const checked = await cluster.tryKubectl('35', ['apply', '--dry-run=client', '-f', '-'], { input: stdout });
    expect(checked).toMatchObject({ code: 0, stdout: expect.stringMatching(/\(dry run\)/) });
  }
  expect((await cluster.coxswain(['addon', 'list', '-o', 'json'])).stdout).toBe(before);
});

test('what is no addon, or none for this cluster, is refused with one line', async () => {
  const refused = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await cluster.coxswain(['addon', ...args]);
    return [code, stdout, stderr];
  };
  expect(await refused('enable', 'gatewy')).toEqual([
    1,
    '',
    'coxswain: there is no addon "gatewy": "coxswain addon list" has them\n',
  ]);
  expect(await refused('disable', 'metrics')).toEqual([
    1,
    '',
    'coxswain: Cannot enable or disable metrics as it is no addon: in every cluster\n',
  ]);
  expect(await refused('enable')).toEqual([1, '', 'coxswain: say NAME (see "coxswain addon enable --help")\n']);
  expect(await refused('list', 'x')).toEqual([
    1,
    '',
    'coxswain: unexpected argument: x (see "coxswain addon list --help")\n',
  ]);
});

test('a cluster whose addons cannot be is not started', async () => {
  const other = await RunningCluster.prepare({ flags: ['--runtime', 'fake', '--addons', 'gateway'] });
  const { code, stderr } = await other.up();
  expect([code, stderr]).toEqual([
    1,
    'coxswain: Cannot enable the addon gateway as its program runs on the runtime inprocess, which this cluster (fake; network loopback) has not: start one with --runtime inprocess, on the network loopback\n',
  ]);
  expect(other.leftOvers()).toEqual([]);
  await other.remove();
});

test('the gateway routes by host, header and weight, and an Ingress answers too', async () => {
  const { stdout } = await cluster.coxswain(['addon', 'list', '-o', 'json']);
  expect(JSON.parse(stdout).addons).toContainEqual(expect.objectContaining({ name: 'gateway', state: 'enabled' }));
  await kubectl('apply', '-f', join(root, 'manifests/addons/gateway.yaml'));
  await kubectl('rollout', 'status', 'deployment/shop-now', 'deployment/shop-next', '--timeout=90s');
  const address = await gatewayAddress();
  await eventually(
    () => get(address, 'shop.example.com'),
    ({ status }) => status === 200,
  );
  // It may have been told of the pods of one version before those of the other.
  const next = await eventually(
    () => get(address, 'shop.example.com', { version: 'next' }),
    ({ status }) => status === 200,
  );
  expect(next.body).toContain('version v2: GET /');
  const counts = { v1: 0, v2: 0 };
  for (let asked = 0; asked < 100; asked++) {
    const { body, headers } = await get(address, 'shop.example.com');
    counts[body.includes('version v1') ? 'v1' : 'v2']++;
    expect(headers['x-served-by']).toBe('shop');
  }
  // Six standard deviations on either side of 75.
  expect(counts.v1).toBeGreaterThan(48);
  expect(counts.v2).toBeGreaterThan(0);
  expect((await get(address, 'other.example.com')).status).toBe(404);
  const ingress = await cluster.nodePortUrl('ingress', 'coxswain-gateway');
  const answered = await eventually(
    () => get(ingress, 'ingress.example.com'),
    ({ status }) => status === 200,
  );
  expect(answered.body).toContain('version v1: GET /');
});

test('routes change without a request that is turned away', async () => {
  const address = await gatewayAddress();
  let isDone = false;
  const failed: Answer[] = [];
  const asking = (async () => {
    while (!isDone) {
      const answer = await get(address, 'shop.example.com');
      if (answer.status !== 200) failed.push(answer);
    }
  })();
  const weights = (now: number, next: number): object => ({
    spec: {
      rules: [
        {
          backendRefs: [
            { name: 'shop-now', port: 80, weight: now },
            { name: 'shop-next', port: 80, weight: next },
          ],
        },
      ],
    },
  });
  for (const [now, next] of [
    [1, 0],
    [0, 1],
    [1, 1],
    [0, 1],
  ] as const) {
    await kubectl('patch', 'httproute', 'shop', '--type=merge', '-p', JSON.stringify(weights(now, next)));
  }
  await eventually(
    () => get(address, 'shop.example.com'),
    ({ body }) => body.includes('version v2'),
  );
  // Another pod takes over: the old one goes once the new one serves.
  await kubectl('rollout', 'restart', '-n', 'coxswain-gateway', 'deployment/gateway');
  await kubectl('rollout', 'status', '-n', 'coxswain-gateway', 'deployment/gateway', '--timeout=90s');
  isDone = true;
  await asking;
  expect(failed).toEqual([]);
});

test('disabled, nothing of it is left, its kinds and their objects included', async () => {
  const disabled = await cluster.coxswain(['addon', 'disable', 'gateway']);
  expect([disabled.code, disabled.stdout]).toEqual([0, 'gateway is disabled\n']);
  const left = await kubectl('get', 'crd,namespace,ingressclass,clusterrole,clusterrolebinding', '-o', 'name');
  expect(left.split('\n').filter((name) => /gateway|coxswain:addon/.test(name))).toEqual([]);
  const again = await cluster.coxswain(['addon', 'disable', 'gateway']);
  expect([again.code, again.stdout]).toEqual([0, 'gateway was not enabled\n']);
}, 240_000);
