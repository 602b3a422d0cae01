/** The plugins of a node of containers, in its folder: what drivers mount there is seen by the kubelet and all pods. */
import { join } from 'node:path';
import type { KubeletOptions } from '#pkg/kubelet/kubelet-options.ts';
import { NodePlugins } from '#pkg/kubelet/node-plugins.ts';
import { kubeletFolders } from '#pkg/kubelet/plugins/kubelet-folder.ts';
import { shareMounts, unmountBelow } from '#pkg/kubelet/volumes/mounts.ts';

const shared = [kubeletFolders.pods, kubeletFolders.plugins];

/** Makes what finds and asks them, anew for each kubelet of the node. */
export async function pluginsIn(folder: string): Promise<NonNullable<KubeletOptions['plugins']>> {
  for (const name of shared) await shareMounts(join(folder, name));
  return (deps) => new NodePlugins(deps, folder);
}

/** Takes away what is mounted in a node's folder of which no pod is left. */
export async function endMounts(folder: string): Promise<void> {
  for (const name of ['volumes', ...shared]) await unmountBelow(join(folder, name));
}
