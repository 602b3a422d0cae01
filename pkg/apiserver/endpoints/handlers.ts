/** Which handler answers a request for a served resource. */
import type { Verb } from '#pkg/api/resources.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import { noSuchMethod, noSuchResource } from '../responses.ts';
import type { Handler } from '../strategy.ts';
import { computedHandler } from './computed.ts';
import { createObject } from './create.ts';
import { deleteCollection, deleteObject } from './delete.ts';
import { listObjects } from './list.ts';
import { patchObject } from './patch.ts';
import { getObject } from './read.ts';
import { getScale, patchScale, updateScale } from './scale.ts';
import type { Scope } from './scope.ts';
import { notBuilt } from './unbuilt.ts';
import { updateObject } from './update.ts';
import { watchObjects } from './watch.ts';

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

/** A scale is the same for all resources: numbers of theirs in a form of its own. */
const scaleHandlers: Readonly<Record<string, Handler>> = { get: getScale, patch: patchScale, update: updateScale };

/** What answers a question, in collections that keep nothing. */
function questionHandler({ info, served }: Scope): Handler | undefined {
  return info.verb === 'create' ? served.strategy.answer : undefined;
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
  const handler =
    questionHandler(scope) ?? computedHandler(scope) ?? (parts.length > 1 ? objectHandlers : collectionHandlers)[verb];
  if (handler === undefined) throw noSuchMethod();
  return handler;
}

function checkPath({ info, served }: Scope): void {
  const { parts, verb, namespace } = info;
  const longest = verb === 'watch' ? 2 : 3;
  if (parts.length > longest && served.subresources.get(parts[2]!)?.connect?.takesPath !== true) throw noSuchResource();
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
  const { verb } = info;
  const subresource = served.subresources.get(info.subresource);
  if (subresource === undefined) throw noSuchResource();
  const { create, connect } = subresource;
  const isScale = info.subresource === 'scale';
  if (
    create === undefined &&
    connect?.connect === undefined &&
    !isScale &&
    subresource.info.kind !== served.info.kind
  ) {
    return notBuilt;
  }
  if (!subresource.info.verbs.includes(verb as Verb)) throw noSuchMethod();
  if (create !== undefined) return create.create;
  if (connect !== undefined) return connect.connect ?? notBuilt;
  const handler = (isScale ? scaleHandlers : objectHandlers)[verb];
  if (handler === undefined) throw noSuchMethod();
  return handler;
}
