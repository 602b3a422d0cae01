/** `coxswain version`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubernetesRelease } from '#pkg/cluster/settings.ts';
import type { World } from './world.ts';

export async function version(world: World): Promise<number> {
  const manifest = JSON.parse(readFileSync(join(world.rootFolder, 'package.json'), 'utf8')) as { version: string };
  world.write(`coxswain ${manifest.version} (Kubernetes ${kubernetesRelease}, Node ${process.versions.node})\n`);
  return 0;
}
