/** The pod in which a virtual machine runs, or in which one waits for it. */
import { bandwidthAnnotations, diskAnnotations } from '#pkg/api/share-annotations.ts';
import type { Node, Pod, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { machineLabel, type VirtualMachine } from '#pkg/api/virtual-machine.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';

const containerName = 'machine';

/** The pod of a run. */
export function machineTemplate({ metadata, spec }: VirtualMachine): PodTemplateSpec {
  const { image = '', args = [], memory = '64Mi', cpu, ports = [], nodeSelector, labels } = spec ?? {};
  const annotations = shareAnnotations(spec?.limits);
  const limits = { memory, ...(cpu === undefined ? {} : { cpu }) };
  return {
    metadata: {
      labels: { ...labels, [machineLabel]: metadata?.name ?? '' },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: {
      // A run is a pod: the next one is another.
      restartPolicy: 'Never',
      runtimeClassName: spec?.runtimeClassName ?? 'vm',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: spec?.terminationGracePeriodSeconds ?? 30,
      ...(nodeSelector === undefined ? {} : { nodeSelector }),
      containers: [
        {
          name: containerName,
          image,
          args: [...args],
          stdin: true,
          ports: ports.map(({ name, port }) => ({ containerPort: port, ...(name === undefined ? {} : { name }) })),
          resources: { limits },
        },
      ],
    },
  };
}

/** What its node is to keep it to, as its kubelet reads it. */
function shareAnnotations(
  limits: NonNullable<VirtualMachine['spec']>['limits'] = {},
): Readonly<Record<string, string>> {
  const all = [
    [bandwidthAnnotations.toPod, limits.ingressBandwidth],
    [bandwidthAnnotations.fromPod, limits.egressBandwidth],
    [diskAnnotations.bytesPerSecond, limits.diskBytesPerSecond],
    [diskAnnotations.requestsPerSecond, limits.diskRequestsPerSecond],
  ] as const;
  return Object.fromEntries(all.flatMap(([name, amount]) => (amount === undefined ? [] : [[name, String(amount)]])));
}

/** Whether a node is not there, or not heard of any more. */
export function isLostNode(node: Node | undefined): boolean {
  return node === undefined || findCondition(node.status?.conditions, 'Ready')?.status === 'Unknown';
}

/** Whether a pod has ended as nobody knows of its container any more: its node, or its kubelet, died. */
export function hasLostContainer({ status }: Pod): boolean {
  const ends = (status?.containerStatuses ?? []).map(({ state }) => state?.terminated?.reason);
  return ends.includes('ContainerStatusUnknown');
}

/** Whether it is certain that a pod runs no machine: it is not there, has ended, or is being deleted on a node that nobody hears of any more. */
export function hasNoMachine(pod: Pod | undefined, nodeOf: (name: string) => Node | undefined): boolean {
  const { phase } = pod?.status ?? {};
  if (pod === undefined || phase === 'Succeeded' || phase === 'Failed') return true;
  return pod.metadata?.deletionTimestamp !== undefined && isLostNode(nodeOf(pod.spec?.nodeName ?? ''));
}
