/** The nodes of a cluster in one process: each writes in its own name; what they look at is watched once for all of them. */

import { closing } from '#pkg/component/closing.ts';
import { GroupHealth } from '#pkg/component/group-health.ts';
import type { ClusterHost } from './cluster-host.ts';
import { firstRanges } from './first-ranges.ts';
import { nodeOpener } from './host-nodes.ts';
import { claimFollower } from './node-claims.ts';
import { nodeWatches } from './node-part.ts';
import { NodesReady } from './nodes-ready.ts';

/** Most nodes of which each is a line of its own in what `status` and the health endpoints say. */
const nodeChecksMax = 50;

/** Starts every node; resolves when all of them run. Those that are asked for later come and go as long as the cluster runs. */
export async function startNodes(host: ClusterHost): Promise<void> {
  const { settings, tables, nodeNames, members } = host;
  const shared = await nodeWatches(host.as('nodes'), nodeNames);
  host.onNodesReady(new NodesReady(shared.nodes, nodeNames));
  const group = new GroupHealth();
  const areMany = nodeNames.length > nodeChecksMax;
  if (areMany) members.health.set('kubelets', group.check);
  members.start('node watches', shared, { group });
  await host.turn?.();
  const open = await nodeOpener(host);
  const ranges = firstRanges(host);
  const kernel = tables.networks[settings.network]?.kernel;
  for (const [index, nodeName] of nodeNames.entries()) {
    const nodeAddress = kernel?.nodeAddress(settings, index) ?? settings.nodeAddress;
    const spec = settings.nodeSpecs?.[index];
    const podCidr = ranges[index];
    await host.turn?.();
    const part = await open({ nodeName, nodeAddress, spec, shared, podCidr, nodesOnMachine: nodeNames.length });
    host.addKubelet(nodeName, part.handle);
    await host.turn?.();
    members.start(`kubelet/${nodeName}`, host.runNode?.(part) ?? closing(part, part), areMany ? { group } : {});
  }
  members.start('node claims', await claimFollower(host, open), { group });
}
