/** The nodes of a cluster in one process: each writes in its own name; what they look at is watched once for all of them. */

import { join } from 'node:path';
import { limitedTransport, RequestPlaces } from '#pkg/client/limited-transport.ts';
import { closing } from '#pkg/component/closing.ts';
import { GroupHealth } from '#pkg/component/group-health.ts';
import type { ClusterHost } from './cluster-host.ts';
import { evictionOf } from './eviction-flags.ts';
import { defaultKubeletPort, nodePart, nodeWatches } from './node-part.ts';
import { ownLabels } from './node-spec.ts';
import { NodesReady } from './nodes-ready.ts';
import { clusterDnsIp } from './settings.ts';

/** Most nodes of which each is a line of its own in what `status` and the health endpoints say. */
const nodeChecksMax = 50;
/** Requests of all nodes of the process that are under way at once: as many as a store commits together, and room for those of others beside them. */
const nodeRequestsMax = 100;

/** Starts every node; resolves when all of them run. */
export async function startNodes(host: ClusterHost): Promise<void> {
  const { settings, tables, nodeNames, members, folder } = host;
  const shared = await nodeWatches(host.as('nodes'), nodeNames);
  host.onNodesReady(new NodesReady(shared.nodes, nodeNames));
  const group = new GroupHealth();
  const areMany = nodeNames.length > nodeChecksMax;
  if (areMany) members.health.set('kubelets', group.check);
  members.start('node watches', shared, { group });
  const flags = await host.flagsOf('kubelet');
  const { 'image-aliases': imageAliases, 'container-runtime-endpoint': criEndpoint } = flags;
  const eviction = evictionOf(flags);
  const places = new RequestPlaces(nodeRequestsMax);
  const kernel = tables.networks[settings.network]?.kernel;
  for (const [index, nodeName] of nodeNames.entries()) {
    const context = host.as(`node:${nodeName}`);
    const link = host.linkOf?.(nodeName);
    const spec = settings.nodeSpecs?.[index];
    const part = await nodePart(
      { ...context, transport: limitedTransport(context.transport, places) },
      {
        nodeName,
        nodeAddress: kernel?.nodeAddress(settings, index) ?? settings.nodeAddress,
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
        eviction,
        clusterDns: [clusterDnsIp(settings.serviceCidr)],
        folder: folder === '' ? '' : join(folder, 'kubelet', nodeName),
        imagesFolder: folder,
        kubeletPort: defaultKubeletPort,
        nodesOnMachine: nodeNames.length,
        ...(host.machine === undefined ? {} : { machine: host.machine }),
        ...(link === undefined ? {} : { link }),
        shared,
      },
    );
    host.addKubelet(nodeName, part.handle);
    members.start(`kubelet/${nodeName}`, host.runNode?.(part) ?? closing(part, part), areMany ? { group } : {});
  }
}
