/** Endpoints of images, over the store of the cluster's nodes. Source: Docker Engine API 1.41, "Images". */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { RegistryLogin, StoredImage } from '#pkg/images/image-store.ts';
import { parseReference, repositoryOf, wholeName } from '#pkg/images/reference.ts';
import type { Call } from './call.ts';
import { DockerError } from './docker-error.ts';
import type { Engine } from './engine.ts';
import { familiarName, tagOf, withTag } from './image-names.ts';
import type { Route } from './route.ts';

/** The endpoints. */
export const imageRoutes: readonly Route[] = [
  { method: 'GET', path: '/images/json', handle: list },
  { method: 'POST', path: '/images/create', handle: pull },
  { method: 'POST', path: '/images/load', handle: load },
  { method: 'POST', path: '/images/prune', handle: prune },
  { method: 'GET', path: '/images/get', handle: save },
  { method: 'GET', path: '/images/{image}/get', handle: save },
  { method: 'GET', path: '/images/{image}/json', handle: inspect },
  { method: 'GET', path: '/images/{image}/history', handle: history },
  { method: 'POST', path: '/images/{image}/tag', handle: tag },
  { method: 'POST', path: '/images/{image}/push', handle: push },
  { method: 'DELETE', path: '/images/{image}', handle: remove },
];

async function named(call: Call, { images }: Engine): Promise<StoredImage> {
  const found = await images.find(call.name('image'));
  if (found === undefined) throw new DockerError(404, `No such image: ${call.name('image')}`);
  return found;
}

async function list(call: Call, { images }: Engine): Promise<void> {
  const filters = call.filters(['dangling', 'label', 'reference']);
  const found = (await images.list()).filter((image) =>
    [...filters].every(([name, wanted]) => fits(image, name, wanted)),
  );
  const rows = await Promise.all(
    found.map(async (image) => ({
      Id: image.id,
      ParentId: '',
      RepoTags: image.tags.map(familiarName),
      RepoDigests: image.digests.map(familiarName),
      Created: Math.floor((await createdMs(image, images)) / 1000),
      Size: image.sizeBytes,
      VirtualSize: image.sizeBytes,
      SharedSize: -1,
      Labels: image.config.labels,
      Containers: -1,
    })),
  );
  call.send(
    200,
    rows.toSorted((a, b) => b.Created - a.Created),
  );
}

function fits(image: StoredImage, filter: string, wanted: readonly string[]): boolean {
  if (filter === 'dangling') return wanted.includes('true') === (image.tags.length === 0);
  if (filter === 'label')
    return wanted.every((one) => {
      const [name = '', value] = one.split('=', 2);
      return Object.hasOwn(image.config.labels, name) && (value === undefined || image.config.labels[name] === value);
    });
  return wanted.some((one) => image.tags.some((name) => matchesName(name, one)));
}

/** Whether a whole name is of a repository, or is that very image. A pattern's `*` stays within a part. */
function matchesName(whole: string, wanted: string): boolean {
  const name = familiarName(whole);
  const repository = name.slice(0, name.lastIndexOf(':'));
  const pattern = new RegExp(`^${wanted.split('*').map(RegExp.escape).join('[^/]*')}$`);
  return [name, repository, whole].some((one) => pattern.test(one));
}

async function createdMs({ id }: StoredImage, images: Engine['images']): Promise<number> {
  const [last] = await images.history(id);
  const ms = Date.parse(last?.created ?? '');
  return Number.isNaN(ms) ? 0 : ms;
}

async function inspect(call: Call, engine: Engine): Promise<void> {
  const image = await named(call, engine);
  const { config } = image;
  const set = (names: readonly string[]) =>
    names.length === 0 ? null : Object.fromEntries(names.map((name) => [name, {}]));
  call.send(200, {
    Id: image.id,
    RepoTags: image.tags.map(familiarName),
    RepoDigests: image.digests.map(familiarName),
    Parent: '',
    Comment: '',
    Created: new Date(await createdMs(image, engine.images)).toISOString(),
    DockerVersion: '',
    Author: '',
    Config: {
      User: config.user,
      Env: config.environment,
      Cmd: config.command.length === 0 ? null : config.command,
      Entrypoint: config.entrypoint.length === 0 ? null : config.entrypoint,
      WorkingDir: config.workingDirectory,
      Labels: config.labels,
      Volumes: set(config.volumes),
      ExposedPorts: set(config.exposedPorts ?? []),
      ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
    },
    Architecture: image.architecture,
    Os: 'linux',
    Size: image.sizeBytes,
    VirtualSize: image.sizeBytes,
    GraphDriver: { Name: 'overlay2', Data: null },
    RootFS: { Type: 'layers', Layers: image.diffIds },
    Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  });
}

/** What the client has logged in with, if it has. */
export function loginsOf(call: Call): readonly RegistryLogin[] {
  const header = call.request.headers['x-registry-auth'];
  if (typeof header !== 'string' || header === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, 'base64url').toString());
  } catch (error) {
    throw new DockerError(400, 'X-Registry-Auth is not JSON in base64', error);
  }
  if (!isObject(value) || typeof value.username !== 'string' || typeof value.password !== 'string') return [];
  return value.username === '' ? [] : [{ username: value.username, password: value.password }];
}

async function pull(call: Call, { images, platform }: Engine): Promise<void> {
  if (call.text('fromSrc') !== '')
    throw new DockerError(501, "importing a root is not supported by Coxswain's Docker socket: load an image");
  requirePlatform(call, platform.architecture);
  const name = withTag(call.text('fromImage'), call.text('tag'));
  const whole = wholeName(parseReference(name));
  const before = await images.find(whole);
  let lines: ReturnType<Call['lines']> | undefined;
  const say = (value: object): void => {
    lines ??= call.lines();
    lines.write(value);
  };
  const image = await images.pull(whole, {
    logins: loginsOf(call),
    signal: call.signal,
    progress: ({ digest, doneBytes, totalBytes }) => {
      const status = doneBytes < totalBytes ? 'Downloading' : 'Download complete';
      say({ status, progressDetail: { current: doneBytes, total: totalBytes }, id: digest.slice(7, 19) });
    },
  });
  say({ status: `Digest: ${(image.digests[0] ?? '').split('@')[1] ?? image.id}` });
  const what = before?.id === image.id ? 'Image is up to date for' : 'Downloaded newer image for';
  say({ status: `Status: ${what} ${familiarName(whole)}` });
  lines?.end();
}

/** Images of one platform are kept: another is refused, and not taken for that. */
function requirePlatform(call: Call, architecture: string): void {
  const wanted = call.text('platform');
  if (wanted === '' || wanted === 'linux' || wanted.startsWith(`linux/${architecture}`)) return;
  throw new DockerError(501, `the platform ${wanted} is not this machine's, linux/${architecture}`);
}

async function load(call: Call, { images }: Engine): Promise<void> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'archive.tar');
  await pipeline(Readable.from(call.body(), { objectMode: false }), createWriteStream(path, { mode: 0o600 }));
  const loaded = await images.load(path, { signal: call.signal });
  const lines = call.lines();
  for (const { tags, id } of loaded) {
    if (tags.length === 0) lines.write({ stream: `Loaded image ID: ${id}\n` });
    for (const name of tags) lines.write({ stream: `Loaded image: ${familiarName(name)}\n` });
  }
  lines.end();
}

async function save(call: Call, { images }: Engine): Promise<void> {
  const one = call.name('image');
  const names = one === '' ? call.query.getAll('names').flatMap((text) => text.split(',')) : [one];
  if (names.length === 0) throw new DockerError(400, 'no images to save');
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'archive.tar');
  await images.save(names, path);
  await call.bytes('application/x-tar', createReadStream(path));
}

async function history(call: Call, engine: Engine): Promise<void> {
  const image = await named(call, engine);
  const steps = await engine.images.history(image.id);
  call.send(
    200,
    steps.map(({ created, createdBy, comment, sizeBytes }, index) => ({
      Id: index === 0 ? image.id : '<missing>',
      Created: Math.floor((Date.parse(created) || 0) / 1000),
      CreatedBy: createdBy,
      Tags: index === 0 ? image.tags.map(familiarName) : null,
      Size: sizeBytes,
      Comment: comment,
    })),
  );
}

async function tag(call: Call, engine: Engine): Promise<void> {
  const image = await named(call, engine);
  await engine.images.tag(image.id, withTag(call.text('repo'), call.text('tag')));
  call.done(201);
}

async function push(call: Call, { images }: Engine): Promise<void> {
  const name = wholeName(parseReference(withTag(call.name('image'), call.text('tag'))));
  const image = await images.find(name);
  if (image === undefined)
    throw new DockerError(404, `An image does not exist locally with the tag: ${familiarName(name)}`);
  await images.push(name, { logins: loginsOf(call), signal: call.signal });
  const lines = call.lines();
  const repository = repositoryOf(parseReference(name));
  lines.write({ status: `The push refers to repository [${repository}]` });
  const digest = image.digests.find((one) => one.startsWith(`${repository}@`))?.split('@')[1] ?? image.id;
  lines.write({ status: `${tagOf(name)}: digest: ${digest} size: ${image.sizeBytes}` });
  lines.write({ progressDetail: {}, aux: { Tag: tagOf(name), Digest: digest, Size: image.sizeBytes } });
  lines.end();
}

async function remove(call: Call, engine: Engine): Promise<void> {
  const before = await named(call, engine);
  // A further name goes, whoever uses the image.
  const isLast = before.tags.length < 2 || before.id.startsWith(`sha256:${call.name('image').replace('sha256:', '')}`);
  const user = isLast ? engine.containers.list().find(({ image }) => image.id === before.id) : undefined;
  if (user !== undefined && !call.flag('force'))
    throw new DockerError(
      409,
      `conflict: unable to remove repository reference "${call.name('image')}" (must force) - container ${user.id.slice(0, 12)} is using its referenced image ${before.id.slice(7, 19)}`,
    );
  await engine.images.remove(call.name('image'));
  const after = await engine.images.find(before.id);
  const left = new Set([...(after?.tags ?? []), ...(after?.digests ?? [])]);
  const gone = [...before.tags, ...before.digests].filter((name) => !left.has(name));
  call.send(200, [
    ...gone.map((name) => ({ Untagged: familiarName(name) })),
    ...(after === undefined ? [{ Deleted: before.id }] : []),
  ]);
}

async function prune(call: Call, { images }: Engine): Promise<void> {
  const all = call.filters(['dangling']).get('dangling')?.includes('false') === true;
  const { images: gone, bytes } = await images.prune({ all });
  call.send(200, { ImagesDeleted: gone.map(({ id }) => ({ Deleted: id })), SpaceReclaimed: bytes });
}

/** A folder that is gone when it is disposed of. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'coxswain-docker-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
