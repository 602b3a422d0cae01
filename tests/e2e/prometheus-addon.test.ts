/** The addon `prometheus` with the machine's own Prometheus: whom it reads, and whether each query of the dashboard and each rule means something. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prometheusConfig, prometheusRules } from '#pkg/addons/prometheus/config.ts';
import { dashboard, dashboardQueries } from '#pkg/addons/prometheus/dashboard.ts';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0;
if (!hasPrometheus)
  process.stderr.write('skipped: the tests of the addon prometheus, as there is no prometheus here\n');

interface Answer {
  readonly status: string;
  readonly data: {
    readonly activeTargets?: readonly { readonly health: string; readonly labels: { readonly job: string } }[];
    readonly groups?: readonly { readonly rules: readonly { readonly name: string; readonly health: string }[] }[];
    readonly result?: readonly unknown[];
  };
}

describe.runIf(hasPrometheus)('prometheus', () => {
  let cluster: RunningCluster;
  let address: string;

  beforeAll(async () => {
    cluster = await RunningCluster.start({ flags: ['--addons', 'prometheus'] });
    address = `http://${await said('service', 'prometheus', '{.spec.clusterIP}:{.spec.ports[0].port}')}`;
  }, hookMs);
  afterAll(() => cluster.remove(), hookMs);

  const said = (kind: string, name: string, path: string): Promise<string> =>
    cluster.kubectl('35', ['get', kind, name, '-n', 'coxswain-prometheus', '-o', `jsonpath=${path}`]);

  /** Undefined while it does not answer. */
  async function ask(path: string): Promise<Answer | undefined> {
    try {
      const response = await fetch(`${address}/api/v1/${path}`, { headers: { connection: 'close' } });
      return (await response.json()) as Answer;
    } catch {
      return undefined;
    }
  }

  test('it reads the API server, the components and the kubelets, with the rights of its account', async () => {
    const jobs = ['apiserver', 'components', 'kubelet'];
    const isUp = (answer: Answer | undefined, job: string): boolean =>
      answer?.data.activeTargets?.some(({ labels, health }) => labels.job === job && health === 'up') ?? false;
    await eventually(
      () => ask('targets?state=active'),
      (answer) => jobs.every((job) => isUp(answer, job)),
    );
    expect(prometheusConfig.scrape_configs.map(({ job_name }) => job_name)).toEqual(expect.arrayContaining(jobs));
  });

  test.each(dashboardQueries)('the dashboard asks for something that is there: %s', async (query) => {
    const answer = await eventually(
      () => ask(`query?query=${encodeURIComponent(query)}`),
      (found) => (found?.data?.result ?? []).length > 0,
    );
    expect(answer?.status).toBe('success');
  });

  test('every rule is worked out', async () => {
    const names = prometheusRules.groups.flatMap(({ rules }) =>
      rules.map((rule) => ('alert' in rule ? rule.alert : rule.record)),
    );
    const found = await eventually(
      async () => (await ask('rules'))?.data.groups?.flatMap(({ rules }) => rules) ?? [],
      (rules) => rules.length > 0 && rules.every(({ health }) => health === 'ok'),
    );
    expect(found.map(({ name }) => name).sort()).toEqual([...names].sort());
  });

  test('Grafana finds the dashboard by its label', async () => {
    expect(await said('configmap', 'dashboard', '{.metadata.labels.grafana_dashboard}')).toBe('1');
    expect(JSON.parse(await said('configmap', 'dashboard', '{.data.coxswain\\.json}'))).toEqual(
      JSON.parse(JSON.stringify(dashboard)),
    );
  });

  test('disabled, nothing of it is left', async () => {
    const disabled = await cluster.coxswain(['addon', 'disable', 'prometheus']);
    expect([disabled.code, disabled.stdout]).toEqual([0, 'prometheus is disabled\n']);
    const left = await cluster.kubectl('35', ['get', 'namespace,clusterrole,clusterrolebinding', '-o', 'name']);
    expect(left.split('\n').filter((name) => /prometheus/.test(name))).toEqual([]);
  }, 240_000);
});
