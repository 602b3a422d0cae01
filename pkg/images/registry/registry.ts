/**
 * A registry for development, as a handler of requests: what `docker push`, `skopeo copy` and this project's own client write to and pull from. It asks nobody
 * who they are, so it is served on the machine's own addresses alone. Contents are shared by all repositories. Source: OCI distribution-spec 1.1.
 */

import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Logger } from '#pkg/base/logger.ts';
import { BlobStore, type BlobStoreOptions } from '../content/blob-store.ts';
import { manifestBytesMax, mediaTypes, parseManifest, parseObject } from '../content/documents.ts';
import { digestOf, isDigest } from '../digest.ts';
import { StoreLock } from '../disk/store-lock.ts';
import { ImageStoreError } from '../image-store.ts';
import { isRepositoryPath, isTag } from '../reference.ts';
import { RegistryError } from './registry-errors.ts';
import { Repositories } from './repositories.ts';
import { Uploads } from './uploads.ts';

/** A registry that is open. */
export interface ImageRegistry {
  /** Answers a request; never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): Promise<void>;
}

/** Most names of one page. */
const pageMax = 1000;

interface Parts {
  readonly blobs: BlobStore;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
}

/** A request for something of a repository. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly query: URLSearchParams;
  readonly repository: string;
  /** Of a manifest, a blob or an upload. */
  readonly name: string;
}

type Handler = (asked: Asked, parts: Parts) => Promise<void>;

const routes: readonly (readonly [pattern: RegExp, methods: Readonly<Record<string, Handler>>])[] = [
  [
    /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  ],
  [/^\/v2\/(.+)\/blobs\/uploads\/?()$/, { POST: beginUpload }],
  [
    /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
    { GET: showUpload, PATCH: appendUpload, PUT: finishUpload, DELETE: cancelUpload },
  ],
  [/^\/v2\/(.+)\/blobs\/([^/]+)$/, { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob }],
  [/^\/v2\/(.+)\/tags\/list()$/, { GET: listTags }],
];

/** Opens the registry of a folder, which is made where it is not there, and takes away what nobody needs there any more. */
export async function openRegistry(options: BlobStoreOptions & { readonly log: Logger }): Promise<ImageRegistry> {
  const { folder, log } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const blobs = new BlobStore(options);
  await blobs.open();
  const repositories = new Repositories(folder, new StoreLock(options));
  const uploads = new Uploads(join(folder, 'uploads'), { ...options, blobs });
  await uploads.open();
  await repositories.collect(blobs);
  const parts = { blobs, repositories, uploads };
  return {
    close: () => uploads.close(),
    async handle(request, response) {
      response.setHeader('docker-distribution-api-version', 'registry/2.0');
      try {
        await route(request, response, parts);
      } catch (error) {
        fail(error, { request, response, log });
      }
    },
  };
}

const nowhere = new URL('http://registry/');

async function route(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  // Joined as text: as a reference, what begins with two slashes would name another server. What is no address then is nowhere here.
  const { pathname, searchParams: query } = URL.parse(`http://registry${request.url}`) ?? nowhere;
  const method = request.method ?? 'GET';
  if (pathname === '/v2/' || pathname === '/v2') return sendJson(response, 200, {});
  if (pathname === '/v2/_catalog') return listRepositories(response, query, parts);
  for (const [pattern, methods] of routes) {
    const match = pattern.exec(pathname);
    if (match === null) continue;
    const [, repository = '', name = ''] = match;
    if (!isRepositoryPath(repository)) throw new RegistryError('NAME_INVALID', repository.slice(0, 200));
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (handler === undefined) throw new RegistryError('UNSUPPORTED', `${method} ${pathname.slice(0, 200)}`);
    return handler({ request, response, method, query, repository, name: decodeURIComponent(name) }, parts);
  }
  // Clients ask for what newer registries have, and do without it then.
  sendText(response, 404, JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'not found', detail: '' }] }));
}

function fail(
  error: unknown,
  {
    request,
    response,
    log,
  }: { readonly request: IncomingMessage; readonly response: ServerResponse; readonly log: Logger },
): void {
  const known = error instanceof RegistryError ? error : refusalOf(error);
  if (known === undefined && !request.destroyed) log.error('Registry failed', { path: request.url, error });
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  // What the client still sends is not read.
  if (!request.complete) response.setHeader('connection', 'close');
  if (known === undefined)
    sendText(response, 500, JSON.stringify({ errors: [{ code: 'UNKNOWN', message: 'unknown error', detail: '' }] }));
  else sendText(response, known.status, known.body);
}

function refusalOf(error: unknown): RegistryError | undefined {
  if (error instanceof URIError) return new RegistryError('NAME_INVALID');
  return error instanceof ImageStoreError && error.reason !== 'failed'
    ? new RegistryError('MANIFEST_INVALID', error.message)
    : undefined;
}

async function getManifest(
  { response, method, repository, name }: Asked,
  { blobs, repositories }: Parts,
): Promise<void> {
  const { digest, mediaType } = await repositories.manifest(repository, name);
  const bytes = await blobs.read(digest, manifestBytesMax);
  response.writeHead(200, {
    'content-type': mediaType,
    'content-length': bytes.length,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  });
  response.end(method === 'HEAD' ? undefined : bytes);
}

async function putManifest(
  { request, response, repository, name }: Asked,
  { blobs, repositories }: Parts,
): Promise<void> {
  if (!isTag(name) && !isDigest(name))
    throw new RegistryError('MANIFEST_INVALID', `"${name.slice(0, 200)}" is neither a tag nor a digest`);
  const bytes = await readBody(request);
  const digest = digestOf(bytes);
  if (isDigest(name) && name !== digest) throw new RegistryError('DIGEST_INVALID', `manifest has ${digest}`);
  const manifest = parseManifest(bytes);
  const parts = manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers];
  for (const one of parts)
    if ((await blobs.sizeOf(one.digest)) !== one.size) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', one.digest);
  const { mediaType } = parseObject(bytes, 'manifest');
  const fallback = manifest.kind === 'index' ? mediaTypes.ociIndex : mediaTypes.ociManifest;
  const said =
    typeof mediaType === 'string' && mediaType !== '' ? mediaType : (request.headers['content-type'] ?? fallback);
  await blobs.put(bytes, { add: () => Promise.resolve() });
  await repositories.put(repository, { digest, mediaType: said, tag: isDigest(name) ? undefined : name });
  response.writeHead(201, {
    location: `/v2/${repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    'content-length': 0,
  });
  response.end();
}

async function deleteManifest({ response, repository, name }: Asked, { repositories }: Parts): Promise<void> {
  await repositories.remove(repository, name);
  sendEmpty(response, 202);
}

async function getBlob({ request, response, method, name }: Asked, { blobs }: Parts): Promise<void> {
  const size = isDigest(name) ? await blobs.sizeOf(name) : undefined;
  if (size === undefined) throw new RegistryError('BLOB_UNKNOWN', name.slice(0, 200));
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': name,
    'accept-ranges': 'bytes',
    etag: `"${name}"`,
  };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = Math.min(last === undefined || last === '' ? size - 1 : Number(last), size - 1);
  if (first !== undefined && start > end) {
    response.writeHead(416, { 'content-range': `bytes */${size}`, 'content-length': 0 });
    response.end();
    return;
  }
  const part = first === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` };
  response.writeHead(first === undefined ? 200 : 206, { ...headers, ...part, 'content-length': end - start + 1 });
  if (method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  for await (const chunk of blobs.stream(name, { start, end })) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
}

async function deleteBlob({ response, name }: Asked, { blobs }: Parts): Promise<void> {
  if (!isDigest(name) || (await blobs.sizeOf(name)) === undefined)
    throw new RegistryError('BLOB_UNKNOWN', name.slice(0, 200));
  await blobs.remove(name);
  sendEmpty(response, 202);
}

async function beginUpload({ request, response, repository, query }: Asked, parts: Parts): Promise<void> {
  const mounted = query.get('mount') ?? '';
  if (isDigest(mounted) && (await parts.blobs.sizeOf(mounted)) !== undefined)
    return sendCreated(response, repository, mounted);
  const id = await parts.uploads.begin(repository);
  const digest = query.get('digest');
  if (digest === null) return sendUpload(response, 202, { repository, id, bytes: 0 });
  await parts.uploads.append(repository, id, { content: request, from: undefined });
  await parts.uploads.finish(repository, id, digest);
  sendCreated(response, repository, digest);
}

async function showUpload({ response, repository, name: id }: Asked, { uploads }: Parts): Promise<void> {
  sendUpload(response, 204, { repository, id, bytes: uploads.bytesOf(repository, id) });
}

async function appendUpload({ request, response, repository, name: id }: Asked, { uploads }: Parts): Promise<void> {
  const bytes = await uploads.append(repository, id, { content: request, from: startOf(request) });
  sendUpload(response, 202, { repository, id, bytes });
}

async function finishUpload(
  { request, response, repository, name: id, query }: Asked,
  { uploads }: Parts,
): Promise<void> {
  const digest = query.get('digest') ?? '';
  await uploads.append(repository, id, { content: request, from: startOf(request) });
  await uploads.finish(repository, id, digest);
  sendCreated(response, repository, digest);
}

async function cancelUpload({ response, repository, name: id }: Asked, { uploads }: Parts): Promise<void> {
  await uploads.cancel(repository, id);
  response.writeHead(204);
  response.end();
}

async function listTags({ response, repository, query }: Asked, { repositories }: Parts): Promise<void> {
  const { tags } = await repositories.find(repository);
  const { page, link } = pageOf(Object.keys(tags).sort(), query, `/v2/${repository}/tags/list`);
  if (link !== undefined) response.setHeader('link', link);
  sendJson(response, 200, { name: repository, tags: page });
}

async function listRepositories(
  response: ServerResponse,
  query: URLSearchParams,
  { repositories }: Parts,
): Promise<void> {
  const { page, link } = pageOf(await repositories.names(), query, '/v2/_catalog');
  if (link !== undefined) response.setHeader('link', link);
  sendJson(response, 200, { repositories: page });
}

/** Source: OCI distribution-spec "Listing Tags": `n` and `last`. */
function pageOf(
  names: readonly string[],
  query: URLSearchParams,
  path: string,
): { readonly page: readonly string[]; readonly link: string | undefined } {
  const wanted = Number(query.get('n') ?? pageMax);
  const count = Number.isInteger(wanted) && wanted >= 0 ? Math.min(wanted, pageMax) : pageMax;
  const last = query.get('last');
  const rest = last === null ? names : names.filter((name) => name > last);
  const page = rest.slice(0, count);
  const link =
    rest.length > page.length && count > 0
      ? `<${path}?n=${count}&last=${encodeURIComponent(page.at(-1) ?? '')}>; rel="next"`
      : undefined;
  return { page, link };
}

/** Where a client says that its piece begins; `0-99` or `bytes 0-99/*`. */
function startOf(request: IncomingMessage): number | undefined {
  const [, start] = /^(?:bytes )?(\d+)-/.exec(request.headers['content-range'] ?? '') ?? [];
  return start === undefined ? undefined : Number(start);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > manifestBytesMax) throw new RegistryError('SIZE_INVALID', `at most ${manifestBytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function sendCreated(response: ServerResponse, repository: string, digest: string): void {
  response.writeHead(201, {
    location: `/v2/${repository}/blobs/${digest}`,
    'docker-content-digest': digest,
    'content-length': 0,
  });
  response.end();
}

function sendUpload(
  response: ServerResponse,
  status: number,
  { repository, id, bytes }: { readonly repository: string; readonly id: string; readonly bytes: number },
): void {
  response.writeHead(status, {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: `0-${Math.max(bytes - 1, 0)}`,
    'docker-upload-uuid': id,
    ...(status === 204 ? {} : { 'content-length': 0 }),
  });
  response.end();
}

function sendEmpty(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 });
  response.end();
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  sendText(response, status, JSON.stringify(value));
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go);
      response.off('close', go);
      resolve();
    };
    response.on('drain', go);
    response.on('close', go);
  });
}
