/**
 * Whom Prometheus reads, as the files that it follows: some distributions, Debian among them, build it without its own discovery of Kubernetes. Pure.
 * Source: Prometheus documentation, `file_sd_config`; the annotations are those of its example configuration.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';

/** Some addresses with labels of their own. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** A page of each node's kubelet, through the API server at `server`, which knows where each is and is asked with the pod's rights. */
export function nodeTargets(
  nodes: readonly Node[],
  { server, page }: { readonly server: string; readonly page: string },
): readonly TargetGroup[] {
  return namesOf(nodes).map((node) => ({
    targets: [server],
    labels: { node, instance: node, __metrics_path__: `/api/v1/nodes/${node}/proxy${page}` },
  }));
}

function namesOf(nodes: readonly Node[]): readonly string[] {
  return nodes.map(({ metadata }) => metadata?.name ?? '').sort();
}

const annotation = (pod: Pod, name: string): string | undefined => pod.metadata?.annotations?.[`prometheus.io/${name}`];

/** The pods that ask to be read and have an address. */
export function podTargets(pods: readonly Pod[]): readonly TargetGroup[] {
  return pods
    .filter((pod) => annotation(pod, 'scrape') === 'true' && pod.status?.phase === 'Running' && pod.status.podIP)
    .map((pod) => {
      const { namespace = '', name = '' } = pod.metadata ?? {};
      const port = annotation(pod, 'port') ?? String(pod.spec?.containers[0]?.ports?.[0]?.containerPort ?? 80);
      const path = annotation(pod, 'path') ?? '/metrics';
      return { targets: [`${pod.status?.podIP}:${port}`], labels: { namespace, pod: name, __metrics_path__: path } };
    })
    .filter(({ targets }) => targets.every((target) => /:\d{1,5}$/.test(target)))
    .sort((a, b) => (`${a.labels.namespace}/${a.labels.pod}` < `${b.labels.namespace}/${b.labels.pod}` ? -1 : 1));
}
