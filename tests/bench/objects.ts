/** The objects that the benchmark makes. */

/** The namespace of everything but the list row. */
export const benchNamespace = 'coxswain-bench';
/** Apart, so that a list has exactly the number of pods that it says. */
export const listNamespace = 'coxswain-bench-list';

/** Size of a pod as it is served, so that figures can be compared: that of the pods Kubernetes was measured with. */
export const podBytes = 3_800;

/** No scheduler has this name, so pods of it stay as they were made. */
const noScheduler = 'coxswain-bench-none';

/** CPU in thousandths of a core, memory in mebibytes. */
export interface Amounts {
  readonly milliCpu: number;
  readonly mebibytes: number;
}

/** How a pod differs from the others. */
export interface PodOptions {
  /** Default: 0. */
  readonly paddingBytes?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly scheduled?: boolean;
  /** Default: 100m and 128Mi. */
  readonly requests?: Amounts;
  /** Fields of the spec beside these. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A pod as JSON. */
export function podBody(name: string, options: PodOptions): string {
  const requests = options.requests ?? { milliCpu: 100, mebibytes: 128 };
  const annotations = { 'coxswain.dev/padding': 'x'.repeat(options.paddingBytes ?? 0), ...options.annotations };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench', tier: 'load' }, annotations },
    spec: {
      ...(options.scheduled ? { nodeSelector: { 'coxswain.dev/bench': 'true' } } : { schedulerName: noScheduler }),
      ...options.spec,
      containers: [
        {
          name: 'main',
          image: 'coxswain/echo',
          ports: [{ containerPort: 8080, name: 'http' }],
          env: [{ name: 'LEVEL', value: 'info' }],
          resources: { requests: quantities(requests) },
        },
      ],
    },
  });
}

/** The path of the pods of a namespace. */
export function podsPath(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

function quantities({ milliCpu, mebibytes }: Amounts): { readonly cpu: string; readonly memory: string } {
  return { cpu: `${milliCpu}m`, memory: `${mebibytes}Mi` };
}

/** Where a node is. */
export interface NodePlace {
  /** Of its pod addresses. */
  readonly index: number;
  readonly zone: string;
}

/** A node that no kubelet stands behind, with the pod addresses of its number. */
export function nodeBody(name: string, { index, zone }: NodePlace): string {
  const podCIDR = `10.${index >> 8}.${index & 255}.0/24`;
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'coxswain.dev/bench': 'true', ...labels } },
    spec: { podCIDR, podCIDRs: [podCIDR] },
  });
}

/** The status that makes such a node take pods. */
export function nodeStatusBody(room: Amounts & { readonly pods: number }): string {
  const capacity = { ...quantities(room), pods: String(room.pods), 'ephemeral-storage': '100Gi' };
  const now = new Date(Date.UTC(2026, 0, 1)).toISOString().replace(/\.\d+/, '');
  const conditions = [
    { type: 'Ready', status: 'True', reason: 'Bench', message: '', lastHeartbeatTime: now, lastTransitionTime: now },
  ];
  return JSON.stringify({ status: { capacity, allocatable: capacity, conditions } });
}
