/** Puts the kubelet together from its flags, and its own API on the network for whoever has a certificate of the cluster. */

import { connectionOf, readPair, readPem } from '#cmd/common/connection.ts';
import { descriptorLimit } from '#cmd/common/descriptors.ts';
import { machineAddress } from '#cmd/common/machine-address.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { cpuSettingsOf } from '#pkg/cluster/cpu-flags.ts';
import { credentialProvidersOf } from '#pkg/cluster/credential-provider-flags.ts';
import { evictionOf } from '#pkg/cluster/eviction-flags.ts';
import { hostNetwork } from '#pkg/cluster/host-network.ts';
import { imageCollectionOf } from '#pkg/cluster/image-collection-flags.ts';
import { hostRangesOf, kernelSettingsOf } from '#pkg/cluster/kernel-flags.ts';
import { readConnection } from '#pkg/cluster/kubeconfig-connection.ts';
import { memorySettingsOf } from '#pkg/cluster/memory-flags.ts';
import { type NetworkTable, networkTable } from '#pkg/cluster/networks.ts';
import { nodePart } from '#pkg/cluster/node-part.ts';
import { recordOfFlag, taintsOfFlag } from '#pkg/cluster/node-spec.ts';
import { podPidsOf } from '#pkg/cluster/pod-pids-flags.ts';
import { shutdownOf } from '#pkg/cluster/shutdown-flags.ts';
import { staticPodsOf } from '#pkg/cluster/static-pod-flags.ts';
import { allowedSysctlsOf } from '#pkg/cluster/sysctl-flags.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import { closing } from '#pkg/component/closing.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { runTogether } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { authorized } from '#pkg/kubelet/server/authorized.ts';
import { parseMount } from '#pkg/kubelet/volumes/node-mounts.ts';
import { createHttpsServer } from '#pkg/serving/https-server.ts';
import { connectionLimits } from '#pkg/serving/limits.ts';
import type { kubeletFlags } from './options.ts';

/** Makes the kubelet and its server, which listens once it runs. Throws `UserError` for flags that are missing and files that cannot be read. */
export async function wireKubelet(
  values: FlagValues<typeof kubeletFlags>,
  context: ProcessContext,
): Promise<Component> {
  if (values['root-dir'] === '') throw new UserError('the flag --root-dir is required');
  const said = saidOf(values);
  const transport = await connectionOf(values.kubeconfig, { servers: values.servers });
  const pair = await readPair(
    { certificate: 'tls-cert-file', key: 'tls-private-key-file' },
    { certificate: values['tls-cert-file'], key: values['tls-private-key-file'] },
  );
  const authenticator = clientCertificateAuthenticator(context.clock);
  const own: { handle?: ApiHandler } = {};
  const https = createHttpsServer({
    handler: authorized((request) => own.handle!(request), {
      client: createClient({ transport, userAgent: 'kubelet', clock: context.clock }),
      clock: context.clock,
      nodeName: values['node-name'],
      userOf: (request) => authenticator.authenticate(request),
    }),
    cert: pair.certificate,
    key: pair.key,
    clientCa: await readPem('client-ca-file', values['client-ca-file']),
    clock: context.clock,
    log: context.log,
    limits: connectionLimits(descriptorLimit()),
  });
  const nodeAddress = machineAddress(values['node-ip']);
  const cluster = kernelSettingsOf(values);
  const networks = networksOf(values);
  const namespacePath = await namespaceOf(values, networks, nodeAddress);
  const descriptor = await descriptorOf(namespacePath, { host: nodeAddress, port: values.port });
  const { port } = await https.listen({ host: nodeAddress, port: values.port, descriptor });
  const { ca: authority, cert: certificate, key } = await readConnection(values.kubeconfig);
  const hasLink = authority !== undefined && certificate !== undefined && key !== undefined;
  const node = await nodePart(
    { ...context, transport },
    {
      nodeName: values['node-name'],
      nodeAddress,
      runtime: values.runtime,
      network: values.network,
      ...(cluster === undefined ? {} : { cluster }),
      ...(values['cluster-dns'].length === 0 ? {} : { clusterDns: values['cluster-dns'] }),
      imageAliases: values['image-aliases'],
      criEndpoint: values['container-runtime-endpoint'],
      ociRuntimes: values['oci-runtime'],
      machineMemory: values['machine-memory'],
      domain: values['cluster-domain'],
      resolvConf: values['resolv-conf'],
      tables: { ...clusterTables, networks },
      folder: values['root-dir'],
      imagesFolder: values['images-dir'] || values['root-dir'],
      keepsContainers: true,
      kubeletPort: port,
      nodesOnMachine: values['nodes-on-machine'],
      ...said,
      ...(hasLink
        ? { link: { authority, certificate, key, ...(namespacePath === undefined ? {} : { namespacePath }) } }
        : {}),
    },
  );
  own.handle = node.handle;
  context.health.set('kubelet', () => undefined);
  const running = closing({ run: (signal) => runTogether([node, https], signal) }, node);
  return closing(running, transport);
}

/** What flags say of the node itself, and of how it looks after what it has. Throws `UserError` for what makes no sense. */
function saidOf(values: FlagValues<typeof kubeletFlags>) {
  const [cpus, imageCollection] = [cpuSettingsOf(values), imageCollectionOf(values)];
  return {
    labels: recordOfFlag('node-labels', values['node-labels']),
    taints: taintsOfFlag('register-with-taints', values['register-with-taints']),
    capacity: recordOfFlag('capacity', values.capacity),
    mounts: [
      ...values['extra-mounts'].flatMap((text) => parseMount(text) ?? []),
      ...values['read-only-mounts']
        .flatMap((text) => parseMount(text) ?? [])
        .map((one) => ({ ...one, readOnly: true })),
    ],
    memory: memorySettingsOf(values),
    eviction: evictionOf(values),
    podPidsMax: podPidsOf(values),
    shutdown: shutdownOf(values),
    staticPods: staticPodsOf(values),
    credentialProviders: credentialProvidersOf(values),
    allowedUnsafeSysctls: allowedSysctlsOf(values),
    ...(cpus === undefined ? {} : { cpus }),
    ...(imageCollection === undefined ? {} : { imageCollection }),
  };
}

/** The networks that there are; that of this machine where it is a node itself. */
function networksOf(values: FlagValues<typeof kubeletFlags>): NetworkTable {
  const network = hostRangesOf(values);
  return network === undefined ? networkTable : { ...networkTable, [values.network]: hostNetwork({ network }) };
}

/** Where the kernel carries the network the node's address is in a namespace of its own, which is made here if need be: its path; else undefined. */
async function namespaceOf(
  values: FlagValues<typeof kubeletFlags>,
  networks: NetworkTable,
  nodeAddress: string,
): Promise<string | undefined> {
  const cluster = kernelSettingsOf(values);
  const kernel = networks[values.network]?.kernel;
  if (cluster === undefined || kernel === undefined) return undefined;
  const nodeName = values['node-name'];
  await kernel.prepareNode(cluster, { nodeName, nodeAddress });
  return kernel.namespaceOf(nodeName);
}

/** A socket that listens in a namespace, where there is one. */
async function descriptorOf(
  namespacePath: string | undefined,
  place: { readonly host: string; readonly port: number },
): Promise<number | undefined> {
  if (namespacePath === undefined) return undefined;
  const { listenInside } = await import('#pkg/network/host/listen-inside.ts');
  return listenInside(namespacePath, place);
}
