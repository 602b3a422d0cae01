/**
 * A store of one image for tests of runtimes: Debian's static busybox, as a folder that is copied for each root. What a registry or an archive has to do with
 * images is not tested by it.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type ImageStore, ImageStoreError, type StoredImage } from '#pkg/images/image-store.ts';
import { parseImageName } from '#pkg/kubelet/runtime/image-name.ts';

const busybox = '/bin/busybox';

const image: StoredImage = {
  id: `sha256:${'b'.repeat(64)}`,
  tags: ['docker.io/library/busybox:latest'],
  digests: [],
  sizeBytes: 1,
  architecture: 'amd64',
  config: {
    entrypoint: [],
    command: ['sh'],
    environment: ['PATH=/bin'],
    workingDirectory: '',
    user: '',
    labels: {},
    volumes: [],
  },
  diffIds: [],
};

/** The store, in a folder; every name means the one image. */
export function folderImages(folder: string): ImageStore {
  const template = join(folder, 'template');
  // Whole, or not there.
  if (!existsSync(template)) {
    makeTemplate(`${template}.${process.pid}`);
    renameSync(`${template}.${process.pid}`, template);
  }
  const rootOf = (key: string): string => join(folder, 'roots', key);
  return {
    find: async (reference) => {
      if (!/^[a-z0-9.:/@_-]+$/.test(reference)) {
        parseImageName(reference);
        throw new ImageStoreError('invalidName', `invalid reference format: ${reference}`);
      }
      return image;
    },
    list: async () => [image],
    pull: async () => image,
    load: async () => [image],
    tag: async () => {},
    remove: async () => 0,
    prepare: async (key) => {
      const path = rootOf(key);
      cpSync(template, path, { recursive: true, verbatimSymlinks: true });
      return { path, changesPath: path };
    },
    release: async (key) => rmSync(rootOf(key), { recursive: true, force: true }),
    inUse: async () => new Set(existsSync(rootOf('')) && readdirSync(rootOf('')).length > 0 ? [image.id] : []),
    collect: async () => 0,
    usage: async () => ({ bytes: 0, inodes: 0 }),
  };
}

function makeTemplate(root: string): void {
  for (const name of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'var/log'])
    mkdirSync(join(root, name), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  copyFileSync(busybox, join(root, 'bin/busybox'));
  const names = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const name of names) if (name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/var/www:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nweb:x:33:\nmedia:x:50:web\n');
}
