/** The subcommands against a whole cluster on virtual time: what a person sees. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isPodReady } from '#pkg/api/core/pod.ts';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { runKubectl, startKubectl } from '#pkg/testing/kubectl.ts';
import { commands } from './commands.ts';
import { lastAppliedKey } from './last-applied.ts';

let cluster: TestCluster;
const run = (...args: readonly string[]) => runKubectl(cluster, args);

beforeAll(async () => {
  cluster = await startTestCluster();
  await cluster.apply(makeDeployment('web', { replicas: 2 }));
  await cluster.until(() => cluster.pods().filter(isPodReady).length === 2);
});
afterAll(() => cluster.stop());

test('get prints the table of the server, and with several types their kinds', async () => {
  const { out, code } = await run('get', 'deployments');
  expect(code).toBe(0);
  expect(out).toMatch(/^NAME {3}READY {3}UP-TO-DATE {3}AVAILABLE {3}AGE\nweb {4}2\/2 {5}2 {12}2 {11}\d+s\n$/);
  const all = await run('get', 'all', '-o', 'wide');
  expect(all.out.match(/^(pod|service|deployment\.apps|replicaset\.apps)\//gm)).toEqual([
    'pod/',
    'pod/',
    'service/',
    'deployment.apps/',
    'replicaset.apps/',
  ]);
  expect(all.out).toContain('NOMINATED NODE');
});

test('get shows objects as names, YAML, JSON and JSONPath', async () => {
  expect((await run('get', 'deploy', '-o', 'name')).out).toBe('deployment.apps/web\n');
  expect((await run('get', 'deploy/web', '-o', 'yaml')).out).toMatch(
    /^apiVersion: apps\/v1\nkind: Deployment\nmetadata:\n/,
  );
  expect((await run('get', 'deploy/web', '-o', 'yaml')).out).not.toContain('managedFields');
  expect(JSON.parse((await run('get', 'deploy', '-o', 'json')).out)).toMatchObject({
    kind: 'List',
    items: [{ kind: 'Deployment' }],
  });
  expect((await run('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}')).out).toBe('2');
  const names = await run('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.labels.app}');
  expect(names.out).toBe('web web');
});

test.each<[string, readonly string[], string]>([
  ['an object that is not there', ['get', 'pod', 'nope'], 'Error from server (NotFound): pods "nope" not found\n'],
  ['a type that is not there', ['get', 'nopes'], 'error: the server doesn\'t have a resource type "nopes"\n'],
  [
    'an output that is not there',
    ['get', 'pods', '-o', 'table'],
    'error: unable to match a printer suitable for the output format "table", allowed formats are: custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml\n',
  ],
  [
    'a command that is not there',
    ['drown', 'node'],
    `error: unknown command "drown" for "coxswain kubectl"\nIt has ${Object.keys(commands).join(', ')}.\n`,
  ],
  [
    'a flag that is not there, before the command',
    ['--name', 'two', 'get', 'nodes'],
    "error: unknown flag: --name\nSee 'coxswain kubectl --help' for usage.\n",
  ],
  [
    'a flag that is not there',
    ['get', 'pods', '--witch'],
    "error: unknown flag: --witch\nSee 'coxswain kubectl get --help' for usage.\n",
  ],
  [
    'a short flag that is not there',
    ['get', 'pods', '-Az'],
    "error: unknown shorthand flag: 'z' in -z\nSee 'coxswain kubectl get --help' for usage.\n",
  ],
  [
    'a flag without its value',
    ['get', 'pods', '-o'],
    "error: flag needs an argument: 'o' in -o\nSee 'coxswain kubectl get --help' for usage.\n",
  ],
  [
    'a number that is none',
    ['scale', 'deploy/web', '--replicas', 'x'],
    'error: invalid argument "x" for "--replicas" flag: strconv.ParseInt: parsing "x": invalid syntax\nSee \'coxswain kubectl scale --help\' for usage.\n',
  ],
  ['scaling to nothing said', ['scale', 'deploy/web'], 'error: required flag(s) "replicas" not set\n'],
  [
    'scaling to less than nothing',
    ['scale', 'deploy/web', '--replicas=-1'],
    'error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0\n',
  ],
  [
    'a selector that is none',
    ['get', 'pods', '-l', 'a in ('],
    'Error from server (BadRequest): Unable to find "/v1, Resource=pods" that match label selector "a in (", field selector "": unable to parse requirement: found \'\', expected: \',\', \')\' or identifier\n',
  ],
  [
    'a name beside a selector',
    ['delete', 'pods', 'x', '-l', 'a=b'],
    'error: name cannot be provided when a selector is specified\n',
  ],
  [
    'a name and a kind apart',
    ['get', 'deploy/web', 'pods'],
    "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'\n",
  ],
  [
    'restarting what has no rollout',
    ['rollout', 'restart', 'service/kubernetes'],
    'error: services "kubernetes" restarting is not supported\n',
  ],
  ['a watch of two types', ['get', 'pods,deploy', '-w'], 'error: you may only specify a single resource type\n'],
  [
    'a watch of two objects',
    ['get', 'pods', 'a', 'b', '-w'],
    'error: you may only watch a single resource or type of resource at a time\n',
  ],
  [
    'a JSONPath that does not end',
    ['get', 'deploy', '-o', 'jsonpath={.items[*'],
    'error: error parsing jsonpath {.items[*, unterminated array\n',
  ],
  [
    'an index beyond the end',
    ['get', 'deploy', '-o', 'jsonpath={.items[7]}'],
    'error: error executing jsonpath "{.items[7]}": Error executing template: array index out of bounds: index 7, length 1\n',
  ],
  [
    'a file that is not there',
    ['apply', '-f', '/does/not/exist.yaml'],
    'error: the path "/does/not/exist.yaml" does not exist\n',
  ],
])('%s is refused', async (_, args, err) => {
  expect(await run(...args)).toEqual({ code: 1, out: '', err });
});

test('get adds columns, sorts, and shows columns of one’s own', async () => {
  const headers = (await run('get', 'pods', '-L', 'app,x/y', '--show-kind')).out;
  expect(headers).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE +APP +Y\npod\/web-\S+ +1\/1 .* web +\n/);
  const custom = ['get', 'deploy', '-o', 'custom-columns=NAME:.metadata.name,LABELS:.spec.selector,NONE:.x'];
  expect((await run(...custom)).out).toBe(
    'NAME   LABELS                          NONE\nweb    map[matchLabels:map[app:web]]   <none>\n',
  );
  expect((await run(...custom, '--no-headers')).out).toMatch(/^web /);
  const manifest = ['item-10', 'item-9', 'item-1'].map((name, index) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, labels: { l: 'sort' } },
      data: { size: `${index}Ki` },
    }),
  );
  await runKubectl(cluster, ['apply', '-f', '-'], manifest.join('\n---\n'));
  const sorted = async (path: string): Promise<string> =>
    (await run('get', 'cm', '-l', 'l=sort', '--sort-by', path, '-o', 'name', '--chunk-size=2')).out;
  expect(await sorted('.metadata.name')).toBe('configmap/item-1\nconfigmap/item-9\nconfigmap/item-10\n');
  expect(await sorted('{.data.size}')).toBe('configmap/item-10\nconfigmap/item-9\nconfigmap/item-1\n');
  expect((await run('get', 'cm', '-l', 'l=sort', '--sort-by=.data.size')).out).toMatch(
    /^NAME.*\nitem-10 .*\nitem-9 .*\nitem-1 /,
  );
  expect((await run('get', 'cm', '-l', 'l=sort', '--sort-by=.data.none')).err).toBe(
    'error: couldn\'t find any field with path "{.data.none}" in the list of objects\n',
  );
  expect((await run('get', '--raw', '/healthz')).out).toBe('ok');
});

test('nothing found is said on standard error and is no failure', async () => {
  expect(await run('get', 'secrets')).toEqual({ code: 0, out: '', err: 'No resources found in default namespace.\n' });
});

test('apply says what it did to each object, and unknown fields are refused', async () => {
  const manifest = (data: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {${data}}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: two}}\n`;
  const apply = (text: string) => runKubectl(cluster, ['apply', '-f', '-'], text);
  expect((await apply(manifest('a: b'))).out).toBe('configmap/one created\nconfigmap/two created\n');
  expect((await apply(manifest('a: b'))).out).toBe('configmap/one unchanged\nconfigmap/two unchanged\n');
  expect((await apply(manifest('a: c'))).out).toBe('configmap/one configured\nconfigmap/two unchanged\n');
  expect((await apply(manifest('d: e'))).out).toBe('configmap/one configured\nconfigmap/two unchanged\n');
  expect((await run('get', 'cm', 'one', '-o', 'jsonpath={.data}')).out).toBe('{"d":"e"}');
  const bad = await apply('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three}\ndatum: {}\n');
  expect(bad).toMatchObject({ code: 1, out: '' });
  expect(bad.err).toContain('strict decoding error: unknown field "datum"');
  const dry = await runKubectl(cluster, ['apply', '-f', '-', '--dry-run=client'], manifest('f: g'));
  expect(dry.out).toBe('configmap/one configured (dry run)\nconfigmap/two configured (dry run)\n');
  const shared = ['apply', '-f', '-', '--server-side', '--field-manager=other'];
  expect(await runKubectl(cluster, shared, manifest('d: x'))).toMatchObject({
    code: 1,
    out: 'configmap/two serverside-applied\n',
    err: expect.stringMatching(/^error: Apply failed with 1 conflict: .* \.data\.d\nPlease review the fields above/),
  });
  expect((await runKubectl(cluster, [...shared, '--force-conflicts'], manifest('d: x'))).code).toBe(0);
  const broken = await apply('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {}\n');
  expect(broken.err).toMatch(/^The Deployment "x" is invalid: \n\* spec\.selector: Required value/);
});

test('a client dry run shows what the file says and nothing of the server, so that it can be applied (fault 41)', async () => {
  const manifest = `apiVersion: v1
kind: ConfigMap
metadata: {name: dry-one}
data: {a: "0400", b: 'yes'}
bogus: 0400
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: dry}}
- {apiVersion: v1, kind: Pod, metadata: {generateName: p-}}
`;
  const create = (...args: string[]) =>
    runKubectl(cluster, ['create', '-f', '-', '--dry-run=client', ...args], manifest);
  expect(await create('-o', 'yaml')).toEqual({
    code: 0,
    err: '',
    out: `apiVersion: v1
bogus: 256
data:
  a: "0400"
  b: "yes"
kind: ConfigMap
metadata:
  name: dry-one
  namespace: default
---
apiVersion: v1
kind: Namespace
metadata:
  name: dry
---
apiVersion: v1
kind: Pod
metadata:
  generateName: p-
  namespace: default
`,
  });
  expect((await create('-o', 'name')).out).toBe('configmap/dry-one\nnamespace/dry\npod/<unknown>\n');
  expect((await create()).out).toBe(
    'configmap/dry-one created (dry run)\nnamespace/dry created (dry run)\npod/<unknown> created (dry run)\n',
  );
  const deployment = JSON.stringify(makeDeployment('dry', { replicas: 1 }));
  const { out } = await runKubectl(cluster, ['create', '-f', '-', '--dry-run=client', '-o', 'yaml'], deployment);
  expect((await runKubectl(cluster, ['apply', '-f', '-'], out)).out).toBe('deployment.apps/dry created\n');
  expect((await run('create', 'namespace', 'x', '--dry-run=client', '-o', 'yaml')).out).toBe(
    'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\nspec: {}\nstatus: {}\n',
  );
  expect((await run('delete', 'deploy', 'dry')).code).toBe(0);
});

test('apply shows several objects as one list; in a client dry run those that are there, and of others the file', async () => {
  const config = (name: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {k: v}\n`;
  const apply = (text: string, ...args: string[]) => runKubectl(cluster, ['apply', '-f', '-', ...args], text);
  await apply(config('there'));
  const { out } = await apply(`${config('there')}---\n${config('new')}`, '--dry-run=client', '-o', 'json');
  const list = JSON.parse(out);
  expect(list).toMatchObject({ kind: 'List', metadata: {}, items: [{ metadata: { uid: expect.any(String) } }, {}] });
  expect(list.items[1]).toEqual({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'new', namespace: 'default', annotations: { [lastAppliedKey]: expect.any(String) } },
    data: { k: 'v' },
  });
  expect((await apply(out)).out).toBe('configmap/there configured\nconfigmap/new created\n');
  expect((await apply(config('there'), '--server-side', '--dry-run=client')).err).toBe(
    "error: --dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)\n",
  );
  await run('delete', 'cm', 'there', 'new');
});

test('manifests are read as kubectl reads them, and nothing of them is lost in silence (fault 40)', async () => {
  const pod = `apiVersion: v1
kind: Pod
metadata: {name: modes}
spec:
  automountServiceAccountToken: off
  volumes:
  - {name: a, secret: {secretName: x, defaultMode: 0400, optional: yes}}
  - {name: b, configMap: {name: x, defaultMode: 0o644, optional: on, items: [{key: k, path: p, mode: 0b11}]}}
  containers: [{name: a, image: x, ports: [{containerPort: 8_080}], env: [{name: A, value: "0400"}]}]
`;
  expect((await runKubectl(cluster, ['create', '-f', '-'], pod)).out).toBe('pod/modes created\n');
  const { spec } = JSON.parse((await run('get', 'pod', 'modes', '-o', 'json')).out);
  expect(spec).toMatchObject({
    automountServiceAccountToken: false,
    volumes: expect.arrayContaining([
      { name: 'a', secret: { secretName: 'x', defaultMode: 0o400, optional: true } },
      {
        name: 'b',
        configMap: { name: 'x', defaultMode: 0o644, optional: true, items: [{ key: 'k', path: 'p', mode: 3 }] },
      },
    ]),
    containers: [{ ports: [{ containerPort: 8080 }], env: [{ name: 'A', value: '0400' }] }],
  });
  expect((await run('delete', 'pod', 'modes', '--force', '--grace-period=0')).code).toBe(0);
  const create = (text: string, ...args: string[]) => runKubectl(cluster, ['create', '-f', '-', ...args], text);
  const twice = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\ndata: {k: a}\ndata: {k: b}\n';
  const problem = 'error converting YAML to JSON: yaml: unmarshal errors:\n  line 5: key "data" already set in map\n';
  for (const text of [
    twice,
    '{"apiVersion":"v1",\n"kind":"ConfigMap",\n"metadata":{"name":"twice"},\n"data":{},\n"data":{}}',
  ])
    expect(await create(text)).toEqual({ code: 1, out: '', err: `error: error parsing STDIN: ${problem}` });
  expect((await create(twice, '--validate=warn', '--dry-run=client')).err).toContain('key "data" already set in map');
  expect((await create(twice, '--validate=ignore', '--dry-run=client', '-o', 'jsonpath={.data.k}')).out).toBe('b');
  expect((await create(twice, '--validate=ignore', '--dry-run=client', '-o', 'yaml')).out).toContain('k: b');
});

test('a stream of JSON objects, as several "get -o json" leave one, is many documents', async () => {
  const object = (name: string): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: '}{"' } });
  const { out } = await runKubectl(
    cluster,
    ['create', '-f', '-', '--dry-run=client', '-o', 'name'],
    `${object('a')}${object('b')}\n\n${object('c')}`,
  );
  expect(out).toBe('configmap/a\nconfigmap/b\nconfigmap/c\n');
});

test('integers that no double holds are printed, applied and patched as they are (fault 40)', async () => {
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'counters.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'counters', kind: 'Counter' },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  };
  expect((await runKubectl(cluster, ['apply', '-f', '-'], JSON.stringify(crd))).code).toBe(0);
  expect((await run('wait', '--for=condition=Established', 'crd/counters.example.com')).code).toBe(0);
  const counter = 'apiVersion: example.com/v1\nkind: Counter\nmetadata: {name: big}\nspec: {count: 9007199254740993}\n';
  expect((await runKubectl(cluster, ['apply', '-f', '-'], counter)).out).toBe('counter.example.com/big created\n');
  const shown = async (...form: readonly string[]) => (await run('get', 'counters', 'big', ...form)).out;
  expect(await shown('-o', 'json')).toContain('"count": 9007199254740993\n');
  expect(await shown('-o', 'yaml')).toContain('count: 9007199254740993\n');
  expect(await shown('-o', 'kyaml')).toContain('count: 9007199254740993,\n');
  expect(await shown('-o', 'jsonpath={.spec.count}')).toBe('9007199254740993');
  expect((await runKubectl(cluster, ['apply', '-f', '-'], counter)).out).toBe('counter.example.com/big unchanged\n');
  await run('patch', 'counters', 'big', '--type=merge', '-p', '{"spec":{"count":9007199254740995}}');
  expect(await shown('-o', 'jsonpath={.spec.count}')).toBe('9007199254740995');
});

test('label and annotate change, keep, refuse and remove', async () => {
  expect((await run('label', 'deploy/web', 'tier=front')).out).toBe('deployment.apps/web labeled\n');
  expect((await run('label', 'deploy/web', 'tier=front')).out).toBe('deployment.apps/web not labeled\n');
  expect((await run('label', 'deploy/web', 'tier=back')).err).toBe(
    "error: 'tier' already has a value (front), and --overwrite is false\n",
  );
  expect((await run('label', 'deploy/web', 'tier=back', '--overwrite')).out).toBe('deployment.apps/web labeled\n');
  expect((await run('label', 'deploy', 'web', 'tier-')).out).toBe('deployment.apps/web unlabeled\n');
  expect((await run('label', 'deploy', 'web', 'tier-')).out).toBe(
    'label "tier" not found.\ndeployment.apps/web not labeled\n',
  );
  expect((await run('annotate', 'deploy/web', 'note=x=y')).out).toBe('deployment.apps/web annotated\n');
  expect((await run('get', 'deploy/web', '-o', 'jsonpath={.metadata.annotations.note}')).out).toBe('x=y');
});

test('a rollout is waited for, undone, and its history shown', async () => {
  expect((await run('scale', '--replicas=3', 'deploy/web')).out).toBe('deployment.apps/web scaled\n');
  const grown = await run('rollout', 'status', 'deploy/web');
  expect(grown).toMatchObject({ code: 0, err: '' });
  expect(grown.out).toMatch(/deployment "web" successfully rolled out\n$/);

  const names = await run('get', 'deploy/web', '-o', 'jsonpath={.spec.template.spec.containers[0].name}');
  const before = await run('get', 'deploy/web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}');
  await cluster.client
    .resource({ group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true })
    .patch(
      'web',
      { spec: { template: { spec: { containers: [{ name: names.out, image: 'other:2' }] } } } },
      { namespace: 'default', type: 'strategic' },
    );
  expect((await run('rollout', 'status', 'deploy/web')).code).toBe(0);
  expect((await run('rollout', 'history', 'deploy/web')).out).toBe(
    'deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n',
  );
  expect((await run('rollout', 'undo', 'deploy/web')).out).toBe('deployment.apps/web rolled back\n');
  expect((await run('rollout', 'status', 'deploy/web')).code).toBe(0);
  expect((await run('get', 'deploy/web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).out).toBe(
    before.out,
  );
  expect((await run('rollout', 'pause', 'deploy/web')).out).toBe('deployment.apps/web paused\n');
  expect((await run('rollout', 'undo', 'deploy/web')).code).toBe(1);
  expect((await run('rollout', 'resume', 'deploy/web')).out).toBe('deployment.apps/web resumed\n');
  expect((await run('rollout', 'restart', 'deploy/web')).out).toBe('deployment.apps/web restarted\n');
  expect((await run('rollout', 'status', 'deploy/web')).code).toBe(0);
});

test('wait ends with the condition or with the time', async () => {
  expect(await run('wait', '--for=condition=Available', 'deploy/web')).toEqual({
    code: 0,
    out: 'deployment.apps/web condition met\n',
    err: '',
  });
  expect(await run('wait', '--for=jsonpath={.spec.replicas}=3', 'deploy/web')).toMatchObject({ code: 0 });
  expect(await run('wait', '--for=jsonpath={.spec.replicas}=9', 'deploy/web', '--timeout=2s')).toEqual({
    code: 1,
    out: '',
    err: 'error: timed out waiting for the condition on deployments/web\n',
  });
});

test('describe shows the object and its events', async () => {
  const { out } = await run('describe', 'deployment', 'web');
  expect(out).toMatch(/^Name: +web\nNamespace: +default\n/);
  expect(out).toContain('RollingUpdateStrategy:  25% max unavailable, 25% max surge\n');
  expect(out).toMatch(/\n {2}Normal {2}ScalingReplicaSet {2}\d+s /);
  expect((await run('describe', 'node', 'node-1')).out).toContain('Non-terminated Pods:');
  // A second may pass between the two.
  const ageless = (text: string): string => text.replaceAll(/\d+s/g, 'AGE').replaceAll(/ +/g, ' ');
  expect(ageless((await run('describe', 'deploy', 'we')).out)).toBe(ageless(`${out}\n`));
  expect((await run('describe', 'deploy', 'we-')).err).toBe(
    'Error from server (NotFound): deployments.apps "we-" not found\n',
  );
  expect((await run('describe', 'svc', 'kubernetes')).out).toMatch(/\nType: +ClusterIP\n/);
  expect((await run('describe', 'pods', '-l', 'app=web')).out).toContain('Controlled By:');
});

test('delete says so and waits until the object is gone', async () => {
  await runKubectl(
    cluster,
    ['apply', '-f', '-'],
    'apiVersion: v1\nkind: Pod\nmetadata: {name: gone}\nspec: {containers: [{name: c, image: x}]}\n',
  );
  expect(await run('wait', '--for=condition=Ready', 'pod/gone')).toMatchObject({ code: 0 });
  expect(await run('delete', 'pod', 'gone')).toEqual({
    code: 0,
    out: 'pod "gone" deleted from default namespace\n',
    err: '',
  });
  expect(cluster.pods().some((pod) => pod.metadata?.name === 'gone')).toBe(false);
  expect(await run('delete', 'pod', 'gone')).toEqual({
    code: 1,
    out: '',
    err: 'Error from server (NotFound): pods "gone" not found\n',
  });
  expect(await run('delete', 'pod', 'gone', '--ignore-not-found')).toMatchObject({ code: 0, err: '' });
  expect(await run('delete', 'pods')).toEqual({
    code: 1,
    out: '',
    err: 'error: resource(s) were provided, but no name was specified\n',
  });
});

test('the image of containers is set, and what cannot be set is said', async () => {
  const name = (await run('get', 'deploy/web', '-o', 'jsonpath={.spec.template.spec.containers[0].name}')).out;
  const image = async (): Promise<string> =>
    (await run('get', 'deploy/web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).out;
  const before = await image();
  const updated = { code: 0, out: 'deployment.apps/web image updated\n', err: '' };
  expect(await run('set', 'image', 'deployment/web', `${name}=web:2`, '--dry-run=server')).toEqual({
    ...updated,
    out: 'deployment.apps/web image updated (server dry run)\n',
  });
  expect(await image()).toBe(before);
  expect(await run('set', 'image', 'deployment/web', `${name}=web:2`)).toEqual(updated);
  expect(await image()).toBe('web:2');
  expect(await run('set', 'image', 'deploy', 'web', `${name}=web:2`)).toEqual({ ...updated, out: '' });
  expect(await run('set', 'image', 'deploy', '--all', '*=web:3')).toEqual(updated);
  expect(await image()).toBe('web:3');
  expect((await run('rollout', 'status', 'deploy/web')).code).toBe(0);
  const err = async (...args: readonly string[]): Promise<string> => (await run('set', 'image', ...args)).err;
  expect(await err('deploy/web', 'nope=web:4')).toBe('error: unable to find container named "nope"\n');
  expect(await err('deploy/web', `${name}=`)).toMatch(
    /^error: failed to patch image update to pod template: Deployment/,
  );
  expect(await err('svc/kubernetes', 'a=b')).toBe(
    'error: services/kubernetes the object is not a pod or does not have a pod template: *v1.Service\n',
  );
  expect(await err('deploy/web')).toBe('error: at least one image update is required\n');
  expect(await err('deploy/web', 'a=b', 'pod/x')).toBe(
    'error: all resources must be specified before image changes: pod/x\n',
  );
});

test('a watch of changes only leaves out what is there, in every form', async () => {
  for (const form of [[], ['-o', 'name'], ['-o', 'json']] as const) {
    const watching = new AbortController();
    const { ended } = startKubectl(cluster, ['get', 'cm', '--watch-only', ...form], { signal: watching.signal });
    await cluster.advance(1_000);
    await run('annotate', 'cm/two', `form=x${form.join('')}`, '--overwrite');
    await cluster.advance(1_000);
    watching.abort();
    const lines = (await ended).out;
    expect(lines.match(/two/g)?.length ?? 0).toBeGreaterThan(0);
    expect(lines).not.toContain('kube-root-ca.crt');
  }
});

test('apply takes away the last label that a manifest no longer has (fault 1)', async () => {
  const apply = (metadata: string) =>
    runKubectl(cluster, ['apply', '-f', '-'], `apiVersion: v1\nkind: ConfigMap\nmetadata: {${metadata}}\n`);
  expect((await apply('name: bare, labels: {a: b}')).out).toBe('configmap/bare created\n');
  expect(await apply('name: bare')).toEqual({ code: 0, out: 'configmap/bare configured\n', err: '' });
  expect((await run('get', 'cm/bare', '-o', 'jsonpath={.metadata.labels}')).out).toBe('');
});

test('objects of kinds that the server has not are named, and the others are done', async () => {
  const file = ['kind: ConfigMap\napiVersion: v1', 'kind: Nope\napiVersion: example.com/v1']
    .map((head) => `${head}\nmetadata: {name: beside}\n`)
    .join('---\n');
  const err =
    'error: resource mapping not found for name: "beside" namespace: "" from "STDIN": no matches for kind "Nope" in version "example.com/v1"\nensure CRDs are installed first\n';
  for (const [verb, done] of [
    ['create', 'configmap/beside created\n'],
    ['delete', 'configmap "beside" deleted from default namespace\n'],
    ['apply', 'configmap/beside created\n'],
  ] as const)
    expect(await runKubectl(cluster, [verb, '-f', '-'], file)).toEqual({ code: 1, out: done, err });
});

test('a patch that lets an object go is a change', async () => {
  const patch = (finalizers: string) =>
    run('patch', 'cm/held', '--type=merge', '-p', `{"metadata":{"finalizers":${finalizers}}}`);
  await run('create', 'cm', 'held');
  expect((await patch('["example.com/held"]')).out).toBe('configmap/held patched\n');
  expect((await patch('["example.com/held"]')).out).toBe('configmap/held patched (no change)\n');
  await run('delete', 'cm/held', '--wait=false');
  expect((await patch('null')).out).toBe('configmap/held patched\n');
  expect((await run('get', 'cm/held')).code).toBe(1);
});
