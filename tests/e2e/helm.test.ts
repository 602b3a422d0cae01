/** Real Helm against a real cluster: the life of a release of the chart in `fixtures/chart`. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { binary } from './kubectl-binary.ts';
import { type CommandResult, hookMs, RunningCluster, run } from './running-cluster.ts';

const chart = join(root, 'tests/e2e/fixtures/chart');
const namespace = 'helm-guest';
let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start();
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
}, hookMs);

function tryHelm(...args: string[]): Promise<CommandResult> {
  return run(binary('35', 'helm'), ['--namespace', namespace, ...args], { env: cluster.env() });
}

async function helm(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tryHelm(...args);
  // Its client says so when it ends a watch at the moment at which something comes.
  const said = stderr.replace(/^.*reflector\.go.*context canceled.*\n/gm, '');
  expect(`${code}${said}`).toBe('0');
  return stdout;
}

const kubectl = (...args: string[]): Promise<string> => cluster.kubectl('35', ['--namespace', namespace, ...args]);

/** The rows of one of Helm's tables, without spaces at the ends of cells. */
function rowsOf(table: string): readonly (readonly string[])[] {
  const lines = table.trimEnd().split('\n').slice(1);
  return lines.map((line) => line.split('\t').map((cell) => cell.trim()));
}

async function historyOf(release: string): Promise<readonly (readonly (string | undefined)[])[]> {
  return rowsOf(await helm('history', release)).map((cells) => [cells[0], cells[2], cells[5]]);
}

async function configuration(): Promise<Readonly<Record<string, string>>> {
  return JSON.parse(await kubectl('get', 'configmap', 'rel-config', '-o', 'jsonpath={.data}'));
}

test('a dry run on the server looks things up there and leaves nothing behind', async () => {
  await cluster.kubectl('35', ['create', 'namespace', namespace]);
  const rendered = await helm('install', 'rel', chart, '--dry-run=server', '--skip-crds');
  expect(rendered).toContain('STATUS: pending-install');
  expect(rendered).toContain('nodes: "1"');
  expect(rendered).toMatch(/version: "v1\.36\./);
  expect(await kubectl('get', 'all,secrets', '-o', 'name')).toBe('');
  expect(await helm('template', 'rel', chart)).toContain('nodes: "0"');
});

test('install waits until everything is ready', async () => {
  const output = await helm('install', 'rel', chart, '--wait', '--timeout', '60s');
  expect(output).toContain('STATUS: deployed\nREVISION: 1\n');
  expect(output).toContain(`Reach rel at http://rel.${namespace}:80, revision 1.`);
  expect(await kubectl('get', 'deployment', 'rel', '-o', 'jsonpath={.status.readyReplicas}')).toBe('2');
  expect(await configuration()).toMatchObject({ greeting: 'hello', nodes: '1', previous: 'none', apps: 'true' });
  expect(await kubectl('get', 'configmap', 'rel-before', '-o', 'jsonpath={.data.revision}')).toBe('1');
});

test('list, status and get tell what there is', async () => {
  const [row] = rowsOf(await helm('list'));
  expect([row?.[0], row?.[1], row?.[2], row?.[4], row?.[5]]).toEqual([
    'rel',
    namespace,
    '1',
    'deployed',
    'greeter-0.1.0',
  ]);
  const status = await helm('status', 'rel');
  expect(status).toMatch(/==> v1\/Deployment\nNAME +READY +UP-TO-DATE +AVAILABLE +AGE\nrel +2\/2 +2 +2 /);
  expect(status).toMatch(/==> v1\/Pod\(related\)\nNAME +READY +STATUS +RESTARTS +AGE\nrel-\S+ +1\/1 +Running +0 /);
  expect(await helm('get', 'manifest', 'rel')).toContain('# Source: greeter/templates/deployment.yaml');
  expect(await helm('get', 'hooks', 'rel')).toContain('name: rel-before');
});

test('upgrade changes the release, and sees what was there before', async () => {
  const output = await helm('upgrade', 'rel', chart, '--set', 'greeting=hi,replicas=1', '--wait', '--timeout', '60s');
  expect(output).toContain('Release "rel" has been upgraded. Happy Helming!');
  expect(await configuration()).toMatchObject({ greeting: 'hi', previous: 'hello' });
  expect(await kubectl('get', 'deployment', 'rel', '-o', 'jsonpath={.status.replicas}')).toBe('1');
});

test('rollback brings the first revision back', async () => {
  expect(await helm('rollback', 'rel', '1', '--wait', '--timeout', '60s')).toContain('Rollback was a success!');
  expect(await configuration()).toMatchObject({ greeting: 'hello', previous: 'none' });
  expect(await historyOf('rel')).toEqual([
    ['1', 'superseded', 'Install complete'],
    ['2', 'superseded', 'Upgrade complete'],
    ['3', 'deployed', 'Rollback to 1'],
  ]);
});

test('an upgrade that the server refuses fails with its words', async () => {
  const { code, stderr } = await tryHelm('upgrade', 'rel', chart, '--set', 'port=99999');
  expect(code).toBe(1);
  expect(stderr).toContain(
    'Error: UPGRADE FAILED: Deployment.apps "rel" is invalid: spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive',
  );
  expect((await historyOf('rel')).at(-1)?.[1]).toBe('failed');
});

test('an install that does not become ready in time is taken back', async () => {
  const wish = ['--set', 'image=nowhere.example/nothing:v1', '--rollback-on-failure', '--timeout', '2s'];
  const { code, stderr } = await tryHelm('install', 'late', chart, ...wish);
  expect(code).toBe(1);
  expect(stderr).toContain('resource Deployment/helm-guest/late not ready');
  expect(await kubectl('get', 'deployments', '-o', 'name')).toBe('deployment.apps/rel\n');
});

test('uninstall takes everything but hooks away', async () => {
  expect(await helm('uninstall', 'rel', '--wait', '--timeout', '60s')).toBe('release "rel" uninstalled\n');
  expect(rowsOf(await helm('list'))).toEqual([]);
  expect(await kubectl('get', 'deployments,services,secrets', '-o', 'name')).toBe('');
  expect((await tryHelm('uninstall', 'rel')).stderr).toContain('release: not found');
});

test('definitions of a chart are there before its objects, and its tests say whether it works', async () => {
  await helm('install', 'full', chart, '--set', 'object=true', '--wait', '--timeout', '60s');
  expect(await kubectl('get', 'greetings', '-o', 'jsonpath={.items[*].spec.text}')).toBe('hello');
  expect(await helm('test', 'full', '--timeout', '60s')).toMatch(/TEST SUITE:\s+full-reach\n[\s\S]*Phase:\s+Succeeded/);
  const broken = ['upgrade', 'full', chart, '--set', 'object=true,testPath=other', '--wait', '--timeout', '60s'];
  await helm(...broken);
  const failed = await tryHelm('test', 'full', '--timeout', '60s');
  expect([failed.code, failed.stdout]).toEqual([1, expect.stringMatching(/Phase:\s+Failed/)]);
  const refused = await tryHelm('upgrade', 'full', chart, '--set', `object=true,greeting=${'x'.repeat(21)}`);
  expect(refused.stderr).toContain('spec.text: Too long: may not be more than 20 bytes');
  await helm('uninstall', 'full', '--wait', '--timeout', '60s');
  expect(await kubectl('get', 'greetings', '-o', 'name')).toBe('');
  await kubectl('delete', 'pod', 'full-reach', '--force', '--grace-period=0');
});

test('client-side apply, as older Helm does it, works too', async () => {
  await helm('install', 'old', chart, '--set', 'replicas=1', '--server-side=false');
  await helm('upgrade', 'old', chart, '--set', 'replicas=2', '--server-side=false', '--wait', '--timeout', '60s');
  expect(await kubectl('get', 'deployment', 'old', '-o', 'jsonpath={.status.readyReplicas}')).toBe('2');
  await helm('uninstall', 'old');
});

test('a namespace that is not there is made when asked for', async () => {
  const { stderr } = await tryHelm('install', 'rel', chart, '--namespace', 'nowhere');
  expect(stderr).toContain('namespaces "nowhere" not found');
  await helm('install', 'rel', chart, '--namespace', 'nowhere', '--create-namespace');
  expect(await cluster.kubectl('35', ['delete', 'namespace', 'nowhere', '--timeout=100s'])).toContain('deleted');
});
