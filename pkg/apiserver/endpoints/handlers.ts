/** Which handler answers a request for a served resource. */
import type { Verb } from '#pkg/api/resources.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import { noSuchMethod, noSuchResource } from '../responses.ts';
import { bindNamedPod, bindPod } from './binding.ts';
import { createObject } from './create.ts';
import { deleteCollection, deleteObject } from './delete.ts';
import { evictPod } from './eviction.ts';
import { listObjects } from './list.ts';
import { podLog } from './log.ts';
import { patchObject } from './patch.ts';
import { getObject } from './read.ts';
import { reviewHandlers } from './reviews.ts';
import { getScale, patchScale, updateScale } from './scale.ts';
import type { Scope } from './scope.ts';
import { notBuilt } from './unbuilt.ts';
import { updateObject } from './update.ts';
import { watchObjects } from './watch.ts';

export type Handler = (scope: Scope) => Promise<ApiResponse> | ApiResponse;

const collectionHandlers: Readonly<Record<string, Handler>> = {
  create: createObject,
  deletecollection: deleteCollection,
  list: listObjects,
  watch: watchObjects,
};

const objectHandlers: Readonly<Record<string, Handler>> = {
  delete: deleteObject,
  get: getObject,
  patch: patchObject,
  update: updateObject,
  watch: watchObjects,
};

/** Handlers of subresources whose bodies are not the object itself, by name and verb. */
const subresourceHandlers: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  binding: { create: bindPod },
  eviction: { create: evictPod },
  log: { get: podLog },
  scale: { get: getScale, patch: patchScale, update: updateScale },
};

/** Collections that keep nothing: what is created in them is answered. By `group/resource`. */
const questionHandlers: Readonly<Record<string, Handler>> = { ...reviewHandlers, '/bindings': bindNamedPod };

function questionHandler({ info, served }: Scope): Handler | undefined {
  return info.verb === 'create' ? questionHandlers[`${served.info.group}/${served.info.resource}`] : undefined;
}

/** Whether what is answered is no object that was stored but a word on the request: there are no tables of these. */
export function answersOtherKind(scope: Scope): boolean {
  const { verb, subresource } = scope.info;
  return verb === 'create' && (subresource !== '' || questionHandler(scope) !== undefined);
}

/** Throws NotFound or MethodNotAllowed where there is none, BadRequest for a name that nothing can have. */
export function handlerOf(scope: Scope): Handler {
  const { info, served, request } = scope;
  const { parts, verb } = info;
  checkPath(scope);
  if (info.subresource !== '') return subresourceHandler(scope);
  const isOfAll = served.info.namespaced && info.namespace === '';
  // Of all namespaces at once there is nothing but lists and watches.
  if (isOfAll && verb !== 'list' && verb !== 'watch') throw noSuchMethod();
  if (verb === 'watch' && request.method !== 'GET') throw noSuchMethod();
  if (!served.info.verbs.includes(verb as Verb)) throw noSuchMethod();
  const handler = questionHandler(scope) ?? (parts.length > 1 ? objectHandlers : collectionHandlers)[verb];
  if (handler === undefined) throw noSuchMethod();
  return handler;
}

/** Subresources whose paths go on as their target likes. */
const openEnded: ReadonlySet<string> = new Set(['proxy']);

function checkPath({ info, served }: Scope): void {
  const { parts, verb, namespace } = info;
  const longest = verb === 'watch' ? 2 : 3;
  if (parts.length > longest && !openEnded.has(parts[2]!)) throw noSuchResource();
  if (served.info.namespaced && namespace === '' && parts.length > 1) throw noSuchResource();
  if (!served.info.namespaced && namespace !== '' && info.resource !== 'namespaces') throw noSuchResource();
  checkName(parts[1]);
}

/** Source: apimachinery `api/validation/path` `IsValidPathSegmentName`, by which the keys of the store are checked. */
function checkName(name = ''): void {
  const isStep = name === '.' || name === '..';
  if (!isStep && !name.includes('%')) return;
  const fault = isStep ? `may not be '${name}'` : "may not contain '%'";
  throw badRequest(`Name parameter invalid: ${JSON.stringify(name)}: ${fault}`);
}

function subresourceHandler({ info, served }: Scope): Handler {
  const subresource = served.info.subresources.find((one) => one.name === info.subresource);
  if (subresource === undefined) throw noSuchResource();
  const own = subresourceHandlers[info.subresource];
  if (own === undefined && subresource.kind !== served.info.kind) return notBuilt;
  if (!subresource.verbs.includes(info.verb as Verb)) throw noSuchMethod();
  const handler = (own ?? objectHandlers)[info.verb];
  if (handler === undefined) throw noSuchMethod();
  return handler;
}
