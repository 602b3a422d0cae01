/** `coxswain version`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kubernetesRelease } from '#pkg/cluster/settings.ts';
import type { World } from './world.ts';

/** Prints the versions of Coxswain, of Kubernetes and of Node; resolves to 0. */
export async function version(world: World): Promise<number> {
  const manifest = JSON.parse(await readFile(join(world.rootFolder, 'package.json'), 'utf8')) as { version: string };
  world.write(`coxswain ${manifest.version} (Kubernetes ${kubernetesRelease}, Node ${process.versions.node})\n`);
  return 0;
}
