/**
 * An application of three tiers across two nodes, of images that are built of Debian's packages: names, Services of every sort, policies, a rolling update under
 * load and the loss of a node, looked at from inside pods and from the machine. Each component is a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  RunningCluster as Clusters,
  eventually,
  hookMs,
  type RunningCluster,
  run,
} from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { unpackDebian } from './debian-images.ts';
import { noNetwork } from './kernel-network.ts';
import { noContainers } from './real-containers.ts';

const missing = ['wrk', 'dpkg-deb', 'apt-get'].find((name) => spawnSync(name, ['--version']).error !== undefined);
const impossible = noContainers ?? noNetwork ?? (missing === undefined ? undefined : `there is no ${missing}`);
if (impossible !== undefined) console.log(`skipped: an application in containers: ${impossible}`);

const name = `app${process.pid}`;
const nodes = [`${name}-node-1`, `${name}-node-2`];
const loadSeconds = 8;

describe.skipIf(impossible !== undefined)('an application across two nodes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-app-'));
  let cluster: RunningCluster;

  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', ['-n', 'shop', ...args]);
  const podOf = async (app: string): Promise<string> =>
    kubectl('get', 'pods', '-l', `app=${app}`, '-o', 'jsonpath={.items[0].metadata.name}');
  /** What a command in a pod says; its error where it fails. */
  const inside = async (app: string, command: string): Promise<string> => {
    const args = ['-n', 'shop', 'exec', await podOf(app), '--', 'sh', '-c', command];
    const { stdout, stderr } = await cluster.tryKubectl('35', args);
    return `${stdout}${stderr}`;
  };
  const get = async (url: string): Promise<string> => (await fetch(url, { headers: { connection: 'close' } })).text();
  const field = (kind: string, object: string, path: string): Promise<string> =>
    kubectl('get', kind, object, '-o', `jsonpath={${path}}`);
  const addressOf = (node: string): Promise<string> =>
    field('node', node, '.status.addresses[?(@.type=="InternalIP")].address');

  beforeAll(async () => {
    await unpackDebian(folder);
    const monitoring = 'kube-controller-manager.node-monitor-grace-period=6s';
    const network = ['--processes', '--network', 'bridge', '--runtime', 'container'];
    cluster = await Clusters.start({
      flags: ['--name', name, '--nodes', '2', ...network, '--extra-config', monitoring],
    });
    for (const [image, from] of [
      ['busybox', 'busybox'],
      ['nginx', 'debian'],
      ['redis', 'debian'],
    ] as const) {
      const target = from === 'debian' ? ['--target', image] : [];
      const built = await cluster.coxswain(['image', 'build', '--tag', `${image}:1`, ...target, join(folder, from)], {
        timeoutMs: hookMs,
      });
      expect(built.code, built.stderr).toBe(0);
    }
    const manifest = readFileSync(join(root, 'tests/containers/shop.yaml'), 'utf8').replaceAll('NODE1', nodes[0] ?? '');
    await cluster.kubectl('35', ['apply', '-f', '-'], { input: manifest });
    for (const one of ['deployment/cache', 'deployment/api', 'deployment/web', 'daemonset/agent'])
      await kubectl('rollout', 'status', one, '--timeout=120s');
  }, hookMs * 2);

  afterAll(async () => {
    if (cluster !== undefined) {
      await stopKubelet('CONT');
      await cluster.coxswain(['down', '--delete-data']);
      await cluster.remove();
      expect(spawnSync('ip', ['netns'], { encoding: 'utf8' }).stdout).not.toContain(name);
      expect(spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' }).stdout).not.toContain(name);
    }
    rmSync(folder, { recursive: true, force: true });
  }, hookMs);

  async function stopKubelet(signal: 'CONT' | 'STOP'): Promise<void> {
    const status = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout);
    for (const { name: process, pid } of status.processes)
      if (process === `kubelet-${nodes[1]}`) spawnSync('kill', [`-${signal}`, String(pid)]);
  }

  test('pods find each other by names, and every sort of Service leads to the tiers, from pods and from the machine', async () => {
    const clusterIp = await field('service', 'cache', '.spec.clusterIP');
    const names = 'nslookup cache.shop.svc.cluster.local; nslookup -type=srv _redis._tcp.cache.shop.svc.cluster.local';
    const found = await eventually(
      () => inside('api', names),
      (text) => text.includes(`Address: ${clusterIp}`),
    );
    expect(found).toMatch(/_redis\._tcp\.cache\S+\s+service = \d+ \d+ 6379 cache\.shop\.svc\.cluster\.local/);
    // Rules follow the endpoints after a moment, so the first answers may be refusals.
    await eventually(
      () => inside('api', 'wget -qO- http://web/cgi-bin/count'),
      (text) => /^:1\r?$/m.test(text),
    );
    const port = await field('service', 'web', '.spec.ports[0].nodePort');
    const balancer = await field('service', 'web', '.status.loadBalancer.ingress[0].ip');
    const hosts = [...(await Promise.all(nodes.map(addressOf))), '127.0.0.1'].map((host) => `${host}:${port}`);
    for (const host of [...hosts, balancer, await field('service', 'web', '.spec.clusterIP')])
      await eventually(
        () => get(`http://${host}/cgi-bin/count`).catch(String),
        (text) => /^:\d+/.test(text),
      );
    // Both nodes have some of the front.
    const seen = new Set<string>();
    await eventually(
      async () => {
        await get(`http://${balancer}/`).then(
          (text) => seen.add(text),
          () => undefined,
        );
        return seen;
      },
      ({ size }) => size === 4,
    );
    const where = await kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].spec.nodeName}');
    expect(new Set(where.split(' '))).toEqual(new Set(nodes));
  });

  test('a policy keeps all from the store but the tier that uses it', async () => {
    const ask = "printf 'PING\\r\\nQUIT\\r\\n' | nc -w 2 cache 6379";
    expect(await inside('api', ask)).toContain('+PONG');
    const bystander = ['run', 'bystander', '--image=busybox:1', '--image-pull-policy=Never', '--restart=Never'];
    await kubectl(...bystander, '--', 'sh', '-c', `${ask}; echo "ended"; echo "$(wget -qO- http://web/)"`);
    await kubectl('wait', 'pod/bystander', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=120s');
    const said = await kubectl('logs', 'bystander');
    expect(said).not.toContain('PONG');
    expect(said).toMatch(/ended\nv1 web-/);
  });

  test('a pod on its node’s network answers at the address of the node, and another there on the other’s', async () => {
    const addresses = await Promise.all(nodes.map(addressOf));
    const said = await Promise.all(addresses.map((address) => get(`http://${address}:9100/`)));
    expect(said.map((text) => text.trim())).toEqual(nodes);
    const ips = await kubectl('get', 'pods', '-l', 'app=agent', '-o', 'jsonpath={.items[*].status.podIP}');
    expect(ips.split(' ').toSorted()).toEqual(addresses.toSorted());
    expect(await inside('api', `wget -qO- http://${addresses[0]}:9100/`)).toContain(nodes[0]);
  });

  test('a rolling update loses not one request of wrk', async () => {
    const balancer = await field('service', 'web', '.status.loadBalancer.ingress[0].ip');
    const args = [
      '--threads',
      '1',
      '--connections',
      '8',
      '--duration',
      `${loadSeconds}s`,
      '--timeout',
      '60s',
      `http://${balancer}/`,
    ];
    const load = run('wrk', args);
    const volume = [{ name: 'version', configMap: { name: 'web-v2' } }];
    await kubectl(
      'patch',
      'deployment',
      'web',
      '-p',
      JSON.stringify({ spec: { template: { spec: { volumes: volume } } } }),
    );
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=150s');
    // Once more, for what of the load is left.
    await kubectl('rollout', 'restart', 'deployment/web');
    const { stdout } = await load;
    expect(stdout).toMatch(/\d+ requests in/);
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=150s');
    expect(await get(`http://${balancer}/`)).toMatch(/^v2 web-/);
  });

  test('the pods of a node that is lost come back on the other, and the Service does not miss them', async () => {
    const balancer = await field('service', 'web', '.status.loadBalancer.ingress[0].ip');
    await stopKubelet('STOP');
    spawnSync('ip', ['-n', `coxswain-${nodes[1]}`, 'link', 'set', 'uplink', 'down']);
    const lost = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}=Unknown';
    await kubectl('wait', `node/${nodes[1]}`, `--for=${lost}`, '--timeout=120s');
    for (const tier of ['web', 'api']) {
      await eventually(
        () =>
          kubectl(
            'get',
            'pods',
            '-l',
            `app=${tier}`,
            '--field-selector',
            `spec.nodeName=${nodes[0]}`,
            '-o',
            'jsonpath={.items[?(@.status.containerStatuses[0].ready==true)].metadata.name}',
          ),
        (names) => names.split(' ').length === (tier === 'web' ? 4 : 2),
      );
    }
    await eventually(
      () =>
        fetch(`http://${balancer}/cgi-bin/count`, { signal: AbortSignal.timeout(5000) }).then(
          (answer) => answer.text(),
          String,
        ),
      (text) => /^:\d+/.test(text),
    );
    for (let count = 0; count < 20; count++) expect(await get(`http://${balancer}/cgi-bin/count`)).toMatch(/^:\d+/);
  });
});
