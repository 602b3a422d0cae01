/** What Prometheus is told to read of a cluster, what it works out, and when somebody should know. Data only; `coxswain addon show prometheus` prints it. */
import { accountFolder, configFolder, targetsFolder } from './places.ts';

const account = {
  authorization: { credentials_file: `${accountFolder}/token` },
  tls_config: { ca_file: `${accountFolder}/ca.crt` },
};
/** The address of the API server, which the pod's environment says: the program puts it in. */
export const serverPlaceholder = '$(KUBERNETES_SERVICE_HOST)';
/** Port of the address of the `kubernetes` Service at which the components of a cluster of one process say theirs. */
const componentsPort = 10_248;

/** Targets that the program writes as they come and go. */
const following = (name: string) => [{ files: [`${targetsFolder}/${name}.json`] }];

const ofKubelets = (name: string) => ({
  job_name: name,
  scheme: 'https',
  ...account,
  file_sd_configs: following(name),
});

/** `prometheus.yml`. JSON is YAML. */
export const prometheusConfig = {
  global: { scrape_interval: '5s', scrape_timeout: '4s', evaluation_interval: '5s' },
  rule_files: [`${configFolder}/rules.yml`],
  scrape_configs: [
    { job_name: 'apiserver', scheme: 'https', ...account, static_configs: [{ targets: [`${serverPlaceholder}:443`] }] },
    { job_name: 'components', static_configs: [{ targets: [`${serverPlaceholder}:${componentsPort}`] }] },
    ofKubelets('kubelet'),
    { job_name: 'pods', file_sd_configs: following('pods') },
  ],
};

const requestRate = 'sum by (verb) (rate(apiserver_request_total[1m]))';
const requestLate =
  'histogram_quantile(0.99, sum by (verb, le) (rate(apiserver_request_duration_seconds_bucket{verb!~"WATCH|CONNECT"}[5m])))';

/** `rules.yml`. */
export const prometheusRules = {
  groups: [
    {
      name: 'coxswain-recording',
      rules: [
        { record: 'verb:apiserver_requests:rate1m', expr: requestRate },
        { record: 'verb:apiserver_request_duration_seconds:p99', expr: requestLate },
      ],
    },
    {
      name: 'coxswain-alerts',
      rules: [
        alert('TargetDown', {
          expr: 'up == 0',
          lasts: '1m',
          severity: 'critical',
          says: '{{ $labels.job }} {{ $labels.instance }} does not answer',
        }),
        alert('ApiServerErrors', {
          expr: 'sum(rate(apiserver_request_total{code=~"5.."}[5m])) / sum(rate(apiserver_request_total[5m])) > 0.03',
          lasts: '5m',
          severity: 'critical',
          says: 'The API server answers more than 3 % of requests with an error of its own',
        }),
        alert('ApiServerSlow', {
          expr: 'verb:apiserver_request_duration_seconds:p99 > 1',
          lasts: '10m',
          severity: 'warning',
          says: 'One of a hundred {{ $labels.verb }} requests takes more than a second',
        }),
        alert('PodsNotScheduled', {
          expr: 'sum(scheduler_pending_pods) > 0',
          lasts: '10m',
          severity: 'warning',
          says: '{{ $value }} pods wait for a node',
        }),
        alert('ControllerErrors', {
          expr: 'sum by (controller) (rate(controller_runtime_reconcile_errors_total[5m])) > 0.1',
          lasts: '10m',
          severity: 'warning',
          says: 'The controller {{ $labels.controller }} fails again and again',
        }),
      ],
    },
  ],
};

interface Alert {
  readonly expr: string;
  readonly lasts: string;
  readonly severity: 'critical' | 'warning';
  readonly says: string;
}

function alert(name: string, { expr, lasts, severity, says }: Alert) {
  return { alert: name, expr, for: lasts, labels: { severity }, annotations: { summary: says } };
}
