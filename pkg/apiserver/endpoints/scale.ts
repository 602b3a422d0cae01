/** The `scale` subresource: the replicas of a workload in a form of their own. Source: `pkg/registry/apps/deployment/storage`. */

import { typeSchema } from '#pkg/api/facts.ts';
import { cannotBeHandled } from '#pkg/api/validation/decode-errors.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import { invalid, invalidObject } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { deepClone } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, staleVersion } from '#pkg/apimachinery/status-error.ts';
import { objectResponse } from '../responses.ts';
import { checkKind, readBody } from './body.ts';
import { changeObject } from './change.ts';
import { patchedValue, patchTypeOf, readPatch, refusedPatch } from './patch-value.ts';
import { readEntry } from './read.ts';
import type { Scope } from './scope.ts';
import { notBuilt } from './unbuilt.ts';
import { managerOf, parseWriteOptions } from './write-options.ts';

const scaleKind = { kind: 'Scale', apiVersion: 'autoscaling/v1' };
const scaleGvk = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

/** Where replicas lie for kinds whose strategy does not say. */
const replicasPath = ['spec', 'replicas'];
const statusPath = ['status', 'replicas'];

function scaleOf(scope: Scope, object: KubeObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata!;
  const rules = scope.served.strategy.scale;
  const selector = rules?.selector(object) ?? '';
  return {
    ...scaleKind,
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(object, rules?.specReplicasPath ?? replicasPath) },
    status: {
      replicas: numberAt(object, rules?.statusReplicasPath ?? statusPath),
      ...(selector === '' ? {} : { selector }),
    },
  };
}

function numberAt(object: KubeObject, path: readonly string[]): number {
  let value: unknown = object;
  for (const step of path) value = (value as JsonObject | undefined)?.[step];
  return typeof value === 'number' ? value : 0;
}

export async function getScale(scope: Scope): Promise<ApiResponse> {
  const entry = await readEntry(scope);
  return objectResponse(200, scaleOf(scope, scope.served.view.object(entry)));
}

export async function updateScale(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'UpdateOptions');
  const scale = decodeScale(checkKind(readBody(scope.request, 'Scale', false), scaleKind));
  return changeScale(scope, options, () => scale);
}

export async function patchScale(scope: Scope): Promise<ApiResponse> {
  const type = patchTypeOf(scope.request);
  if (type === 'apply') return notBuilt(scope);
  const options = parseWriteOptions(scope.info.query, 'PatchOptions');
  const schema = typeSchema('io.k8s.api.autoscaling.v1.Scale');
  const { patch } = readPatch(scope.request, { type, validation: 'Ignore' });
  return changeScale(scope, options, (old) => {
    const value = patchedValue(type, { patch, old: scaleOf(scope, old), schema });
    return decodeScale(value, (why) => refusedPatch(type, { patch, value, why }));
  });
}

function decodeScale(
  value: JsonObject,
  refuse = (why: string): Error => cannotBeHandled(scaleGvk, 'Scale', why),
): JsonObject {
  const schema = typeSchema('io.k8s.api.autoscaling.v1.Scale');
  const { object, typeError } = convertAndCheck(value, schema, { strict: 'Ignore' });
  if (typeError !== undefined) throw refuse(typeError);
  return object;
}

function changeScale(
  scope: Scope,
  options: ReturnType<typeof parseWriteOptions>,
  wanted: (old: KubeObject) => JsonObject,
): Promise<ApiResponse> {
  return changeObject(scope, {
    dryRun: options.dryRun,
    manager: managerOf(options, scope.request.headers),
    subresource: 'scale',
    draft(old) {
      const scale = wanted(old);
      checkScale(scope, scale, old);
      const draft = deepClone(old) as JsonObject;
      setAt(
        draft,
        scope.served.strategy.scale?.specReplicasPath ?? replicasPath,
        numberAt(scale as KubeObject, replicasPath),
      );
      return draft;
    },
    answer: (object) => objectResponse(200, scaleOf(scope, object)),
  });
}

function checkScale(scope: Scope, scale: JsonObject, old: KubeObject): void {
  const { name, namespace, uid, resourceVersion } = (scale.metadata ?? {}) as NonNullable<KubeObject['metadata']>;
  const wanted = scope.info.parts[1]!;
  if (name !== undefined && name !== wanted) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${wanted})`);
  }
  if (namespace !== undefined && namespace !== scope.info.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const isStale =
    resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== old.metadata?.resourceVersion;
  if (isStale || (uid !== undefined && uid !== '' && uid !== old.metadata?.uid))
    throw staleVersion(scope.subject, wanted);
  const replicas = numberAt(scale as KubeObject, replicasPath);
  if (replicas < 0) {
    const error = invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalidObject(scaleGvk, wanted, [error]);
  }
}

function setAt(draft: JsonObject, path: readonly string[], value: number): void {
  let target = draft;
  for (const step of path.slice(0, -1)) {
    target[step] ??= {};
    target = target[step] as JsonObject;
  }
  target[path.at(-1)!] = value;
}
