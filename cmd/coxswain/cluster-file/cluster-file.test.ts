import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { expect, onTestFinished, test } from 'vitest';
import { type NodeSpec, nodeSpecFlags, parseTaint, taintText } from '#pkg/cluster/node-spec.ts';
import { defaultSettings, nodeNames } from '#pkg/cluster/settings.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import { root } from '#tests/tidy/source-files.ts';
import { chosenBy } from '../chosen.ts';
import { readUpArguments, type UpArguments } from '../up-arguments.ts';
import { changedFlags, refuseChanges, settingsOf } from '../up-flags.ts';
import { withNodes } from './cluster-file.ts';
import { nodePatch } from './follow.ts';
import { fieldRows, fileSchema } from './schema.ts';
import { clusterFileOf } from './write-file.ts';

/** Longest time for a test that loads all there is, on a busy machine. */
const loadingMs = 180_000;

const mount = { hostPath: 'sub', containerPath: '/data' };
const mapping = { containerPort: 30_080, hostPort: 8_080 };

const head = { apiVersion: 'coxswain.dev/v1alpha1', kind: 'Cluster' };

/** A folder with the file and what it names. */
function fileWith(fields: object, others: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-cluster-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'sub'));
  for (const [name, text] of Object.entries(others)) writeFileSync(join(folder, name), text);
  const path = join(folder, 'cluster.yaml');
  writeFileSync(path, JSON.stringify({ ...head, ...fields }));
  return path;
}

const read = (fields: object, ...args: readonly string[]): Promise<UpArguments> =>
  readUpArguments(['--config', fileWith(fields), ...args]);

function settingsBy({ values, given, file, componentFlags = {} }: UpArguments) {
  return { ...withNodes(settingsOf(values, given, undefined), file), componentFlags };
}

test('a file that says nothing is a cluster as any other', async () => {
  expect(settingsBy(await read({}))).toEqual({ ...defaultSettings, apiPort: 0 });
});

test(
  'each field is what a flag is, and files are relative to the file',
  async () => {
    const others = {
      'object.yaml': 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n',
      'admission.yaml': 'kind: AdmissionConfiguration\napiVersion: apiserver.config.k8s.io/v1\n',
    };
    const fields = {
      name: 'blue',
      nodes: [{ count: 2 }],
      runtimes: ['fake', 'inprocess'],
      networking: { mode: 'loopback' },
      store: { endpoints: ['https://127.0.0.1:1', 'https://127.0.0.1:2'], caFile: 'ca.pem' },
      apiServer: {
        port: 7000,
        encryptionProviderConfig: 'sub/keys.yaml',
        auditPolicyFile: 'audit.yaml',
        auditLogPath: '-',
        admissionConfigFile: 'admission.yaml',
        enableAdmissionPlugins: ['AlwaysPullImages'],
        disableAdmissionPlugins: ['PodSecurity', 'Priority'],
        runtimeConfig: { 'api/alpha': true, 'batch/v1': false },
      },
      featureGates: { GenericWorkload: true, GangScheduling: true },
      controlPlanes: 2,
      processes: true,
      scheduling: { profile: 'spreading', configFile: 'profiles.yaml' },
      components: {
        'kube-controller-manager': { nodeMonitorPeriod: '2s' },
        'kube-apiserver': { auditWebhookConfigFile: 'hook.yaml' },
      },
      logLevel: 'info',
      kubeconfig: 'kc',
      manifests: ['object.yaml'],
      addons: ['prometheus'],
    };
    const gates = { 'feature-gates': 'GenericWorkload=true,GangScheduling=true' };
    const path = fileWith(fields, others);
    const folder = join(path, '..');
    const said = await readUpArguments(['--config', path]);
    expect(settingsBy(said)).toEqual({
      ...defaultSettings,
      name: 'blue',
      nodes: 2,
      nodeSpecs: [{ name: 'blue-node-1' }, { name: 'blue-node-2' }],
      runtime: 'fake,inprocess',
      store: 'https://127.0.0.1:1,https://127.0.0.1:2',
      etcdCafile: join(folder, 'ca.pem'),
      apiPort: 7000,
      controlPlanes: 2,
      componentFlags: {
        'kube-controller-manager': { 'node-monitor-period': '2s', ...gates },
        kubelet: gates,
        'kube-proxy': gates,
        'kube-apiserver': {
          'audit-policy-file': join(folder, 'audit.yaml'),
          'audit-log-path': '-',
          'audit-webhook-config-file': join(folder, 'hook.yaml'),
          'admission-control-config-file': join(folder, 'admission.yaml'),
          'enable-admission-plugins': 'AlwaysPullImages',
          'disable-admission-plugins': 'PodSecurity,Priority',
          'runtime-config': 'api/alpha=true,batch/v1=false',
          'encryption-provider-config': join(folder, 'sub/keys.yaml'),
          ...gates,
        },
        'kube-scheduler': {
          scheduling: 'spreading',
          'scheduler-config': join(folder, 'profiles.yaml'),
          ...gates,
        },
      },
    });
    expect(said.values).toMatchObject({ processes: true, kubeconfig: join(folder, 'kc'), 'log-level': 'info' });
    expect(said.file?.objects).toEqual({ crds: [], manifests: [join(folder, 'object.yaml')], addons: ['prometheus'] });
  },
  loadingMs,
);

test('nodes have names of their own, or those they would have', async () => {
  const nodes = [{ name: 'front' }, { count: 2 }, { name: 'big', count: 2, runtimes: ['fake'] }];
  const settings = settingsBy(await read({ nodes, runtimes: ['inprocess', 'fake'] }, '--name', 'red'));
  expect(nodeNames(settings)).toEqual(['front', 'red-node-2', 'red-node-3', 'big-1', 'big-2']);
  expect(settings.nodes).toBe(5);
  expect(settings.nodeSpecs?.map(({ runtime }) => runtime)).toEqual([undefined, undefined, undefined, 'fake', 'fake']);
});

test('what of the machine a node has is said with all that it means', async () => {
  const fixed = { ...mount, containerPath: '/fixed', readOnly: true };
  const mounts = [{ ...mount, readOnly: false }, fixed];
  const path = fileWith({ nodes: [{ extraMounts: mounts, extraPortMappings: [mapping] }, {}] });
  const { file } = await readUpArguments(['--config', path]);
  const hostPath = join(path, '..', 'sub');
  expect(file?.nodeSpecs).toEqual([
    {
      name: 'dev-node-1',
      extraMounts: [
        { hostPath, containerPath: '/data' },
        { ...fixed, hostPath },
      ],
      extraPortMappings: [{ ...mapping, listenAddress: '127.0.0.1', protocol: 'TCP' }],
    },
    { name: 'dev-node-2' },
  ]);
});

test.each<[object, string]>([
  [{ nods: 1 }, 'nods: unknown field'],
  [{ apiVersion: 'coxswain.dev/v2' }, 'apiVersion: must be one of coxswain.dev/v1alpha1'],
  [{ name: 'Ä' }, 'name: must be at most 40 lower-case letters, digits and dashes'],
  [{ nodes: 3 }, 'nodes: must be array'],
  [{ nodes: [] }, 'nodes: must NOT have fewer than 1 items'],
  [{ nodes: [{ labls: {} }, { count: 0 }] }, 'nodes[0].labls: unknown field; nodes[1].count: must be >= 1'],
  [{ nodes: [{ labels: { a: 1 } }] }, 'nodes[0].labels.a: must be string'],
  [{ nodes: [{ labels: { 'a b': 'c' } }] }, 'nodes[0].labels[a b]: '],
  [{ nodes: [{ taints: [{ key: 'a' }] }] }, 'nodes[0].taints[0].effect: Required value'],
  [
    { nodes: [{ taints: [{ key: 'a', effect: 'Never' }] }] },
    'nodes[0].taints[0].effect: must be one of NoSchedule, PreferNoSchedule, NoExecute',
  ],
  [
    {
      nodes: [
        {
          taints: [
            { key: 'a', effect: 'NoExecute' },
            { key: 'a', effect: 'NoExecute', value: 'b' },
          ],
        },
      ],
    },
    'nodes[0].taints: a:NoExecute is there twice',
  ],
  [{ nodes: [{ capacity: { cpu: 'much' } }] }, 'nodes[0].capacity[cpu]: must be an amount such as 4, 500m or 16Gi'],
  [{ nodes: [{ roles: ['a/b'] }] }, 'nodes[0].roles[0]: '],
  [{ nodes: [{ name: 'Front' }] }, 'nodes[0].name: '],
  [{ nodes: [{ name: 'a' }, { name: 'a' }] }, 'nodes: the name "a" is there twice'],
  [{ nodes: [{ count: 5000 }, {}] }, 'nodes: must be at most 5000 nodes'],
  [{ nodes: [{ runtimes: ['fake'] }] }, `nodes[0].runtimes: "fake" is none of the cluster's runtimes (inprocess)`],
  [{ runtimes: ['fake', 'fake'] }, 'runtimes: one is there twice'],
  [{ runtimes: [] }, 'runtimes: must name one'],
  [
    { nodes: [{ extraMounts: [{ hostPath: 'sub', containerPath: 'data' }] }] },
    'nodes[0].extraMounts[0].containerPath: must be an absolute path without "="',
  ],
  [{ nodes: [{ extraMounts: [{ hostPath: 'none', containerPath: '/a' }] }] }, 'nodes[0].extraMounts[0].hostPath: /'],
  [{ nodes: [{ extraMounts: [{ ...mount, readOnly: 'yes' }] }] }, 'nodes[0].extraMounts[0].readOnly: must be boolean'],
  [{ nodes: [{ extraMounts: [mount, mount] }] }, 'nodes[0].extraMounts: /data is there twice'],
  [
    { nodes: [{ extraPortMappings: [{ containerPort: 0, hostPort: 1 }] }] },
    'nodes[0].extraPortMappings[0].containerPort: must be >= 1',
  ],
  [
    { nodes: [{ extraPortMappings: [{ ...mapping, listenAddress: 'here' }] }] },
    'nodes[0].extraPortMappings[0].listenAddress: must be an IPv4 address',
  ],
  [{ nodes: [{ count: 2, extraPortMappings: [mapping] }] }, 'nodes: 127.0.0.1:8080/TCP is mapped twice'],
  [{ apiServer: { disableAdmissionPlugins: ['None'] } }, 'apiServer.disableAdmissionPlugins: "None" is none of '],
  [{ apiServer: { enableAdmissionPlugins: ['None'] } }, 'apiServer.enableAdmissionPlugins: "None" is none of '],
  [
    { apiServer: { enableAdmissionPlugins: ['Priority'], disableAdmissionPlugins: ['Priority'] } },
    'apiServer.enableAdmissionPlugins: Priority is in --disable-admission-plugins too',
  ],
  [{ apiServer: { admissionConfigFile: 'none.yaml' } }, 'apiServer.admissionConfigFile: Cannot read the file of '],
  [
    { apiServer: { admissionConfigFile: 'object.yaml' } },
    'apiServer.admissionConfigFile: it is no AdmissionConfiguration of apiserver.config.k8s.io/v1 or ',
  ],
  [{ apiServer: { runtimeConfig: { 'a b': true } } }, 'apiServer.runtimeConfig: "a b=true" is not a version'],
  [{ apiServer: { runtimeConfig: { v1: 'yes' } } }, 'apiServer.runtimeConfig.v1: must be boolean'],
  [{ featureGates: { Teleport: true } }, 'featureGates: unrecognized feature gate: Teleport'],
  [{ featureGates: { GangScheduling: true } }, 'featureGates: GangScheduling is enabled, but depends on '],
  [{ featureGates: { EnvFiles: true } }, 'featureGates: cannot set feature gate EnvFiles to true, as '],
  [
    { featureGates: { GenericWorkload: true }, components: { 'kube-scheduler': { featureGates: '' } } },
    'featureGates: components.kube-scheduler.featureGates says it too',
  ],
  [{ store: { driver: 'etcd' } }, 'store.endpoints: Required value'],
  [{ store: { driver: 'lmdb', endpoints: ['http://x'] } }, 'store.endpoints: the driver lmdb has none'],
  [{ components: { kubelt: {} } }, 'components.kubelt: there is no component "kubelt" (did you mean kubelet?)'],
  [{ components: { 'kube-scheduler': { profil: 'a' } } }, 'components.kube-scheduler.profil: unknown field'],
  [{ manifests: ['missing.yaml'] }, 'manifests[0]: the path '],
  [{ crds: ['object.yaml'] }, 'crds[0]: '],
])('a file with %j is refused with the path of its field', async (fields, problem) => {
  const path = fileWith(fields, { 'object.yaml': 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n' });
  await expect(readUpArguments(['--config', path])).rejects.toThrow(
    `Cannot use the configuration file ${path} as it is wrong: ${problem}`,
  );
});

const access = (kind: string, fields: object) =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind, ...fields });
const authorizers = (...types: readonly string[]) =>
  access('AuthorizationConfiguration', { authorizers: types.map((type) => ({ type, name: type.toLowerCase() })) });

test('files of access are checked with the file that names them', async () => {
  const apiServer = { authenticationConfigFile: 'users.yaml', authorizationConfigFile: 'rights.yaml' };
  const users = access('AuthenticationConfiguration', {
    anonymous: { enabled: true, conditions: [{ path: '/livez' }] },
  });
  const path = fileWith({ apiServer }, { 'users.yaml': users, 'rights.yaml': authorizers('Node', 'RBAC') });
  const { componentFlags } = settingsBy(await readUpArguments(['--config', path]));
  expect(componentFlags).toEqual({
    'kube-apiserver': {
      'authentication-config': join(path, '..', 'users.yaml'),
      'authorization-config': join(path, '..', 'rights.yaml'),
    },
  });
});

test.each([
  [
    'authenticationConfigFile',
    access('AuthenticationConfiguration', { jwt: [{}] }),
    '[jwt[0].issuer.url: Required value',
  ],
  ['authenticationConfigFile', access('Policy', {}), 'it is no AuthenticationConfiguration'],
  ['authenticationConfigFile', undefined, 'Cannot read the file of --authentication-config: '],
  ['authorizationConfigFile', authorizers('Node', 'ABAC'), 'authorizers[1].type: Unsupported value: "ABAC"'],
  ['authorizationConfigFile', authorizers('RBAC'), 'authorizers: Node and RBAC must be among them'],
  ['authorizationConfigFile', authorizers(), 'authorizers: Required value'],
])('the file of %s with %s is refused with the path in both', async (field, text, problem) => {
  const path = fileWith({ apiServer: { [field]: 'access.yaml' } }, text === undefined ? {} : { 'access.yaml': text });
  await expect(readUpArguments(['--config', path])).rejects.toThrow(
    `Cannot use the configuration file ${path} as it is wrong: apiServer.${field}: ${problem}`,
  );
});

test('the command line comes first, but for the number of nodes that are described', async () => {
  expect(settingsBy(await read({ name: 'a', apiServer: { port: 1 } }, '--api-port=2')).apiPort).toBe(2);
  await expect(read({ nodes: [{}] }, '--nodes=2')).rejects.toThrow(/^Cannot use --nodes beside the nodes of /);
});

test('a start without the file has what it said, and flags that contradict it are refused', async () => {
  const first = await read({
    nodes: [{ name: 'a', runtimes: ['fake'] }],
    runtimes: ['inprocess', 'fake'],
    processes: true,
  });
  const before = { settings: settingsBy(first), file: { processes: true, crds: [], manifests: [], addons: ['x'] } };
  const again = async (...args: readonly string[]) => {
    return chosenBy(await readUpArguments(args), before);
  };
  const { values, settings } = await again();
  expect([values.processes, values.addons]).toEqual([true, []]);
  expect(settings).toEqual(before.settings);
  expect((await again('--processes=false')).values.processes).toBe(false);
  const inMemory = { ...before, settings: { ...before.settings, store: 'memory' } };
  expect(chosenBy(await readUpArguments([]), inMemory)).toMatchObject({ values: { addons: ['x'] }, follows: true });
  await expect(again('--nodes=2')).rejects.toThrow(
    'Cannot have --nodes 2 as the nodes of this cluster are the 1 of its cluster file: change that, and name it with --config',
  );
  await expect(again('--runtime=inprocess')).rejects.toThrow(
    'Cannot use --runtime inprocess as the node a has fake by the cluster file: change that, and name it with --config',
  );
});

test('a running cluster follows labels, roles and taints; what it cannot follow is named by its field', async () => {
  const running = { settings: settingsBy(await read({ nodes: [{ name: 'a' }, {}] })), processes: false };
  const wanted = async (fields: object) => {
    const said = await read(fields);
    return { values: said.values, given: said.given, file: said.file, settings: settingsBy(said) };
  };
  const taints = [{ key: 'k', effect: 'NoExecute' }];
  const followed = await wanted({ nodes: [{ name: 'a', labels: { x: 'y' }, roles: ['r'], taints }, {}] });
  expect(changedFlags(followed, running)).toEqual([]);
  const other = await wanted({
    nodes: [{ name: 'b' }, {}],
    runtimes: ['fake'],
    logLevel: 'warn',
    scheduling: { profile: 'spreading' },
  });
  expect(() => refuseChanges(other, running)).toThrow(
    'Cannot change runtimes and nodes and components of the cluster "dev" while it runs: stop it with "coxswain down" first, or leave the fields out',
  );
  const gates = await wanted({
    nodes: [{ name: 'a' }, {}],
    featureGates: { HPAScaleToZero: true },
    apiServer: { auditLogPath: '-' },
  });
  expect(() => refuseChanges(gates, running)).toThrow(
    'Cannot change apiServer.auditLogPath and featureGates of the cluster "dev" while it runs: stop it with "coxswain down" first, or leave the fields out',
  );
  expect(changedFlags(await wanted({ nodes: [{ name: 'a', capacity: { cpu: '9' } }, {}] }), running)).toEqual([
    'nodes',
  ]);
  expect(changedFlags(await wanted({ nodes: [{}] }), running)).toEqual(['nodes']);
});

test('what a file no longer says of a node goes, and what others said stays', () => {
  const now = {
    resourceVersion: '7',
    labels: { mine: 'old', gone: '1', theirs: 'x' },
    taints: [
      { key: 'gone', effect: 'NoSchedule' },
      { key: 'theirs', effect: 'NoSchedule' },
    ],
  };
  const had: NodeSpec = {
    name: 'a',
    labels: { mine: 'old', gone: '1' },
    taints: [{ key: 'gone', effect: 'NoSchedule' }],
  };
  const spec: NodeSpec = {
    name: 'a',
    roles: ['r'],
    labels: { mine: 'new' },
    taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }],
  };
  expect(nodePatch(now, spec, had)).toEqual({
    metadata: { resourceVersion: '7', labels: { gone: null, mine: 'new', 'node-role.kubernetes.io/r': '' } },
    spec: {
      taints: [
        { key: 'theirs', effect: 'NoSchedule' },
        { key: 'k', value: 'v', effect: 'NoExecute' },
      ],
    },
  });
  expect(nodePatch(now, had, had)).toBe(undefined);
});

test('a kubelet as a process is told of its node, but for labels that are not a kubelet’s to set', () => {
  const taint = { key: 'a.b/c', value: 'd', effect: 'NoSchedule' };
  const spec: NodeSpec = {
    name: 'x',
    roles: ['r'],
    labels: { a: 'b', 'x.kubernetes.io/c': 'd' },
    taints: [taint],
    capacity: { cpu: '2' },
    extraMounts: [
      { hostPath: '/a', containerPath: '/b' },
      { hostPath: '/c', containerPath: '/d', readOnly: true },
    ],
    runtime: 'fake',
  };
  expect(nodeSpecFlags(spec)).toEqual({
    'node-labels': ['a=b'],
    'register-with-taints': ['a.b/c=d:NoSchedule'],
    capacity: ['cpu=2'],
    'extra-mounts': ['/b=/a'],
    'read-only-mounts': ['/d=/c'],
    runtime: 'fake',
  });
  expect(nodeSpecFlags(undefined)).toEqual({});
  for (const one of [taint, { key: 'k', effect: 'NoExecute' }]) expect(parseTaint(taintText(one))).toEqual(one);
  for (const text of ['', 'a', 'a=b', 'a=b:Never', ':NoExecute', 'a:b:NoExecute'])
    expect(parseTaint(text)).toBe(undefined);
});

test.each([
  join(root, 'deploy/clusters/shop.yaml'),
  {
    networking: { podSubnet: '127.200.0.0/16', serviceSubnet: '127.210.0.0/16' },
    apiServer: {
      auditPolicyFile: 'audit.yaml',
      disableAdmissionPlugins: ['Priority'],
      runtimeConfig: { 'api/alpha': true },
    },
    featureGates: { GenericWorkload: true },
    nodes: [{}, {}, {}, {}],
  },
])('what is printed of a file means what the file means: %j', async (given) => {
  const path = typeof given === 'string' ? given : fileWith(given);
  const print = async (from: string) => {
    const said = await readUpArguments(['--config', from]);
    const { processes, kubeconfig } = said.values;
    const file = { processes, ...said.file!.objects };
    const settings = settingsBy(said);
    const text = await clusterFileOf(
      {
        settings,
        file,
        logLevel: said.values['log-level'],
        kubeconfig: kubeconfig || undefined,
        ranges: said.file!.ranges,
      },
      clusterTables,
    );
    return { settings, file, text };
  };
  const first = await print(path);
  if (typeof given !== 'string') expect(first.text).toMatchObject({ featureGates: given.featureGates });
  const second = await print(fileWith(first.text));
  expect(first.settings.nodeSpecs?.length).toBe(4);
  expect(second.text).toEqual(first.text);
  expect(second.file).toEqual(first.file);
  const plain = ({ nodeSpecs = [], ...rest }: typeof first.settings) => ({
    ...rest,
    nodeSpecs: nodeSpecs.map((spec) => ({
      ...{ roles: [], labels: {}, taints: [], capacity: {}, extraMounts: [], extraPortMappings: [] },
      ...spec,
    })),
  });
  expect(plain(second.settings)).toEqual(plain(first.settings));
});

test('the page has the fields that there are, in their order, and its example is a cluster', async () => {
  const page = readFileSync(join(root, 'docs/cluster-file.md'), 'utf8');
  const rows = fieldRows().map(({ path, type, description }) => `| \`${path}\` | ${type} | ${description} |`);
  expect(rows.length).toBeGreaterThan(25);
  expect(page.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
  const example = load(/```yaml\n([\s\S]*?)```/.exec(page)![1]!) as object;
  expect(settingsBy(await read(example)).nodeSpecs?.length).toBe(3);
  expect(fileSchema.required).toEqual(['apiVersion', 'kind']);
});
