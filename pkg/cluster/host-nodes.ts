/** How a process that holds a cluster opens one of its nodes: in the node's own name, and by what is set for all kubelets. */
import { join } from 'node:path';
import { limitedTransport, RequestPlaces } from '#pkg/client/limited-transport.ts';
import type { ClusterHost } from './cluster-host.ts';
import { cpuSettingsOf } from './cpu-flags.ts';
import { credentialProvidersOf } from './credential-provider-flags.ts';
import { evictionOf } from './eviction-flags.ts';
import { imageCollectionOf } from './image-collection-flags.ts';
import { memorySettingsOf } from './memory-flags.ts';
import { defaultKubeletPort, type NodePart, type NodeWatches, nodePart } from './node-part.ts';
import { type NodeSpec, ownLabels } from './node-spec.ts';
import { podPidsOf } from './pod-pids-flags.ts';
import { clusterDnsIp } from './settings.ts';
import { shutdownOf } from './shutdown-flags.ts';
import { staticPodsOf } from './static-pod-flags.ts';
import { allowedSysctlsOf } from './sysctl-flags.ts';

/** Requests of all nodes of the process that are under way at once: as many as a store commits together, and room for those of others beside them. */
const nodeRequestsMax = 100;

/** One node. */
export interface HostedNode {
  readonly nodeName: string;
  readonly nodeAddress: string;
  /** What is said of it; absent where it is as all are. */
  readonly spec?: NodeSpec | undefined;
  /** What it watches with others. Default: it watches for itself. */
  readonly shared?: NodeWatches;
  /** How many nodes share the machine. */
  readonly nodesOnMachine: number;
  /** Addresses for its pods that it is registered with. Default: a controller gives it some. */
  readonly podCidr?: string | undefined;
}

/** Opens a node, which does not run yet. */
export type OpenNode = (node: HostedNode) => Promise<NodePart>;

/** How nodes of a cluster are opened. */
export async function nodeOpener(host: ClusterHost): Promise<OpenNode> {
  const { settings, tables, folder } = host;
  const flags = await host.flagsOf('kubelet');
  const {
    'image-aliases': imageAliases,
    'container-runtime-endpoint': criEndpoint,
    'oci-runtime': ociRuntimes,
    'machine-memory': machineMemory,
  } = flags;
  const cpus = cpuSettingsOf(flags);
  const memory = memorySettingsOf(flags);
  const eviction = evictionOf(flags);
  const imageCollection = imageCollectionOf(flags);
  const podPidsMax = podPidsOf(flags);
  const shutdown = shutdownOf(flags);
  const staticPods = staticPodsOf(flags);
  const credentialProviders = credentialProvidersOf(flags);
  const places = new RequestPlaces(nodeRequestsMax);
  const kernel = tables.networks[settings.network]?.kernel;
  return ({ nodeName, nodeAddress, spec, shared, nodesOnMachine, podCidr }) => {
    const context = host.as(`node:${nodeName}`);
    const link = host.linkOf?.(nodeName);
    return nodePart(
      { ...context, transport: limitedTransport(context.transport, places) },
      {
        nodeName,
        nodeAddress,
        ...(kernel === undefined ? {} : { cluster: settings }),
        runtime: spec?.runtime ?? settings.runtime,
        ...(spec === undefined
          ? {}
          : {
              labels: ownLabels(spec),
              taints: spec.taints ?? [],
              capacity: spec.capacity ?? {},
              mounts: spec.extraMounts ?? [],
            }),
        network: settings.network,
        tables,
        ...(typeof imageAliases === 'string' ? { imageAliases } : {}),
        ...(typeof criEndpoint === 'string' ? { criEndpoint } : {}),
        ...(typeof ociRuntimes === 'string' ? { ociRuntimes } : {}),
        ...(typeof machineMemory === 'string' ? { machineMemory } : {}),
        ...(cpus === undefined ? {} : { cpus }),
        memory,
        eviction,
        podPidsMax,
        shutdown,
        staticPods,
        credentialProviders,
        allowedUnsafeSysctls: allowedSysctlsOf(flags),
        ...(imageCollection === undefined ? {} : { imageCollection }),
        clusterDns: [clusterDnsIp(settings.serviceCidr)],
        folder: folder === '' ? '' : join(folder, 'kubelet', nodeName),
        imagesFolder: folder,
        kubeletPort: defaultKubeletPort,
        nodesOnMachine,
        podCidr,
        ...(host.machine === undefined ? {} : { machine: host.machine }),
        ...(link === undefined ? {} : { link }),
        ...(shared === undefined ? {} : { shared }),
      },
    );
  };
}
