/** The Service of a gateway: its address, and node ports for who has no right to ports below 1024. */
import { createHash } from 'node:crypto';
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { Entrance } from './model/plan.ts';
import { gatewayAnnotation } from './model/pod-ports.ts';

/** The name of an owner's Service: the owner's where it fits into a name, and always another for another owner. */
export function entranceName(owner: string): string {
  const plain = owner.replaceAll(/[^a-z0-9-]/g, '-');
  const digest = createHash('sha256').update(owner).digest('hex').slice(0, 8);
  return owner.includes('/') ? `gw-${plain.slice(0, 50).replace(/-+$/, '')}-${digest}` : plain;
}

/** The Service. */
export function entranceService(
  { owner, ports }: Entrance,
  { namespace, selector }: { readonly namespace: string; readonly selector: Readonly<Record<string, string>> },
): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: entranceName(owner), namespace, annotations: { [gatewayAnnotation]: owner } },
    spec: {
      type: 'NodePort',
      selector,
      ports: ports.map(({ port, podPort }) => ({ name: `p${port}`, port, targetPort: podPort, protocol: 'TCP' })),
    },
  };
}
