/**
 * How the probes of a node's containers have ended: `/metrics/probes` of the kubelet. Numbers of a container go when nobody probes it any more.
 * Source: kubelet `prober/prober_manager.go`, `prober/prober.go`.
 */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { type Histograms, Metrics, type Tallies } from '#pkg/base/metrics.ts';
import type { ProbeAnswer, ProbeKind } from '../runtime/probe-transport.ts';

const types: Readonly<Record<ProbeKind, string>> = {
  liveness: 'Liveness',
  readiness: 'Readiness',
  startup: 'Startup',
};
const results = ['failed', 'successful', 'unknown'];
/** Seconds. Source: `metrics.DefBuckets` of Prometheus' client. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Whose probes. */
export interface ProbedContainer {
  readonly pod: Pod;
  readonly container: Container;
}

/** The numbers of one kubelet. */
export class ProbeCounts {
  readonly metrics = new Metrics();
  readonly #total: Tallies;
  readonly #durations: Histograms;

  constructor() {
    const labels = ['probe_type', 'container', 'pod', 'namespace'];
    this.#total = this.metrics.counter({
      name: 'prober_probe_total',
      help: 'Cumulative number of a liveness, readiness or startup probe for a container by result.',
      labels: ['result', ...labels, 'pod_uid'],
    });
    this.#durations = this.metrics.histogram({
      name: 'prober_probe_duration_seconds',
      help: 'Duration in seconds for a probe response.',
      labels,
      buckets: durationBuckets,
    });
  }

  /** A probe has ended, after so long. */
  count(of: ProbedContainer, kind: ProbeKind, { answer, tookMs }: { answer: ProbeAnswer; tookMs: number }): void {
    const result = answer.errored === true ? 'unknown' : answer.ok ? 'successful' : 'failed';
    const { labels, uid } = labelsOf(of, kind);
    this.#total.of(result, ...labels, uid).value++;
    this.#durations.of(...labels).observe(tookMs / 1_000);
  }

  /** Nobody probes the container for that any more. */
  forget(of: ProbedContainer, kind: ProbeKind): void {
    const { labels, uid } = labelsOf(of, kind);
    for (const result of results) this.#total.delete(result, ...labels, uid);
    this.#durations.delete(...labels);
  }
}

function labelsOf({ pod, container }: ProbedContainer, kind: ProbeKind) {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  return { labels: [types[kind], container.name, name, namespace], uid };
}
