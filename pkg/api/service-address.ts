/** The IPAddress object of a Service's address, as the allocator makes it. Source: upstream `ipallocator` `createIPAddress`. */
import type { IPAddress } from '#pkg/api/types/networking-v1.ts';

/** Labels of the objects that the allocator makes. */
export const addressLabels = {
  family: 'ipaddress.kubernetes.io/ip-family',
  managedBy: 'ipaddress.kubernetes.io/managed-by',
} as const;

/** Who makes them. */
export const addressManager = 'ipallocator.k8s.io';

/** The object; `ip` in its canonical form. */
export function addressOf(
  ip: string,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): IPAddress {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IPAddress',
    metadata: {
      name: ip,
      labels: { [addressLabels.family]: ip.includes(':') ? 'IPv6' : 'IPv4', [addressLabels.managedBy]: addressManager },
    },
    spec: { parentRef: { group: '', resource: 'services', namespace, name } },
  };
}
