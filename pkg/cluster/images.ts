/** The images of a cluster's nodes on one machine: the folder `images` in its data. Whoever opens it, node or command, sees what others do there. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import type { Random } from '#pkg/base/random.ts';
import { parseRegistryHosts } from '#pkg/images/client/hosts.ts';
import { nodeHttp } from '#pkg/images/client/http.ts';
import { httpRegistries } from '#pkg/images/client/registries.ts';
import { platformOfMachine } from '#pkg/images/content/platform.ts';
import { systemCalls } from '#pkg/images/host/system-calls.ts';
import { type LocalImages, openImageStore } from '#pkg/images/local/local-image-store.ts';

/** Where a cluster's data are, and what machine this is. */
export interface ClusterImagesOptions {
  /** Folder of the cluster's data. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  /** As Node says it. */
  readonly architecture: string;
  readonly isRoot: boolean;
  /** Which registries have mirrors, or may be asked in the clear. Default: `registries.json` in the folder, where there is one. */
  readonly registriesFile?: string | undefined;
}

/** Opens the images of a cluster, which need not be there yet. Throws `ImageStoreError`, and what the system says of the file. */
export async function openClusterImages(options: ClusterImagesOptions): Promise<LocalImages> {
  const { folder, clock, random, architecture, isRoot, registriesFile } = options;
  const hosts = parseRegistryHosts(await hostsText(registriesFile, folder));
  return openImageStore({
    folder: join(folder, 'images'),
    calls: await systemCalls(),
    clock,
    random,
    platform: platformOfMachine(architecture),
    registries: httpRegistries({ send: nodeHttp({ clock }), hosts }),
    snapshotter: 'auto',
    isRoot,
  });
}

async function hostsText(given: string | undefined, folder: string): Promise<string> {
  try {
    return await readFile(given ?? join(folder, 'registries.json'), 'utf8');
  } catch (error) {
    const isMissing = errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR';
    if (given === undefined && isMissing) return '{}';
    throw error;
  }
}
