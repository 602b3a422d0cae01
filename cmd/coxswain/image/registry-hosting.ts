/**
 * Tells a running cluster's tools where the registry for development is: the ConfigMap `local-registry-hosting`, which they look for. Source: KEP-1755.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runningProcesses } from '#cmd/common/process-files.ts';
import { ClusterFolder } from '../folder.ts';
import { kubectlCommand } from '../kubectl.ts';
import type { World } from '../world.ts';

const place = { name: 'local-registry-hosting', namespace: 'kube-public' } as const;
/** A cluster that does not answer by then is told nothing. */
const limitFlag = '--request-timeout=10s';

/** The object. `host` is what images' names begin with, the same for people and for nodes. */
export function registryHosting(host: string): object {
  const hosting = [
    `host: "${host}"`,
    `hostFromContainerRuntime: "${host}"`,
    'help: "coxswain image registry --help"',
    '',
  ];
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: place,
    data: { 'localRegistryHosting.v1': hosting.join('\n') },
  };
}

/** Tells the cluster of a folder, where it runs; resolves with whether it was told. */
export async function announceRegistry(world: World, folder: string, host: string): Promise<boolean> {
  const cluster = new ClusterFolder(folder);
  if ((await runningProcesses(cluster.run)).length === 0) return false;
  const file = join(folder, 'registry', `${place.name}.json`);
  await writeFile(file, JSON.stringify(registryHosting(host)));
  return (await quietKubectl(world, cluster, ['apply', '-f', file])) === 0;
}

/** Takes that back. */
export async function withdrawRegistry(world: World, folder: string): Promise<void> {
  const cluster = new ClusterFolder(folder);
  if ((await runningProcesses(cluster.run)).length === 0) return;
  await quietKubectl(world, cluster, ['delete', 'configmap', place.name, '-n', place.namespace, '--ignore-not-found']);
}

function quietKubectl(world: World, cluster: ClusterFolder, args: readonly string[]): Promise<number> {
  const quiet = { ...world, write: () => {}, writeError: () => {} };
  return kubectlCommand(quiet, ['--kubeconfig', cluster.kubeconfig, limitFlag, ...args]);
}
