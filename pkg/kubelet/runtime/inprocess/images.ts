/** The images of the in-process runtime: those built in, one line each, and modules on disk. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseImageName } from '../image-name.ts';
import { type ImageInfo, RuntimeError } from '../runtime.ts';
import { aliasOf, type ImageAlias, type ImageAliases, noAliases } from './image-aliases.ts';

const { uid, gid } = userInfo();
/** Whom all programs run as: this process's user. */
export const ownIdentity = { uid, gid };

/** What every built-in image's name starts with; it may be left out. */
const registry = 'coxswain.dev/';

/** Built-in images: module in `images/`. */
const builtIn: readonly string[] = ['echo', 'guestbook', 'job', 'kv', 'load', 'pause', 'static'];

/** Built-in images that come with addons: their modules, which nobody needs before. */
const ofAddons: Readonly<Record<string, string>> = {
  gateway: 'addons/gateway/program',
  logs: 'addons/logs/program',
  pipeline: 'addons/pipeline/program',
  prometheus: 'addons/prometheus/program',
};

/** Tags that built-in images have: versions differ in what they say of themselves, so that a rollout shows. */
const knownTags = /^(latest|v?\d+(\.\d+)*)$/;

/** An image that there is, and its program. */
export interface ResolvedImage {
  readonly info: ImageInfo;
  /** URL of the module. */
  readonly module: string;
  readonly entrypoint: string | undefined;
  readonly tag: string;
}

/** The image of a name, or undefined when there is none. Throws `RuntimeError` `invalidImage` for what cannot be a name. */
export async function resolveImage(
  image: string,
  aliases: ImageAliases = noAliases,
): Promise<ResolvedImage | undefined> {
  const alias = aliasOf(aliases, image);
  if (alias !== undefined) return resolveAlias(image, alias);
  if (image.startsWith('file://')) return resolveFile(image);
  const { repository, tag } = parseImageName(image);
  const name = repository.startsWith(registry) ? repository.slice(registry.length) : repository;
  if ((!builtIn.includes(name) && !Object.hasOwn(ofAddons, name)) || !knownTags.test(tag)) return undefined;
  return { info: imageInfo(name, tag), module: moduleOf(name).href, entrypoint: name, tag };
}

/** A program under the name of the image that it stands for. */
async function resolveAlias(image: string, alias: ImageAlias): Promise<ResolvedImage | undefined> {
  const found = await resolveImage(alias.image);
  if (found === undefined) return undefined;
  const { repository, tag } = parseImageName(image);
  const [, digest] = found.info.id.split('@');
  const id = `${repository}@${digest}`;
  const { entrypoint = found.entrypoint } = alias;
  return {
    ...found,
    info: { ...found.info, id, repoTags: [`${repository}:${tag}`], repoDigests: [id] },
    entrypoint,
    tag,
  };
}

/** What there is instead of an image that is not there. */
export const imagesHint = `there is no registry here, only ${builtIn.map((name) => registry + name).join(', ')} and file:// modules`;

/** Built-in images, as the node lists them. */
export function builtInImages(): readonly ImageInfo[] {
  return builtIn.map((name) => imageInfo(name, 'latest'));
}

/** URLs of the modules of all built-in images. */
export function builtInModules(): readonly string[] {
  return builtIn.map((name) => moduleOf(name).href);
}

function moduleOf(name: string): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const path = Object.hasOwn(ofAddons, name) ? `../../../${ofAddons[name]}` : `./images/${name}`;
  return new URL(`${path}.${extension}`, import.meta.url);
}

function imageInfo(name: string, tag: string): ImageInfo {
  // At once: a node is not registered before it knows its images, and who asks another thread of a busy process waits for what that does meanwhile.
  const { size } = statSync(moduleOf(name));
  const digest = createHash('sha256').update(`${name}:${tag}`).digest('hex');
  const id = `${registry}${name}@sha256:${digest}`;
  return {
    id,
    repoTags: [`${registry}${name}:${tag}`],
    repoDigests: [id],
    sizeBytes: size,
    user: { uid: ownIdentity.uid },
  };
}

async function resolveFile(image: string): Promise<ResolvedImage | undefined> {
  let path: string;
  try {
    path = fileURLToPath(image);
  } catch (error) {
    throw new RuntimeError('invalidImage', `Failed to parse image name "${image}": not a file URL`, error);
  }
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  const digest = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  return {
    info: {
      id: `${image}@sha256:${digest}`,
      repoTags: [image],
      repoDigests: [],
      sizeBytes: found.size,
      user: { uid: ownIdentity.uid },
    },
    module: image,
    entrypoint: undefined,
    tag: 'latest',
  };
}
