/**
 * Names of container images for which a program stands in: a file that whoever runs manifests made for containers gives, so that these run unchanged.
 *
 * A map in YAML from the name of an image, whatever its tag or digest, or with a tag for that one alone, to the image that stands for it: a built-in one,
 * or a module beside the list (`./agnhost.js`) or anywhere (`file:///…`). In place of that, `{image, entrypoint}` says as well how commands call the program.
 */
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { isObject } from '#pkg/apimachinery/json.ts';
import { readYaml, YamlError } from '#pkg/apimachinery/yaml.ts';
import { parseImageName } from '../image-name.ts';
import { RuntimeError } from '../runtime.ts';

/** What stands for an image. */
export interface ImageAlias {
  /** A built-in image, or the URL of a module. */
  readonly image: string;
  /** Base name of the commands that mean the program itself; absent where that is the image's own. */
  readonly entrypoint?: string;
}

/** Aliases by repository, or repository and tag. */
export type ImageAliases = ReadonlyMap<string, ImageAlias>;

/** Where there are none. */
export const noAliases: ImageAliases = new Map();

/** Reads a list. Rejects with one line for a file that cannot be read or is no such list. */
export async function readImageAliases(path: string): Promise<ImageAliases> {
  const problem = (why: string): Error => new Error(`Cannot use ${path} as the list of images: ${why}`);
  let value: unknown;
  try {
    value = readYaml(await readFile(path, 'utf8'))[0]?.value ?? {};
  } catch (error) {
    const isKnown = error instanceof YamlError || (error instanceof Error && 'code' in error);
    if (isKnown) throw problem(error.message);
    throw error;
  }
  if (!isObject(value)) throw problem('it is no map of names to images');
  const base = pathToFileURL(path);
  const aliases = new Map<string, ImageAlias>();
  for (const [name, entry] of Object.entries(value)) {
    const { image, entrypoint } = isObject(entry) ? entry : { image: entry };
    if (typeof image !== 'string' || (entrypoint !== undefined && typeof entrypoint !== 'string'))
      throw problem(`${name} names no image`);
    const target = /^\.{1,2}\//.test(image) ? new URL(image, base).href : image;
    try {
      if (!target.startsWith('file://')) parseImageName(target);
      parseImageName(name);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      throw problem(error.message);
    }
    aliases.set(name, { image: target, ...(entrypoint === undefined ? {} : { entrypoint }) });
  }
  return aliases;
}

/** What stands for an image; undefined where nothing does. Names that are none stand for themselves. */
export function aliasOf(aliases: ImageAliases, image: string): ImageAlias | undefined {
  if (aliases.size === 0 || image.startsWith('file://')) return undefined;
  const { repository, tag } = parseImageName(image);
  return aliases.get(`${repository}:${tag}`) ?? aliases.get(repository);
}
