/** Commands of images that ask no registry. */
import { resolve } from 'node:path';
import { text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { StoredImage } from '#pkg/images/image-store.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { formatted, outputFlag } from '../output.ts';
import { imageCommand, shortId, sizeText } from './image-command.ts';
import { imagesFlags, openImages } from './open-images.ts';

const many = Number.MAX_SAFE_INTEGER;

/** Standard input, by the name that the system has for it. */
const inputPath = '/dev/stdin';

/** `coxswain image ls`. */
export const ls = imageCommand({
  name: 'ls',
  summary: 'List the images that nodes have.',
  takes: '[NAME]',
  least: 0,
  most: 1,
  flags: { ...imagesFlags, output: outputFlag },
  async run(world, values, [name]) {
    const store = await openImages(world, values);
    const found = name === undefined ? await store.list() : [await store.find(name)];
    const images = found.filter((image) => image !== undefined);
    if (values.output !== '') world.write(await formatted(images, values.output));
    else if (images.length === 0)
      world.write('There are no images: "coxswain image pull" or "coxswain image load" gets some.\n');
    else world.write(new TableLayout().render([['NAME', 'ID', 'ARCHITECTURE', 'SIZE'], ...images.flatMap(rowsOf)]));
    return 0;
  },
});

/** `coxswain image load`. */
export const load = imageCommand({
  name: 'load',
  summary: 'Take in an archive of docker save or an OCI image layout; "-" is standard input.',
  takes: 'FILE',
  least: 1,
  most: 1,
  flags: {
    ...imagesFlags,
    tag: text({ help: 'Name for an image that has none in the archive.', short: 't', placeholder: 'name' }),
    output: outputFlag,
  },
  async run(world, values, [file = '']) {
    const store = await openImages(world, values);
    const path = file === '-' ? inputPath : resolve(file);
    const images = await store.load(path, values.tag === '' ? {} : { name: values.tag });
    if (values.output !== '') world.write(await formatted(images, values.output));
    else for (const { id, tags } of images) world.write(`Loaded ${shortId(id)} as ${tags.join(', ')}\n`);
    return 0;
  },
});

/** `coxswain image rm`. */
export const rm = imageCommand({
  name: 'rm',
  summary: 'Take names of images away, and the images that have none left.',
  takes: 'NAME...',
  least: 1,
  most: many,
  flags: imagesFlags,
  async run(world, values, names) {
    const store = await openImages(world, values);
    for (const name of names) {
      await store.remove(name);
      world.write(`Removed ${name}\n`);
    }
    return 0;
  },
});

/** `coxswain image tag`. */
export const tag = imageCommand({
  name: 'tag',
  summary: 'Give an image a further name.',
  takes: 'NAME NEW-NAME',
  least: 2,
  most: 2,
  flags: imagesFlags,
  async run(world, values, [name = '', newName = '']) {
    await (await openImages(world, values)).tag(name, newName);
    return 0;
  },
});

/** `coxswain image save`. */
export const save = imageCommand({
  name: 'save',
  summary: 'Write images to one archive, which docker load and OCI tools read.',
  takes: 'NAME...',
  least: 1,
  most: many,
  flags: { ...imagesFlags, file: text({ help: 'File of the archive.', short: 'f', placeholder: 'file' }) },
  async run(world, values, names) {
    if (values.file === '') throw new UserError('say where the archive is to be with --file');
    await (await openImages(world, values)).save(names, resolve(values.file));
    return 0;
  },
});

/** `coxswain image history`. */
export const history = imageCommand({
  name: 'history',
  summary: 'Show how an image was made, last step first.',
  takes: 'NAME',
  least: 1,
  most: 1,
  flags: { ...imagesFlags, output: outputFlag },
  async run(world, values, [name = '']) {
    const steps = await (await openImages(world, values)).history(name);
    if (values.output !== '') world.write(await formatted(steps, values.output));
    else {
      const rows = steps.map(({ created, createdBy, sizeBytes, comment }) => [
        created,
        sizeText(sizeBytes),
        oneLine(createdBy),
        oneLine(comment),
      ]);
      world.write(new TableLayout().render([['CREATED', 'SIZE', 'CREATED BY', 'COMMENT'], ...rows]));
    }
    return 0;
  },
});

/** `coxswain image prune`. */
export const prune = imageCommand({
  name: 'prune',
  summary: 'Take away images without a tag, and what nobody needs any more.',
  takes: '',
  least: 0,
  most: 0,
  flags: { ...imagesFlags, all: toggle({ help: 'Images that no container uses too.', short: 'a' }) },
  async run(world, values) {
    const { images, bytes } = await (await openImages(world, values)).prune({ all: values.all });
    for (const image of images) world.write(`Removed ${nameOf(image)}\n`);
    world.write(`Freed ${sizeText(bytes)}.\n`);
    return 0;
  },
});

function rowsOf({ tags, digests, id, architecture, sizeBytes }: StoredImage): readonly string[][] {
  const names = tags.length > 0 ? tags : digests;
  return names.map((name) => [name, shortId(id), architecture, sizeText(sizeBytes)]);
}

function nameOf({ tags, digests, id }: StoredImage): string {
  return tags[0] ?? digests[0] ?? id;
}

function oneLine(words: string): string {
  return words.replaceAll(/\s+/g, ' ').slice(0, 100);
}
