/** The npm package as its users have it: packed, installed into an empty folder without any install script, and used there. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { processesWith } from './machine.ts';
import { type CommandResult, freePort, hookMs, run } from './running-cluster.ts';

const folder = mkdtempSync(join(tmpdir(), 'coxswain-package-'));
const bin = join(folder, 'node_modules', '.bin');
const node = join(bin, 'node');
/** Compilers that users may have, beside the checkout's own. */
const otherCompilers = { 'typescript-oldest': '5.0.4', 'typescript-5': '5.9.3' };
let packed: readonly string[] = [];

/** Runs a command in the folder, as a person there does: with what the install brought first in the path. */
function here(command: string, args: readonly string[]): Promise<CommandResult> {
  const home = join(folder, 'home');
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: home,
    COXSWAIN_HOME: join(home, 'clusters'),
    KUBECONFIG: '',
    NO_COLOR: '1',
    FORCE_COLOR: '0',
  };
  return run(command, args, { env, cwd: folder, timeoutMs: hookMs });
}

async function done(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await here(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}

const write = (name: string, content: unknown): void =>
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));

beforeAll(async () => {
  const report = await run('npm', ['pack', '--json', '--pack-destination', folder], { timeoutMs: hookMs });
  const text = report.stdout.slice(report.stdout.indexOf('['));
  const [{ filename, files }] = JSON.parse(text) as [{ filename: string; files: { path: string }[] }];
  packed = files.map(({ path }) => path);
  write('package.json', { name: 'consumer', version: '1.0.0', private: true, type: 'module' });
  mkdirSync(join(folder, 'home'));
  const compilers = Object.entries(otherCompilers).map(([name, version]) => `${name}@npm:typescript@${version}`);
  await done('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `./${filename}`, ...compilers]);
  // The test's own tools are the checkout's: what they import of the consumer's they find there.
  for (const tool of ['vitest', 'vite'])
    symlinkSync(join(root, 'node_modules', tool), join(folder, 'node_modules', tool));
}, 2 * hookMs);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the tarball holds compiled code, types and manifests, and nothing of the checkout besides', () => {
  expect(packed).toEqual(
    expect.arrayContaining([
      'LICENSE',
      'README.md',
      'cmd/coxswain/bin.js',
      'dist/cmd/coxswain/main.js',
      'dist/pkg/api/types/core-v1.d.ts',
      'dist/pkg/entry/testing.js',
      'dist/pkg/entry/testing.d.ts',
      'manifests/guestbook.yaml',
    ]),
  );
  const odd = packed.filter((path) => /(?<!\.d)\.ts$|\.test\.|^(?:tests|findings|deploy|pkg)\//.test(path));
  expect(odd).toEqual([]);
});

test('the command works: a cluster of one process', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(await done('npx', ['coxswain', 'version'])).toContain(`coxswain ${version} `);
  expect(await done('npx', ['coxswain', 'up', '--name', 'packed', '--api-port', '0', '--detach'])).toContain(
    'is ready',
  );
  const manifest = join(folder, 'node_modules', 'coxswain', 'manifests', 'guestbook.yaml');
  const kubectl = (...args: readonly string[]) => done('npx', ['coxswain', 'kubectl', ...args]);
  await kubectl('apply', '-f', manifest);
  await kubectl('rollout', 'status', 'deployment/guestbook', '--timeout=60s');
  expect(await kubectl('get', 'nodes')).toMatch(/packed-node-1 +Ready/);
  const status = JSON.parse(await done('npx', ['coxswain', 'status', '--name', 'packed', '-o', 'json'])) as object;
  expect(status).toMatchObject({ running: true });
  await done('npx', ['coxswain', 'doctor']);
  await done('npx', ['coxswain', 'down', '--name', 'packed']);
  expect(processesWith(folder)).toEqual([]);
});

test('the command works: a cluster of many processes', async () => {
  const where = ['--data-dir', join(folder, 'many'), '--name', 'many'];
  const port = await freePort();
  try {
    await done('npx', ['coxswain', 'up', '--processes', '--detach', '--api-port', String(port), ...where]);
    const status = await done('npx', ['coxswain', 'status', ...where]);
    for (const name of ['kube-apiserver', 'kube-scheduler', 'kubelet']) expect(status).toContain(name);
  } finally {
    await here('npx', ['coxswain', 'down', ...where]);
  }
  expect(processesWith(folder)).toEqual([]);
});

test("the README's test example runs", async () => {
  write('example.test.ts', readFileSync(join(root, 'tests', 'integration', 'example.test.ts'), 'utf8'));
  const { stdout, stderr } = await here(node, [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--root',
    folder,
  ]);
  expect(`${stdout}${stderr}`).toMatch(/Tests +1 passed/);
});

const operator = `import { CoreV1Api, KubeConfig, makeInformer } from '@kubernetes/client-node';
import { startTestCluster } from 'coxswain/testing';

const cluster = await startTestCluster({ listen: true });
const config = new KubeConfig();
config.loadFromString(cluster.kubeconfig);
const core = config.makeApiClient(CoreV1Api);
const namespace = 'default';
const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'pod=wanted' });
const informer = makeInformer(config, '/api/v1/namespaces/default/configmaps', list, 'pod=wanted');
informer.on('add', ({ metadata: { name } }) =>
  core.createNamespacedPod({ namespace, body: { metadata: { name }, spec: { containers: [{ name: 'main', image: 'coxswain.dev/pause' }] } } }),
);
await informer.start();
await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'made', labels: { pod: 'wanted' } } } });
await cluster.until(() => cluster.pods().some(({ status }) => status?.phase === 'Running'));
console.log(cluster.pods().map(({ metadata }) => metadata.name).join());
await informer.stop();
await cluster.stop();
`;

test('an operator on the official client runs against a cluster that listens', async () => {
  write('operator.js', operator);
  expect(await done(node, ['operator.js'])).toBe('made\n');
});

const typedProgram = `import { startCluster } from 'coxswain';
import type { Pod } from 'coxswain/api/core-v1';
import { pods } from 'coxswain/api/refs';
import { createClient, networkTransport } from 'coxswain/client';
import { isPodReady, makeDeployment, startTestCluster } from 'coxswain/testing';

const cluster = await startTestCluster({ nodes: 2 });
await cluster.apply(makeDeployment('web', { replicas: 3 }));
export const ready: readonly Pod[] = cluster.pods().filter(isPodReady);
const client = createClient({ transport: networkTransport({ server: 'https://127.0.0.1:1' }), userAgent: 'program' });
export const name: string | undefined = (await client.resource(pods).get('a', { namespace: 'b' })).spec?.nodeName;
export const start: typeof startCluster = startCluster;
`;

const modules = [
  { module: 'node16', moduleResolution: 'node16' },
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
];

test.each(
  modules.flatMap((module) => [
    { ...module, exactOptionalPropertyTypes: true },
    { ...module, exactOptionalPropertyTypes: false },
  ]),
)(
  'the types hold in a strict project that checks libraries, without the types of Node, with $module and exact optional properties $exactOptionalPropertyTypes (fault 50)',
  async (options) => {
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2022',
      lib: ['es2022', 'dom'],
      skipLibCheck: false,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
      types: [],
      ...options,
    };
    write('tsconfig.json', { compilerOptions, files: ['program.ts'] });
    write('program.ts', typedProgram);
    const own = join(root, 'node_modules', 'typescript');
    for (const compiler of [own, ...Object.keys(otherCompilers).map((one) => join(folder, 'node_modules', one))]) {
      const result = await here(node, [join(compiler, 'bin', 'tsc'), '-p', folder]);
      expect([compiler, result.code, result.stdout]).toEqual([compiler, 0, '']);
    }
  },
);

test('what no entry names is closed', async () => {
  write('closed.js', "await import('coxswain/dist/pkg/base/clock.js').catch(({ code }) => console.log(code));\n");
  expect(await done(node, ['closed.js'])).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n');
});
