import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { componentFields, componentValues } from '#pkg/cluster/component-flags.ts';
import { schedulerSettings } from '#pkg/cluster/scheduler-flags.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import { readUpArguments } from './up-arguments.ts';

const manager = 'kube-controller-manager';

async function fileOf(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-config-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'up.yaml');
  await writeFile(path, text);
  return path;
}

test('the command line comes before the file, and the file before the defaults', async () => {
  const lines = ['nodes: 3', 'runtime: fake', 'components:', `  ${manager}:`, '    nodeMonitorPeriod: 2s'];
  const path = await fileOf(`${lines.join('\n')}\n    terminatedPodGcThreshold: 7\n`);
  const extra = ['--extra-config', `${manager}.node-monitor-period=3s`];
  const { values, given, componentFlags } = await readUpArguments(['--config', path, '--nodes=2', ...extra]);
  expect([values.nodes, values.runtime, values.network]).toEqual([2, 'fake', 'loopback']);
  expect([...given].toSorted()).toEqual(['config', 'extra-config', 'nodes', 'runtime']);
  const said = { 'node-monitor-period': '3s', 'terminated-pod-gc-threshold': '7' };
  expect(componentFlags).toEqual({ [manager]: said });
  expect(await componentValues(componentFlags!, manager, clusterTables)).toEqual({
    'node-monitor-period': 3_000,
    'terminated-pod-gc-threshold': 7,
  });
  expect(await componentFields(componentFlags!, manager, clusterTables)).toEqual({
    'node-monitor-period': '3s',
    'terminated-pod-gc-threshold': 7,
  });
});

test('pods are packed unless it is said otherwise, which is kept with the scheduler (fault 31)', async () => {
  const { componentFlags } = await readUpArguments(['--scheduling=spreading', '--scheduler-config=profiles.yaml']);
  const said = { scheduling: 'spreading', 'scheduler-config': resolve('profiles.yaml') };
  expect(componentFlags).toEqual({ 'kube-scheduler': said });
  await expect(readUpArguments(['--scheduling=heaping'])).rejects.toThrow(
    'invalid value "heaping" for --scheduling: must be one of packing, spreading',
  );
  const missing = { scheduling: 'spreading', 'scheduler-config': '/does/not/exist' };
  await expect(schedulerSettings(missing, [])).rejects.toThrow(
    'Cannot read the scheduler configuration /does/not/exist (ENOENT)',
  );
});

test('a file with profiles is read for the scheduler, and one that is wrong says what', async () => {
  const lines = ['apiVersion: kubescheduler.config.k8s.io/v1', 'kind: KubeSchedulerConfiguration', 'profiles:'];
  const path = await fileOf(`${lines.join('\n')}\n  - schedulerName: wide\n`);
  const plugins = await clusterTables.schedulerPlugins();
  const { scheduling, configuration } = await schedulerSettings({ 'scheduler-config': path }, plugins);
  expect([scheduling, configuration?.profiles]).toMatchObject(['packing', [{ schedulerName: 'wide' }]]);
  const wrong = await fileOf(`${lines.join('\n')} []\n`);
  await expect(schedulerSettings({ 'scheduler-config': wrong }, plugins)).rejects.toThrow('profiles: Required value');
});

test('who says nothing of components keeps what was said', async () => {
  expect((await readUpArguments(['--nodes=2'])).componentFlags).toBe(undefined);
  expect((await readUpArguments(['--config', await fileOf('components: {}\n')])).componentFlags).toEqual({});
});

test.each([
  ['nodes: many', 'nodes: must be a whole number from 1 to 5000'],
  ['nods: 2', 'nods: unknown field (did you mean nodes?)'],
  ['reportToParent: true', 'reportToParent: unknown field'],
  ['config: x', 'config: unknown field'],
  ['components: []', 'components: must be a mapping'],
  [
    'components: {kube-schedular: {}}',
    'components.kube-schedular: there is no component "kube-schedular" (did you mean kube-scheduler?)',
  ],
  ['components: {kube-scheduler: 1}', 'components.kube-scheduler: must be a mapping'],
  ['components: {kube-scheduler: {profile: a}}', 'components.kube-scheduler.profile: unknown field'],
  [
    `components: {${manager}: {nodeMonitorPeriod: 5}}`,
    `components.${manager}.nodeMonitorPeriod: must be a duration such as 500ms, 30s or 1m30s`,
  ],
  [
    `components: {${manager}: {nodeMonitorPeriod: soon}}`,
    `components.${manager}.node-monitor-period: must be a duration such as 500ms, 30s or 1m30s`,
  ],
  [
    `components: {${manager}: {nodeCidrMaskSize: 127}}`,
    `components.${manager}.nodeCidrMaskSize: must be a whole number from 0 to 126`,
  ],
])('a configuration file with %j is refused with the path of its field', async (text, problem) => {
  const path = await fileOf(text);
  await expect(readUpArguments(['--config', path])).rejects.toThrow(
    `Cannot use the configuration file ${path} as it is wrong: ${problem}`,
  );
});

test.each([
  ['x', 'must be component.flag=value'],
  ['kube-schedular.x=1', 'there is no component "kube-schedular" (did you mean kube-scheduler?)'],
  ['kube-scheduler.x=1', 'kube-scheduler has no flag "x" that can be set'],
  [
    `${manager}.node-monitor-periods=1s`,
    `${manager} has no flag "node-monitor-periods" that can be set (did you mean node-monitor-period?)`,
  ],
  [`${manager}.node-monitor-period=`, `${manager}.node-monitor-period: must be a duration such as 500ms, 30s or 1m30s`],
])('--extra-config %s is refused', async (text, problem) => {
  await expect(readUpArguments(['--extra-config', text])).rejects.toThrow(problem);
});

test.each([
  ['- a', 'as it holds no mapping'],
  ['nodes: 1\nnodes: 2\n', 'as it is not valid YAML'],
  ['name: one\n---\nname: two\n', 'as it holds 2 documents, not one'],
  ['name: one\n---\nname: [\n', 'as it is not valid YAML'],
])('a file of %j is none', async (text, problem) => {
  await expect(readUpArguments(['--config', await fileOf(text)])).rejects.toThrow(problem);
  await expect(readUpArguments(['--config', '/nonexistent.yaml'])).rejects.toThrow(
    'Cannot read the configuration file /nonexistent.yaml (ENOENT)',
  );
});

test.each([
  [
    'GangScheduling=true',
    '--feature-gates: GangScheduling is enabled, but depends on features that are disabled: [GenericWorkload]',
  ],
  ['Teleport=true', '--feature-gates: unrecognized feature gate: Teleport'],
])('feature gates of the scheduler that cannot be are refused: %s', async (gates, message) => {
  await expect(schedulerSettings({ 'feature-gates': gates }, [])).rejects.toThrow(message);
});
