/** The cluster of an example file: as the file says, the same without it, following it while it runs, and printed as a file again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { eventually, freePort, hookMs, RunningCluster } from './running-cluster.ts';

const example = join(root, 'deploy/clusters/shop.yaml');
let cluster: RunningCluster;
let folder: string;
/** The example, with a port that is free here, ranges and versions. */
let base: string;
let mappedPort: number;
const alpha = 'scheduling.k8s.io/v1alpha2';
const access = {
  authenticationConfigFile: 'users.yaml',
  authorizationConfigFile: 'rights.yaml',
  admissionConfigFile: 'admission.yaml',
  enableAdmissionPlugins: ['DenyServiceExternalIPs'],
};
/** Of no cluster that chooses for itself. */
const second = 32 + 2 * (process.pid % 15);
const ranges = { podSubnet: `127.${second}.0.0/16`, serviceSubnet: `127.${second + 1}.0.0/20` };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-cluster-file-'));
  mappedPort = await freePort();
  base = readFileSync(example, 'utf8')
    .replaceAll('../../manifests', join(root, 'manifests'))
    .replace('hostPort: 8080', `hostPort: ${mappedPort}`)
    .concat(dump({ networking: ranges, apiServer: { runtimeConfig: { [alpha]: true }, ...access } }));
  const config = (kind: string, fields: object) => dump({ apiVersion: 'apiserver.config.k8s.io/v1', kind, ...fields });
  const anonymous = { enabled: true, conditions: [{ path: '/livez' }] };
  writtenTo(access.authenticationConfigFile, config('AuthenticationConfiguration', { anonymous }));
  const authorizers = ['Node', 'RBAC', 'AlwaysAllow'].map((type) => ({ type, name: type.toLowerCase() }));
  writtenTo(access.authorizationConfigFile, config('AuthorizationConfiguration', { authorizers }));
  const configuration = {
    apiVersion: 'pod-security.admission.config.k8s.io/v1',
    kind: 'PodSecurityConfiguration',
    defaults: { enforce: 'baseline' },
    exemptions: { namespaces: ['default'] },
  };
  const plugins = [{ name: 'PodSecurity', configuration }];
  writtenTo(access.admissionConfigFile, config('AdmissionConfiguration', { plugins }));
  const path = join(folder, 'base.yaml');
  writeFileSync(path, base);
  cluster = await RunningCluster.start({ flags: ['--config', path] });
}, hookMs);
afterAll(async () => {
  await cluster.remove();
  rmSync(folder, { recursive: true, force: true });
}, hookMs);

const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

interface NodeSeen {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly taints?: readonly { readonly key: string; readonly value?: string }[] };
  readonly status: {
    readonly capacity: Readonly<Record<string, string>>;
    readonly runtimeHandlers: readonly { readonly name: string }[];
  };
}

async function nodesSeen(): Promise<Readonly<Record<string, NodeSeen>>> {
  const { items } = JSON.parse(await kubectl('get', 'nodes', '-o', 'json')) as { readonly items: readonly NodeSeen[] };
  return Object.fromEntries(items.map((node) => [node.metadata.name, node]));
}

const handlersOf = ({ status }: NodeSeen): readonly string[] => status.runtimeHandlers.map(({ name }) => name);

/** The example with some of its text replaced, in a folder of its own. */
function changed(name: string, from: string, to: string): string {
  expect(base).toContain(from);
  const path = join(folder, name);
  writeFileSync(path, base.replace(from, to));
  return path;
}

function writtenTo(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const place = (): readonly string[] => ['--kubeconfig', cluster.kubeconfig, '--api-port', String(cluster.apiPort)];

test(
  'nodes are what the file says, and its manifests are applied',
  async () => {
    const seen = await nodesSeen();
    expect(Object.keys(seen).sort()).toEqual(['accelerated', 'front', 'shop-node-2', 'shop-node-3']);
    expect(seen.front!.metadata.labels).toMatchObject({
      'example.com/tier': 'front',
      'node-role.kubernetes.io/ingress': '',
    });
    expect(seen.front!.spec.taints).toEqual([{ key: 'dedicated', value: 'front', effect: 'NoSchedule' }]);
    expect(seen.accelerated!.status.capacity).toMatchObject({
      cpu: '64',
      memory: '512Gi',
      'example.com/gpu': '8',
      pods: '110',
    });
    expect([handlersOf(seen.accelerated!), handlersOf(seen.front!)]).toEqual([['fake'], ['fake', 'inprocess']]);
    await kubectl('wait', '--for=condition=Available', 'deployment/guestbook', '--timeout=100s');
  },
  hookMs,
);

test(
  'what may be made is what the file of admission says',
  async () => {
    const spec = { containers: [{ name: 'c', image: 'coxswain.dev/echo:v1' }], hostNetwork: true };
    const made = (object: object) =>
      cluster.tryKubectl('35', ['create', '--dry-run=server', '-f', writtenTo('made.yaml', dump(object))]);
    const pod = (namespace: string) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace }, spec });
    expect((await made(pod('kube-public'))).stderr).toContain('violates PodSecurity "baseline:latest"');
    expect((await made(pod('default'))).code).toBe(0);
    const ports = { ports: [{ port: 80 }], externalIPs: ['10.1.1.1'] };
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: 'default' }, spec: ports };
    expect((await made(service)).stderr).toContain('Use of external IPs is denied by admission control');
  },
  hookMs,
);

test(
  'a port of the machine answers for the node, pods find what is mounted, and ranges and versions are those of the file',
  async () => {
    const answer = (url: string) => fetch(url).then(async (one) => ({ status: one.status, text: await one.text() }));
    const asked = () => answer(`http://127.0.0.1:${mappedPort}/messages`).catch(() => ({ status: 0, text: '' }));
    expect((await eventually(asked, ({ status }) => status === 200)).text).toContain('messages');
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'files' },
      spec: {
        nodeName: 'front',
        tolerations: [{ operator: 'Exists' }],
        volumes: [{ name: 'files', hostPath: { path: '/srv/manifests', type: 'Directory' } }],
        containers: [
          {
            name: 'files',
            image: 'coxswain.dev/static',
            volumeMounts: [{ name: 'files', mountPath: '/usr/share/static' }],
          },
        ],
      },
    };
    await kubectl('apply', '-f', writtenTo('pod.json', JSON.stringify(pod)));
    await kubectl('wait', '--for=condition=Ready', 'pod/files', '--timeout=100s');
    const ip = await kubectl('get', 'pod', 'files', '-o', 'jsonpath={.status.podIP}');
    expect(ip).toMatch(`127.${second}.`);
    // It is Ready when its program runs, which listens a moment later.
    const served = () => answer(`http://${ip}:8080/guestbook.yaml`).catch(() => ({ status: 0, text: '' }));
    expect((await eventually(served, ({ status }) => status === 200)).text).toBe(
      readFileSync(join(root, 'manifests/guestbook.yaml'), 'utf8'),
    );
    const written = await cluster.tryKubectl('35', ['exec', 'files', '--', 'touch', '/usr/share/static/made']);
    expect([written.code === 0, written.stderr]).toEqual([false, expect.stringContaining('Read-only file system')]);
    expect(await kubectl('get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}')).toBe(
      `127.${second + 1}.0.1`,
    );
    expect((await kubectl('api-versions')).split('\n')).toContain(alpha);
  },
  hookMs,
);

test(
  'who is let in without credentials, and who decides what users may do, is as its files say',
  async () => {
    expect([await statusForNobody('/livez'), await statusForNobody('/version')]).toEqual([200, 401]);
    // By RBAC alone somebody without a role may do nothing.
    expect((await kubectl('auth', 'can-i', 'create', 'pods', '--as=somebody')).trim()).toBe('yes');
  },
  hookMs,
);

/** What the API server answers to who has no credentials. */
async function statusForNobody(path: string): Promise<number | undefined> {
  const config = load(readFileSync(cluster.kubeconfig, 'utf8')) as {
    readonly clusters: readonly [{ readonly cluster: Readonly<Record<string, string>> }];
  };
  const { server, 'certificate-authority-data': authority = '' } = config.clusters[0].cluster;
  return new Promise((resolve, reject) => {
    const request = get(`${server}${path}`, { ca: Buffer.from(authority, 'base64') }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
  });
}

test(
  'a cluster that runs follows labels and taints, and names the fields that it cannot follow',
  async () => {
    const other = changed('other.yaml', 'example.com/tier: front', 'example.com/floor: "1"');
    const followed = await cluster.coxswain(['up', '--config', other, ...place()]);
    expect([followed.code, followed.stderr]).toEqual([0, '']);
    const { front } = await nodesSeen();
    expect(front!.metadata.labels).toMatchObject({ 'example.com/floor': '1' });
    expect(front!.metadata.labels).not.toHaveProperty('example.com/tier');
    const larger = changed('larger.yaml', 'cpu: "64"', 'cpu: "128"');
    const refused = await cluster.coxswain(['up', '--config', larger, ...place()]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      'coxswain: Cannot change nodes of the cluster "shop" while it runs: stop it with "coxswain down" first, or leave the field out\n',
    ]);
  },
  hookMs,
);

test(
  'what config prints is the cluster, and starts it again; so does up without the file',
  async () => {
    const printed = await cluster.coxswain(['config']);
    expect([printed.code, printed.stderr]).toEqual([0, '']);
    const file = load(printed.stdout) as {
      readonly nodes: readonly { readonly name: string; readonly labels: object }[];
    };
    expect(file.nodes.map(({ name }) => name)).toEqual(['front', 'shop-node-2', 'shop-node-3', 'accelerated']);
    expect(file.nodes[0]!.labels).toEqual({ 'example.com/floor': '1' });
    const path = join(folder, 'printed.yaml');
    writeFileSync(path, dump(file));
    const running = await cluster.coxswain(['up', '--config', path]);
    expect([running.code, running.stderr]).toEqual([0, '']);
    expect((await cluster.down()).code).toBe(0);
    const again = await cluster.coxswain(['up', '--detach', ...place()]);
    expect([again.code, again.stderr.split('\n').filter((line) => line.startsWith('coxswain: '))]).toEqual([0, []]);
    expect(Object.keys(await nodesSeen()).sort()).toEqual(['accelerated', 'front', 'shop-node-2', 'shop-node-3']);
    expect((await cluster.coxswain(['config'])).stdout).toBe(printed.stdout);
  },
  hookMs,
);
