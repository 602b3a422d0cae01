/** The flags of processes by which they know the network of the machine's kernel: what its addresses follow from. Empty on other networks. */
import { type FlagTable, type FlagValues, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { HostRanges } from '#pkg/network/bridge/host-links.ts';
import type { BridgeSettings } from './bridge-cluster.ts';

/** The table: each flag with its help. */
export const kernelFlags = {
  'cluster-name': text({ help: 'Name of the cluster, of a network that the kernel carries.', placeholder: 'name' }),
  'cluster-cidr': text({ help: 'Range of all pods, of such a network.', placeholder: 'range' }),
  'service-cluster-ip-range': text({ help: 'Range of Services, of such a network.', placeholder: 'range' }),
  'machine-address': text({
    help: 'Address of the machine among its nodes, of such a network; empty for a machine that is a node itself, by --network=bridge.',
    placeholder: 'address',
  }),
} satisfies FlagTable;

/** What the flags say; undefined where they say nothing. */
export function kernelSettingsOf(values: FlagValues<typeof kernelFlags>): BridgeSettings | undefined {
  if (values['machine-address'] === '') return undefined;
  return {
    name: values['cluster-name'],
    podCidr: values['cluster-cidr'],
    serviceCidr: values['service-cluster-ip-range'],
    nodeAddress: values['machine-address'],
  };
}

/** The ranges of the cluster in which this machine is a node itself; undefined where the flags say otherwise. */
export function hostRangesOf(
  values: FlagValues<typeof kernelFlags> & { readonly network: string },
): HostRanges | undefined {
  const podRange = values['cluster-cidr'];
  if (values.network !== 'bridge' || values['machine-address'] !== '' || podRange === '') return undefined;
  const serviceRange = values['service-cluster-ip-range'];
  if (serviceRange === '') throw new UserError('the flag --service-cluster-ip-range is required beside --cluster-cidr');
  return { cluster: values['cluster-name'], podRanges: [podRange], serviceRanges: [serviceRange] };
}

/** The flags that say what these settings are. */
export function kernelFlagValues({
  name,
  podCidr,
  serviceCidr,
  nodeAddress,
}: BridgeSettings): FlagValues<typeof kernelFlags> {
  return {
    'cluster-name': name,
    'cluster-cidr': podCidr,
    'service-cluster-ip-range': serviceCidr,
    'machine-address': nodeAddress,
  };
}
