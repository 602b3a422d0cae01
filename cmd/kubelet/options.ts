/** The flags of the kubelet. */
import { hostname } from 'node:os';
import { kubeconfigFlag } from '#cmd/common/connection.ts';
import { kernelFlags } from '#pkg/cluster/kernel-flags.ts';
import { networkTable } from '#pkg/cluster/networks.ts';
import { nodeFlags } from '#pkg/cluster/node-flags.ts';
import { runtimeProblem, runtimeTable } from '#pkg/cluster/runtimes.ts';
import { clusterDomain } from '#pkg/cluster/settings.ts';
import { type FlagTable, integer, list, repeated, text } from '#pkg/component/flags.ts';
import { parseMount } from '#pkg/kubelet/volumes/node-mounts.ts';

function mountProblem(value: string): string | undefined {
  return parseMount(value) === undefined ? 'must be two absolute paths, nodePath=path' : undefined;
}

/** The table: each flag with its help, default and limits. */
export const kubeletFlags = {
  ...kubeconfigFlag,
  'node-name': text({ help: 'Name of the node.', fallback: hostname().toLowerCase(), placeholder: 'name' }),
  'node-ip': text({
    help: 'Address of the node; 0.0.0.0 stands for that of the machine.',
    fallback: '127.0.0.1',
    placeholder: 'address',
  }),
  'images-dir': text({
    help: 'Folder with the folder of the images that containers are made of. Default: that of --root-dir.',
    placeholder: 'folder',
  }),
  'root-dir': text({ help: 'Folder of volumes, logs and containers.', placeholder: 'folder' }),
  runtime: text({
    help: 'How pods run: names with commas between them, the first for pods without a RuntimeClass.',
    fallback: 'inprocess',
    placeholder: Object.keys(runtimeTable).join('|'),
    problem: (value) => runtimeProblem(value),
  }),
  network: text({ help: 'How pods are reached.', fallback: 'loopback', allowed: Object.keys(networkTable) }),
  port: integer({
    help: "Port of the kubelet's own API at --node-ip; 0 takes any free one.",
    fallback: 0,
    max: 65_535,
  }),
  'cluster-dns': list({
    help: 'Addresses of cluster DNS; empty where pods find names as the machine does.',
    fallback: [],
    placeholder: 'address',
  }),
  'cluster-domain': text({ help: 'The domain of the cluster.', fallback: clusterDomain, placeholder: 'domain' }),
  'resolv-conf': text({
    help: 'File that says how the machine finds names.',
    fallback: '/etc/resolv.conf',
    placeholder: 'file',
  }),
  'node-labels': list({
    help: 'Labels that the node is registered with, none of them of Kubernetes itself.',
    placeholder: 'key=value,…',
  }),
  'register-with-taints': list({
    help: 'Taints that a new node is registered with.',
    placeholder: 'key=value:effect,…',
  }),
  capacity: list({
    help: 'Amounts that the node offers in place of its part of the machine, or of resources beside that.',
    placeholder: 'resource=amount,…',
  }),
  'extra-mounts': repeated({
    help: 'A path of the machine, and the path at which hostPath volumes of the node find it; may be given again.',
    placeholder: 'nodePath=path',
    problem: mountProblem,
  }),
  'read-only-mounts': repeated({
    help: 'The same, where no container may write; may be given again.',
    placeholder: 'nodePath=path',
    problem: mountProblem,
  }),
  ...nodeFlags,
  ...kernelFlags,
  'tls-cert-file': text({ help: 'Certificate to show to the API server.', placeholder: 'file' }),
  'tls-private-key-file': text({ help: 'Its key.', placeholder: 'file' }),
  'client-ca-file': text({ help: 'Authority of those who may call the kubelet.', placeholder: 'file' }),
  'nodes-on-machine': integer({
    help: 'How many nodes share this machine: each offers its part.',
    fallback: 1,
    min: 1,
  }),
} satisfies FlagTable;
