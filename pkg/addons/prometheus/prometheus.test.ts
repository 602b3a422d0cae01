/** What Prometheus is told, and of whom. */
import { expect, test } from 'vitest';
import { bareCluster } from '../testing/bare-cluster.ts';
import { prometheusAddon } from './addon.ts';
import { prometheusConfig, prometheusRules } from './config.ts';
import { dashboard } from './dashboard.ts';
import { nodeTargets, podTargets } from './targets.ts';

test('a machine without it is told so before anything is made', () => {
  expect(prometheusAddon.problem(bareCluster)).toBe(
    'this machine has no program "prometheus": install it first (on Debian and Ubuntu: apt-get install prometheus)',
  );
  expect(prometheusAddon.problem({ ...bareCluster, programPath: () => '/usr/bin/prometheus' })).toBeUndefined();
});

test('kubelets are read through the API server, in an order that does not change', () => {
  const nodes = ['b', 'a'].map((name) => ({ metadata: { name } }));
  expect(nodeTargets(nodes, { server: '10.0.0.1:443', page: '/metrics' })).toEqual(
    ['a', 'b'].map((node) => ({
      targets: ['10.0.0.1:443'],
      labels: { node, instance: node, __metrics_path__: `/api/v1/nodes/${node}/proxy/metrics` },
    })),
  );
});

test('pods are read that run and ask for it, at the port and path that they say', () => {
  const pod = (name: string, annotations: Readonly<Record<string, string>>, phase = 'Running') => ({
    metadata: { name, namespace: 'ns', annotations },
    spec: { containers: [{ name: 'c', ports: [{ containerPort: 81 }] }] },
    status: { phase, podIP: '10.0.0.2' },
  });
  const scrape = { 'prometheus.io/scrape': 'true' };
  const found = podTargets([
    pod('said', { ...scrape, 'prometheus.io/port': '90', 'prometheus.io/path': '/m' }),
    pod('first', scrape),
    pod('silent', {}),
    pod('waits', scrape, 'Pending'),
    pod('odd', { ...scrape, 'prometheus.io/port': 'http' }),
  ]);
  expect(found).toEqual([
    { targets: ['10.0.0.2:81'], labels: { namespace: 'ns', pod: 'first', __metrics_path__: '/metrics' } },
    { targets: ['10.0.0.2:90'], labels: { namespace: 'ns', pod: 'said', __metrics_path__: '/m' } },
  ]);
});

test('names of jobs, rules and panels are each there once, and panels do not overlap', () => {
  const jobs = prometheusConfig.scrape_configs.map(({ job_name }) => job_name);
  const rules = prometheusRules.groups.flatMap(({ rules }) =>
    rules.map((rule) => ('alert' in rule ? rule.alert : rule.record)),
  );
  const places = dashboard.panels.map(({ gridPos }) => `${gridPos.x},${gridPos.y}`);
  for (const names of [jobs, rules, places]) expect(new Set(names).size).toBe(names.length);
});
