/**
 * The folder of a kubelet, in which it and its plugins find each other. Every kubelet's has one name, `/var/lib/kubelet`, to programs in pods that have volumes of it;
 * on the machine each node has its own. A plugin is told paths the way it says its own: by that name, or as they are on the machine. Pure.
 */
import { join } from 'node:path';

/** The name of every kubelet's folder. Source: kubelet `--root-dir`. */
export const kubeletFolderName = '/var/lib/kubelet';

/** What is in it. Source: kubelet `config/defaults.go`, `pluginapi.DevicePluginPath`. */
export const kubeletFolders = {
  devicePlugins: 'device-plugins',
  plugins: 'plugins',
  pluginsRegistry: 'plugins_registry',
  podResources: 'pod-resources',
  pods: 'pods',
} as const;

/** Where a path is on the machine, which may be one of the folder by its name. */
export function pathOnMachine(folder: string, path: string): string {
  return isBelow(kubeletFolderName, path) ? join(folder, path.slice(kubeletFolderName.length)) : path;
}

/** How somebody names a path of the machine who names another one so. */
export function pathAsNamed(folder: string, path: string, { by }: { readonly by: string }): string {
  return isBelow(kubeletFolderName, by) && isBelow(folder, path)
    ? join(kubeletFolderName, path.slice(folder.length))
    : path;
}

function isBelow(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
