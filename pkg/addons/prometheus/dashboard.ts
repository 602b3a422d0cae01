/** A dashboard in Grafana's form: a table of panels, each with one query. */

interface Panel {
  readonly title: string;
  readonly query: string;
  readonly unit: string;
  readonly legend?: string;
}

const panels: readonly Panel[] = [
  { title: 'Targets that answer', query: 'sum by (job) (up)', unit: 'short', legend: '{{job}}' },
  { title: 'Requests by verb', query: 'verb:apiserver_requests:rate1m', unit: 'reqps', legend: '{{verb}}' },
  {
    title: 'Slowest of a hundred requests',
    query: 'verb:apiserver_request_duration_seconds:p99',
    unit: 's',
    legend: '{{verb}}',
  },
  {
    title: 'Requests by code',
    query: 'sum by (code) (rate(apiserver_request_total[1m]))',
    unit: 'reqps',
    legend: '{{code}}',
  },
  { title: 'Requests in flight', query: 'sum(apiserver_current_inflight_requests)', unit: 'short' },
  { title: 'Objects', query: 'topk(10, apiserver_resource_objects)', unit: 'short', legend: '{{resource}}' },
  { title: 'Memory of processes', query: 'process_resident_memory_bytes', unit: 'bytes', legend: '{{job}}' },
  { title: 'Pods that run', query: 'sum by (node) (kubelet_running_pods)', unit: 'short', legend: '{{node}}' },
  {
    title: 'Pods that wait for a node',
    query: 'sum by (queue) (scheduler_pending_pods)',
    unit: 'short',
    legend: '{{queue}}',
  },
  {
    title: 'Turns of controllers',
    query: 'topk(10, sum by (controller) (rate(controller_runtime_reconcile_total[1m])))',
    unit: 'ops',
    legend: '{{controller}}',
  },
];

/** What the panels ask for. */
export const dashboardQueries: readonly string[] = panels.map(({ query }) => query);

const columns = 2;
const size = { w: 12, h: 8 };

/** The dashboard. Source: Grafana's dashboard JSON model. */
export const dashboard = {
  uid: 'coxswain',
  title: 'Coxswain',
  tags: ['kubernetes'],
  schemaVersion: 38,
  version: 1,
  refresh: '10s',
  time: { from: 'now-30m', to: 'now' },
  templating: {
    list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' }],
  },
  panels: panels.map(({ title, query, unit, legend = '' }, index) => ({
    id: index + 1,
    type: 'timeseries',
    title,
    datasource: { type: 'prometheus', uid: '$datasource' },
    gridPos: { ...size, x: (index % columns) * size.w, y: Math.floor(index / columns) * size.h },
    fieldConfig: { defaults: { unit }, overrides: [] },
    targets: [{ refId: 'A', expr: query, legendFormat: legend }],
  })),
};
