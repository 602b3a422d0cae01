/** Puts kube-proxy together from its flags. */

import { connectionOf } from '#cmd/common/connection.ts';
import { machineAddress } from '#cmd/common/machine-address.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { hostKernel } from '#pkg/cluster/host-network.ts';
import { hostRangesOf, kernelSettingsOf } from '#pkg/cluster/kernel-flags.ts';
import { networkTable } from '#pkg/cluster/networks.ts';
import { kernelProxyPart, proxyPart } from '#pkg/cluster/parts.ts';
import { proxyBackendTable } from '#pkg/cluster/proxy-backends.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import type { proxyFlags } from './options.ts';

/** Makes the proxy of one node, or of all nodes of the machine. Throws `UserError` for a connection that cannot be read. */
export async function wireProxy(values: FlagValues<typeof proxyFlags>, context: ProcessContext): Promise<Component> {
  const transport = await connectionOf(values.kubeconfig, { servers: values.servers });
  context.health.set('kube-proxy', () => undefined);
  const kernel = hostPlace(values) ?? kernelPlaces(values);
  if (kernel !== undefined) return closing(await kernelProxyPart({ ...context, transport }, kernel), transport);
  const nodeName = values['hostname-override'];
  const options = {
    ...(nodeName === '' ? {} : { nodeName }),
    nodePortAddresses: values['nodeport-addresses'],
    backend: values['proxy-mode'],
    sharesPorts: values['share-ports'],
  };
  return closing(await proxyPart({ ...context, transport }, options), transport);
}

/** This machine, where it is a node itself; undefined where it is not. */
function hostPlace(values: FlagValues<typeof proxyFlags>): Parameters<typeof kernelProxyPart>[1] | undefined {
  const network = hostRangesOf(values);
  const kind = proxyBackendTable['nftables'];
  if (network === undefined || kind === undefined) return undefined;
  const nodeName = values['hostname-override'];
  const nodePortAddresses = values['nodeport-addresses'].map(machineAddress);
  const kernels = [hostKernel({ network, nodeName, nodePortAddresses })];
  return { kernels, kind, ranges: { podRange: values['cluster-cidr'] }, ownNode: nodeName };
}

/** The namespaces that one process proxies for, on a network of the machine's kernel; undefined on others. */
function kernelPlaces(values: FlagValues<typeof proxyFlags>): Parameters<typeof kernelProxyPart>[1] | undefined {
  const settings = kernelSettingsOf(values);
  const network = networkTable[values.network];
  const kind = network === undefined ? undefined : proxyBackendTable[network.proxyBackend];
  if (settings === undefined || network?.kernel === undefined || kind === undefined) return undefined;
  const kernels = network.kernel.kernels(settings, values['machine-nodes']);
  const { balancerRange, ranges } = network.kernel;
  return { kernels, kind, ranges: ranges(settings), balancerRange: balancerRange(settings) };
}
