/** What of the machine is mounted into containers. */
import { mkdir, stat } from 'node:fs/promises';
import type { ContainerConfig } from './container-config.ts';

/** Paths of the machine that a container mounts are made where they are missing. Source: containerd `cri/opts.WithMounts`. */
export async function makeMountSources({ mounts }: ContainerConfig): Promise<void> {
  for (const { hostPath } of mounts)
    if ((await stat(hostPath).catch(() => undefined)) === undefined) await mkdir(hostPath, { recursive: true });
}
