/**
 * Images of virtual machines: those built in, and files. A file is a kernel, as an ELF or as a boot image of Linux, or a folder with one (`kernel.elf`, else `Image`) and, as it likes, `initrd`, `disk.img`
 * and `cmdline`. A boot image gets the firmware that it begins on. What is no kernel for this machine is refused before anything starts.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isBootImage } from '#pkg/vmm/boot/boot-image.ts';
import { GuestImageError } from '#pkg/vmm/boot/elf.ts';
import { load } from '#pkg/vmm/boot/load.ts';
import { parseImageName } from '../image-name.ts';
import { type ImageInfo, RuntimeError } from '../runtime.ts';

const registry = 'coxswain.dev/vm/';
/** Built-in guests: their files, and the ports at which each answers. Those of the last two are kernels for a monitor. */
const builtIn: Readonly<Record<string, BuiltIn>> = {
  compute: { file: 'compute/compute.elf', ports: [] },
  echo: { file: 'echo/echo.elf', ports: [8080] },
  kernel: { file: 'kernel/kernel.elf', ports: [8080] },
  pages: { file: 'pages/pages.elf', ports: [], isMonitored: true },
  'pages-ported': { file: 'pages/ported.elf', ports: [], isMonitored: true },
};

interface BuiltIn {
  readonly file: string;
  readonly ports: readonly number[];
  readonly isMonitored?: true;
}

const knownTags = /^(latest|v?\d+(\.\d+)*)$/;
const guests = new URL('../../../vmm/guests/', import.meta.url);
/** Larger files, in bytes, are not read: a disk is kept in memory. */
export const fileBytesMax = 1024 ** 3;

/** What a guest starts from. */
export interface GuestImage {
  readonly info: ImageInfo;
  readonly kernel: Uint8Array;
  /** What a boot image begins on. */
  readonly firmware?: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly disk?: Uint8Array;
  readonly commandLine: string;
  /** Ports that its machine is known to answer at, besides those that a pod names. */
  readonly ports: readonly number[];
  /** It runs under a monitor alone. */
  readonly isMonitored?: true;
  /** It is of the node's store, where it is held as long as a machine is made of it. */
  readonly isStored?: true;
}

/** The parts of an image that is not built in. */
interface GuestParts {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array | undefined;
  readonly disk: Uint8Array | undefined;
  readonly commandLine: string;
}

/** What there is instead of an image that is not there, where there is no store. */
export const imagesHint = `there are no stored images for machines here, only ${Object.keys(builtIn)
  .map((name) => registry + name)
  .join(', ')} and file:// kernels`;

/** What a file:// image is that there is not. */
export const fileHint = 'the node has no such file, nor a folder of that name with kernel.elf or Image in it';

/** The image of a name, or undefined when there is none. Throws `RuntimeError` `invalidImage` for what cannot be a name. */
export async function findImage(image: string): Promise<GuestImage | undefined> {
  if (image.startsWith('file://')) return fileImage(image);
  const { repository, tag } = parseImageName(image);
  const name = repository.startsWith(registry) ? repository.slice(registry.length) : repository.replace(/^vm\//, '');
  const known = Object.hasOwn(builtIn, name) && knownTags.test(tag) ? builtIn[name] : undefined;
  return known === undefined ? undefined : builtInImage(name, { tag, ...known });
}

/** Built-in images, as the node lists them. */
export async function builtInImages(): Promise<readonly ImageInfo[]> {
  const all = Object.entries(builtIn).map(([name, known]) => builtInImage(name, { tag: 'latest', ...known }));
  return (await Promise.all(all)).map(({ info }) => info);
}

/** Why an image does not run on a machine of so much memory; undefined when it does. */
export function imageProblem(image: GuestImage, memoryBytes: number): string | undefined {
  const { kernel, firmware, initrd, commandLine } = image;
  const begins = {
    kernel,
    ...(firmware === undefined ? {} : { firmware }),
    ...(initrd === undefined ? {} : { initrd }),
  };
  try {
    load({ memory: memoryBytes, harts: 1, commandLine, engine: 'compile', ...begins });
    return undefined;
  } catch (error) {
    if (error instanceof GuestImageError) return error.message;
    throw error;
  }
}

async function builtInImage(
  name: string,
  { tag, file, ports, isMonitored }: BuiltIn & { readonly tag: string },
): Promise<GuestImage> {
  const kernel = await readFile(new URL(file, guests));
  const id = `${registry}${name}@sha256:${createHash('sha256').update(kernel).update(tag).digest('hex')}`;
  const info = { id, repoTags: [`${registry}${name}:${tag}`], repoDigests: [id], sizeBytes: kernel.length };
  return { info, kernel, commandLine: '', ports, ...(isMonitored === true ? { isMonitored } : {}) };
}

async function fileImage(image: string): Promise<GuestImage | undefined> {
  let path: string;
  try {
    path = fileURLToPath(image);
  } catch (error) {
    throw new RuntimeError('invalidImage', `Failed to parse image name "${image}": not a file URL`, error);
  }
  const found = await stat(path).catch(() => undefined);
  const isFolder = found?.isDirectory() === true;
  const part = async (name: string) => (isFolder ? optionalFile(join(path, name)) : undefined);
  const kernel = isFolder ? ((await part('kernel.elf')) ?? (await part('Image'))) : await optionalFile(path);
  if (kernel === undefined) return undefined;
  const [disk, commandLine, initrd] = [await part('disk.img'), await part('cmdline'), await part('initrd')];
  const hash = createHash('sha256');
  const parts = [kernel, disk, commandLine, ...(initrd === undefined ? [] : [initrd])];
  for (const bytes of parts) hash.update(String(bytes?.length ?? -1)).update(bytes ?? '');
  const id = `${image}@sha256:${hash.digest('hex')}`;
  const sizeBytes = kernel.length + (disk?.length ?? 0) + (initrd?.length ?? 0);
  const info = { id, repoTags: [image], repoDigests: [], sizeBytes };
  return guestImage(info, { kernel, initrd, disk, commandLine: commandLine?.toString('utf8').trim() ?? '' });
}

/** What a machine can begin from; a boot image with the firmware that it begins on. */
export async function guestImage(
  info: ImageInfo,
  { kernel, initrd, disk, commandLine }: GuestParts,
): Promise<GuestImage> {
  const firmware = isBootImage(kernel) ? await readFile(new URL('firmware/firmware.elf', guests)) : undefined;
  return {
    info,
    kernel,
    ...(firmware === undefined ? {} : { firmware }),
    ...(initrd === undefined ? {} : { initrd }),
    ...(disk === undefined ? {} : { disk }),
    commandLine,
    ports: [],
  };
}

async function optionalFile(path: string): Promise<Buffer | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  if (found.size > fileBytesMax)
    throw new RuntimeError('invalidImage', `${path} has ${found.size} bytes, and at most ${fileBytesMax} are read`);
  return readFile(path);
}
