/** `coxswain version`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from './world.ts';

/** The Kubernetes version whose behaviour is served. */
const kubernetesVersion = 'v1.36';

export async function version(world: World): Promise<number> {
  const manifest = JSON.parse(await readFile(join(world.rootFolder, 'package.json'), 'utf8')) as { version: string };
  world.write(`coxswain ${manifest.version} (Kubernetes ${kubernetesVersion}, Node ${process.versions.node})\n`);
  return 0;
}
