/** Which handler answers a request for a served resource. */
import type { Verb } from '#pkg/api/resources.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { noSuchMethod, noSuchResource } from '../responses.ts';
import { bindPod } from './binding.ts';
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

/** Whether what is answered is no object that was stored but a word on the request: there are no tables of these. */
export function answersOtherKind({ info, served }: Scope): boolean {
  if (info.verb !== 'create') return false;
  return info.subresource !== '' || reviewHandlers[`${served.info.group}/${served.info.resource}`] !== undefined;
}

/** Throws NotFound or MethodNotAllowed where there is none. */
export function handlerOf(scope: Scope): Handler {
  const { info, served } = scope;
  const { parts, verb } = info;
  if (info.subresource !== '') return subresourceHandler(scope);
  const hasName = parts.length > 1;
  const needsNamespace = served.info.namespaced && info.namespace === '';
  if (needsNamespace && (hasName || verb === 'create')) throw hasName ? noSuchResource() : noSuchMethod();
  if (!served.info.namespaced && info.namespace !== '' && info.resource !== 'namespaces') throw noSuchResource();
  if (!served.info.verbs.includes(verb as Verb)) throw noSuchMethod();
  const review = reviewHandlers[`${served.info.group}/${served.info.resource}`];
  if (review !== undefined && verb === 'create') return review;
  const handler = (hasName ? objectHandlers : collectionHandlers)[verb];
  if (handler === undefined) throw noSuchMethod();
  return handler;
}

function subresourceHandler(scope: Scope): Handler {
  const { info, served } = scope;
  const subresource = served.info.subresources.find((one) => one.name === info.subresource);
  if (subresource === undefined || (served.info.namespaced && info.namespace === '')) throw noSuchResource();
  const own = subresourceHandlers[info.subresource];
  if (own === undefined && subresource.kind !== served.info.kind) return notBuilt;
  if (!subresource.verbs.includes(info.verb as Verb)) throw noSuchMethod();
  const handler = (own ?? objectHandlers)[info.verb];
  if (handler === undefined) throw noSuchMethod();
  return handler;
}
