/** The flags of kube-proxy. */
import { hostname } from 'node:os';
import { kubeconfigFlag } from '#cmd/common/connection.ts';
import { kernelFlags } from '#pkg/cluster/kernel-flags.ts';
import { networkTable } from '#pkg/cluster/networks.ts';
import { proxyBackendTable } from '#pkg/cluster/proxy-backends.ts';
import { featureGatesFlag } from '#pkg/component/feature-gates.ts';
import { type FlagTable, list, text, toggle } from '#pkg/component/flags.ts';

/** The table: each flag with its help, default and limits. */
export const proxyFlags = {
  ...kubeconfigFlag,
  'hostname-override': text({
    help: 'Name of the node this proxy is of; empty where it stands for all nodes of the machine.',
    fallback: hostname().toLowerCase(),
    placeholder: 'name',
  }),
  'proxy-mode': text({
    help: 'How traffic is carried.',
    fallback: 'userspace',
    allowed: Object.keys(proxyBackendTable),
  }),
  'nodeport-addresses': list({
    help: 'Addresses on which node ports answer.',
    fallback: ['127.0.0.1'],
    placeholder: 'address',
  }),
  'share-ports': toggle({
    help: 'Lets other proxies listen beside this one, where nodes share the network of one machine; the system divides what comes.',
    fallback: false,
  }),
  network: text({
    help: 'How pods are reached, where the kernel of this machine carries it.',
    fallback: 'loopback',
    allowed: Object.keys(networkTable),
  }),
  ...kernelFlags,
  ...featureGatesFlag,
  'machine-nodes': list({
    help: 'Nodes of this machine that have network namespaces of their own.',
    fallback: [],
    placeholder: 'name',
  }),
} satisfies FlagTable;
