/** The pod in which a virtual machine runs, or in which one waits for it. */
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { machineLabel, type VirtualMachine } from '#pkg/api/virtual-machine.ts';

const containerName = 'machine';

/** The pod of a run. */
export function machineTemplate({ metadata, spec }: VirtualMachine): PodTemplateSpec {
  const { image = '', args = [], memory = '64Mi', cpu, ports = [], nodeSelector, labels } = spec ?? {};
  const limits = { memory, ...(cpu === undefined ? {} : { cpu }) };
  return {
    metadata: { labels: { ...labels, [machineLabel]: metadata?.name ?? '' } },
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
