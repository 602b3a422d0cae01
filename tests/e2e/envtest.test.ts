/** The stand-ins of `coxswain envtest` under the flags, health checks and signals of the libraries that start such binaries. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { coxswainMain } from './machine.ts';
import { eventually, hookMs, run } from './running-cluster.ts';
import { StandIns } from './stand-ins.ts';

const minutes = 3 * 60_000;
const configMaps = '/api/v1/namespaces/default/configmaps';
const named = (name: string): object => ({ metadata: { name } });

let standIns: StandIns | undefined;

afterEach(async () => {
  await standIns?.remove();
  standIns = undefined;
}, hookMs);

async function started(environment: Readonly<Record<string, string>> = {}): Promise<StandIns> {
  standIns = await StandIns.prepare();
  await standIns.startEtcd();
  await standIns.startServer(environment);
  return standIns;
}

test(
  'a suite as of controller-runtime: an API without controllers, tokens, and an end at SIGTERM',
  async () => {
    const both = await started();
    expect(JSON.parse((await both.askEtcd('/health')).body)).toMatchObject({ health: 'true' });
    const namespaces = JSON.parse((await both.ask('GET', '/api/v1/namespaces')).body) as {
      items: { metadata: { name: string } }[];
    };
    expect(namespaces.items.map(({ metadata }) => metadata.name).sort()).toEqual([
      'default',
      'kube-node-lease',
      'kube-public',
      'kube-system',
    ]);
    // ServiceAccount is not among the plugins, and nobody makes the account that it would look for.
    const pod = { ...named('p'), spec: { containers: [{ name: 'c', image: 'i' }] } };
    expect((await both.ask('POST', '/api/v1/namespaces/default/pods', pod)).status).toBe(201);
    await both.ask('POST', '/api/v1/namespaces/default/serviceaccounts', named('robot'));
    const token = await both.ask('POST', '/api/v1/namespaces/default/serviceaccounts/robot/token', { spec: {} });
    const review = { spec: { token: (JSON.parse(token.body) as { status: { token: string } }).status.token } };
    const reviewed = await both.ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review);
    expect(JSON.parse(reviewed.body)).toMatchObject({
      status: { authenticated: true, user: { username: 'system:serviceaccount:default:robot' } },
    });
    // What a namespace that is deleted waits for is a controller.
    await both.ask('POST', '/api/v1/namespaces', named('ends'));
    await both.ask('DELETE', '/api/v1/namespaces/ends');
    const ending = await both.ask('GET', '/api/v1/namespaces/ends');
    expect(JSON.parse(ending.body)).toMatchObject({ status: { phase: 'Terminating' } });
    expect(await both.stop('server')).toBe(0);
    expect(await both.stop('etcd')).toBe(0);
  },
  minutes,
);

test(
  'the kubectl beside them, as jenvtest asks for the default namespace',
  async () => {
    const both = await started();
    expect(await both.kubectl(['get', 'ns', 'default', '-o', 'name'])).toBe('namespace/default\n');
  },
  minutes,
);

test(
  'controllers where the environment asks for them: namespaces end, owners are collected, Deployments make Pods',
  async () => {
    const both = await started({ COXSWAIN_CONTROLLERS: 'all' });
    await both.ask('POST', '/api/v1/namespaces', named('ends'));
    await both.ask('DELETE', '/api/v1/namespaces/ends');
    await eventually(
      () => both.ask('GET', '/api/v1/namespaces/ends'),
      ({ status }) => status === 404,
    );
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const deployment = { ...named('web'), spec: { replicas: 2, selector: { matchLabels: labels }, template } };
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    expect((await both.ask('POST', deployments, deployment)).status).toBe(201);
    const pods = async (): Promise<number> =>
      (JSON.parse((await both.ask('GET', '/api/v1/namespaces/default/pods')).body) as { items: unknown[] }).items
        .length;
    await eventually(pods, (count) => count === 2);
    await both.ask('DELETE', `${deployments}/web`, { propagationPolicy: 'Background' });
    await eventually(pods, (count) => count === 0);
  },
  minutes,
);

test(
  'a server that is killed and starts again has its data; so has one whose etcd does',
  async () => {
    const both = await started();
    await both.ask('POST', configMaps, named('first'));
    expect(await both.stop('server', 'SIGKILL')).toBe('SIGKILL');
    await both.startServer();
    expect((await both.ask('GET', `${configMaps}/first`)).status).toBe(200);
    expect(await both.stop('etcd', 'SIGKILL')).toBe('SIGKILL');
    await eventually(
      () => both.ask('POST', configMaps, named('meanwhile')),
      ({ status }) => status >= 500,
    );
    await both.startEtcd();
    await eventually(
      () => both.ask('POST', configMaps, named('second')),
      ({ status }) => status === 201 || status === 409,
    );
    expect((await both.ask('GET', `${configMaps}/first`)).status).toBe(200);
  },
  minutes,
);

test(
  'a server whose etcd comes back with other data ends, and the next one begins with that',
  async () => {
    const both = await started();
    await both.ask('POST', configMaps, named('first'));
    await both.stop('etcd');
    await both.startEtcd('other');
    expect(await both.serverEnded()).toBe(1);
    expect(both.serverOutput()).toContain('holds other data now');
    await both.startServer();
    expect((await both.ask('GET', `${configMaps}/first`)).status).toBe(404);
  },
  minutes,
);

test(
  'nobody else is served: not an etcd client, not a second server',
  async () => {
    const both = await started();
    for (const path of ['/v3/kv/range', '/v2/keys', '/metrics'])
      expect(await both.askEtcd(path)).toEqual({ status: 501, body: expect.stringContaining('stand-in') });
    expect((await both.askEtcd('/coxswain/claim')).status).toBe(409);
  },
  minutes,
);

test.each([
  [['kube-apiserver', '--no-such-flag'], 1, 'Error: unknown flag: --no-such-flag (see --help)\n'],
  [['kube-apiserver'], 1, 'Error: --etcd-servers must be specified (see --help)\n'],
  [['etcd', '--no-such-flag'], 2, 'etcd: flag provided but not defined: -no-such-flag (see --help)\n'],
])(
  '%j is refused in one line',
  async ([name = '', ...args], code, stderr) => {
    standIns = await StandIns.prepare();
    expect(await run(join(standIns.assets, name), args)).toEqual({ code, stdout: '', stderr });
  },
  minutes,
);

test(
  'a controller that there is not is refused before anything is asked',
  async () => {
    standIns = await StandIns.prepare();
    const env = { COXSWAIN_CONTROLLERS: 'no-such-controller' };
    const result = await run(join(standIns.assets, 'kube-apiserver'), ['--etcd-servers=http://127.0.0.1:1'], { env });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^Error: COXSWAIN_CONTROLLERS names "no-such-controller": it must be all, or some of /,
    );
  },
  minutes,
);

describe('suites in other languages, with the flags of their libraries', () => {
  const folder = join(root, 'tests/e2e/fixtures/envtest');
  test.each([
    ['python3', 'suite.py', ['--version']],
    ['java', 'Suite.java', ['-version']],
  ])(
    '%s',
    async (command, file, probe) => {
      if (spawnSync(command, probe).status !== 0) {
        console.log(`skipped: there is no ${command} here`);
        return;
      }
      const assets = mkdtempSync(join(tmpdir(), 'coxswain-assets-'));
      try {
        const made = await run(process.execPath, [coxswainMain, 'envtest', '--dir', assets]);
        expect(made.code).toBe(0);
        const result = await run(command, [join(folder, file)], { env: { KUBEBUILDER_ASSETS: assets } });
        expect(result).toEqual({ code: 0, stdout: 'the suite has passed\n', stderr: expect.any(String) });
      } finally {
        rmSync(assets, { recursive: true, force: true });
      }
    },
    minutes,
  );
});
