/** Endpoints of files in containers. Source: Docker Engine API 1.41, "Get an archive of a filesystem resource in a container" and those beside it. */
import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { archiveOf } from '#pkg/images/tar/folder-archive.ts';
import { OpenRoot } from '#pkg/images/tar/open-root.ts';
import type { Call } from './call.ts';
import type { DockerContainer } from './containers.ts';
import { DockerError } from './docker-error.ts';
import type { Engine } from './engine.ts';
import { putArchive } from './put-archive.ts';
import type { Route } from './route.ts';

/** The endpoints. */
export const archiveRoutes: readonly Route[] = [
  { method: 'HEAD', path: '/containers/{id}/archive', handle: stat },
  { method: 'GET', path: '/containers/{id}/archive', handle: get },
  { method: 'PUT', path: '/containers/{id}/archive', handle: put },
];

const statHeader = 'X-Docker-Container-Path-Stat';

interface Place {
  readonly container: DockerContainer;
  readonly path: string;
}

function placeOf(call: Call, { containers }: Engine): Place {
  const path = call.text('path');
  if (path === '') throw new DockerError(400, "bad parameter: 'path' cannot be empty");
  return { container: containers.find(call.name('id')), path };
}

/** Its root: with its volumes while it runs, else as its image and its own changes make it. */
function rootOf({ container }: Place, { runtime }: Engine): Promise<OpenRoot> {
  const { pid, rootPath } = runtime.placeOf(container.runtimeId);
  return OpenRoot.open(pid === undefined ? rootPath : `/proc/${pid}/root`);
}

async function opened(place: Place, root: OpenRoot): Promise<FileHandle> {
  const { container, path } = place;
  const found = await root.at(path, { followsLast: path.endsWith('/') || path.endsWith('/.'), makes: false });
  if (found === undefined) throw new DockerError(404, `Could not find the file ${path} in container ${container.id}`);
  return found;
}

async function stat(call: Call, engine: Engine): Promise<void> {
  const place = placeOf(call, engine);
  await using root = await rootOf(place, engine);
  const found = await opened(place, root);
  try {
    call.response.setHeader(statHeader, statText(await found.stat(), place.path, await root.linkAt(place.path)));
    call.done(200);
  } finally {
    await found.close();
  }
}

async function get(call: Call, engine: Engine): Promise<void> {
  const place = placeOf(call, engine);
  await using root = await rootOf(place, engine);
  const found = await opened(place, root);
  try {
    const link = await root.linkAt(place.path);
    const header = { [statHeader]: statText(await found.stat(), place.path, link) };
    await call.bytes('application/x-tar', archiveOf(found, nameOf(place.path), link), header);
  } finally {
    await found.close();
  }
}

async function put(call: Call, engine: Engine): Promise<void> {
  const place = placeOf(call, engine);
  await using root = await rootOf(place, engine);
  const folder = await root.at(place.path, { followsLast: true, makes: false });
  if (folder === undefined)
    throw new DockerError(404, `Could not find the file ${place.path} in container ${place.container.id}`);
  const isFolder = (await folder.stat()).isDirectory();
  await folder.close();
  if (!isFolder) throw new DockerError(400, 'extraction point is not a directory');
  if (place.container.wish.readOnlyRoot) throw new DockerError(400, 'container rootfs is marked read-only');
  const { user } = engine.runtime.placeOf(place.container.runtimeId);
  await putArchive(root, place.path, call.body(), { owner: call.flag('copyUIDGID') ? user : undefined });
  call.done(200);
}

/** The last part of a path; a dot for what is in a folder. */
function nameOf(path: string): string {
  if (path.endsWith('/.')) return '.';
  return path.split('/').findLast((part) => part !== '') ?? '/';
}

function statText(stats: Stats, path: string, link: string): string {
  const value = {
    name: nameOf(path),
    size: stats.size,
    mode: goMode(stats),
    mtime: stats.mtime.toISOString(),
    linkTarget: stats.isSymbolicLink() ? link : '',
  };
  return Buffer.from(JSON.stringify(value)).toString('base64');
}

/** Kinds and permissions as Go numbers them. Source: Go's `io/fs`, `FileMode`. */
function goMode(stats: Stats): number {
  const kinds: readonly (readonly [boolean, number])[] = [
    [stats.isDirectory(), 2 ** 31],
    [stats.isSymbolicLink(), 2 ** 27],
    [stats.isBlockDevice() || stats.isCharacterDevice(), 2 ** 26],
    [stats.isFIFO(), 2 ** 25],
    [stats.isSocket(), 2 ** 24],
    [(stats.mode & 0o4000) !== 0, 2 ** 23],
    [(stats.mode & 0o2000) !== 0, 2 ** 22],
    [stats.isCharacterDevice(), 2 ** 21],
    [(stats.mode & 0o1000) !== 0, 2 ** 20],
  ];
  return (stats.mode & 0o777) + kinds.reduce((sum, [isSo, bit]) => sum + (isSo ? bit : 0), 0);
}
