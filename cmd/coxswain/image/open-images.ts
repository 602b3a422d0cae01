/** Opens the images of a cluster for a command. */
import { openClusterImages } from '#pkg/cluster/images.ts';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { LocalImages } from '#pkg/images/local/local-image-store.ts';
import { clusterFlags } from '../cluster-flags.ts';
import { type ClusterRegistry, clusterRegistry } from '../cluster-registry.ts';
import { ClusterFolder } from '../folder.ts';
import { checkName, dataFolder, type World } from '../world.ts';

/** By which the commands of images find them. */
export const imagesFlags = {
  ...clusterFlags,
  registries: text({
    help: 'File of registries: mirrors, and which may be asked without encryption. Default: registries.json in the folder of the data.',
    placeholder: 'file',
  }),
};

/** Values of those. */
export interface ImagesPlace {
  readonly name: string;
  readonly 'data-dir': string;
  readonly registries: string;
}

/**
 * The folder of a cluster's data. A cluster that a person has named is found where it is; one that is nowhere yet will be in the folder of its name.
 * Throws `UserError` where several have the name.
 */
export async function placeOfImages(
  world: World,
  { name, 'data-dir': dataDir }: Pick<ImagesPlace, 'data-dir' | 'name'>,
  registry?: Pick<ClusterRegistry, 'clusters'>,
): Promise<string> {
  checkName(name);
  const usual = dataFolder(world, { name, dataDir });
  if (dataDir !== '' || name === defaultSettings.name) return usual;
  const isThere = await new ClusterFolder(usual).read().then(
    (record) => record !== undefined,
    () => true,
  );
  if (isThere) return usual;
  const known = await (registry ?? (await clusterRegistry(world))).clusters();
  const [first, ...others] = known.filter(({ settings }) => settings.name === name).map(({ folder }) => folder);
  if (others.length === 0) return first ?? usual;
  throw new UserError(
    `Cannot tell which cluster ${name} is meant, as it is the name of those in ${[first, ...others].join(', ')}: say --data-dir`,
  );
}

/** Opens the images of a cluster, which need not run, nor be there yet. */
export async function openImages(world: World, place: ImagesPlace): Promise<LocalImages> {
  return openImagesIn(await placeOfImages(world, place), world, place.registries === '' ? undefined : place.registries);
}

/** Opens the images in a folder of a cluster's data. */
export function openImagesIn(folder: string, { clock, random }: World, registriesFile?: string): Promise<LocalImages> {
  const machine = { architecture: process.arch, isRoot: process.getuid?.() === 0 };
  return withoutWarnings(() => openClusterImages({ folder, clock, random, ...machine, registriesFile }));
}

/** That Node calls some of its modules experimental is nothing to the person who types a command. */
export async function withoutWarnings<T>(work: () => Promise<T>): Promise<T> {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return await work();
  } finally {
    process.emitWarning = emitWarning;
  }
}
