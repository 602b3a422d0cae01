/** The `scale` subresource: the replicas of a workload in a form of their own. Source: `pkg/registry/apps/deployment/storage`. */

import type { Scale } from '#pkg/api/types/autoscaling-v1.ts';
import { invalid, invalidObject, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { deepClone } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import { objectResponse } from '../responses.ts';
import { applied, decodeConfig } from './apply.ts';
import { type Change, changeObject, checkName } from './change.ts';
import { bodyKind, decodeBody, draftOf } from './decode.ts';
import { ensureNamespace, metadataOf } from './metadata.ts';
import { patchedValue, patchTypeOf, readPatch, refusedPatch } from './patch-value.ts';
import { readEntry } from './read.ts';
import type { Scope } from './scope.ts';
import { managerOf, parseWriteOptions, type WriteOptions } from './write-options.ts';

const field = pathsOf<Scale>();

const scaleKind = bodyKind({ group: 'autoscaling', version: 'v1', kind: 'Scale' });

/** Where replicas lie for kinds whose strategy does not say. */
const replicasPath = ['spec', 'replicas'];
const statusPath = ['status', 'replicas'];

function scaleOf(scope: Scope, object: KubeObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata!;
  const rules = scope.served.strategy.scale;
  const selector = rules?.selector(object) ?? '';
  const replicas = numberAt(object, specPath(scope));
  return {
    kind: scaleKind.kind,
    apiVersion: scaleKind.apiVersion,
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    // Go leaves this one out at zero, and not that of the status.
    spec: replicas === 0 ? {} : { replicas },
    status: {
      replicas: numberAt(object, rules?.statusReplicasPath ?? statusPath),
      ...(selector === '' ? {} : { selector }),
    },
  };
}

function valueAt(object: object, path: readonly string[]): unknown {
  let value: unknown = object;
  for (const step of path) value = (value as JsonObject | undefined)?.[step];
  return value;
}

function numberAt(object: object, path: readonly string[]): number {
  const value = valueAt(object, path);
  return typeof value === 'number' ? value : 0;
}

/** Answers GET of a scale. */
export async function getScale(scope: Scope): Promise<ApiResponse> {
  const entry = await readEntry(scope);
  return objectResponse(200, scaleOf(scope, scope.served.view.object(entry)));
}

/** Answers PUT of a scale. */
export async function updateScale(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'UpdateOptions');
  const scale = decodeBody(scope, scaleKind, options.fieldValidation);
  ensureNamespace(scope, metadataOf(scale));
  checkName(scope, metadataOf(scale));
  return changeScale(scope, options, { draft: (old) => scaled(scope, scale, old) });
}

/** Answers PATCH of a scale. */
export async function patchScale(scope: Scope): Promise<ApiResponse> {
  const type = patchTypeOf(scope.request);
  if (type === 'apply') return applyScale(scope);
  const options = parseWriteOptions(scope.info.query, 'PatchOptions');
  const { patch, faults } = readPatch(scope.body, { type, validation: options.fieldValidation });
  let validation = options.fieldValidation;
  return changeScale(scope, options, {
    draft(old) {
      const value = patchedValue(type, { patch, old: scaleOf(scope, old), schema: scaleKind.schema });
      const refuse = (why: string): StatusError => refusedPatch(type, { patch, value, why });
      const scale = draftOf(scope, value, { kind: scaleKind, validation, owned: false, duplicates: faults, refuse });
      // What is warned of once is not warned of again after a lost race.
      if (validation === 'Warn') validation = 'Ignore';
      return scaled(scope, scale, old);
    },
  });
}

/** Applies a scale: its manager comes to own the replicas of the object itself. Source: `managedfields.ScaleHandler`. */
async function applyScale(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'PatchOptions', true);
  const scale = decodeConfig(scope, scaleKind, options.fieldValidation);
  checkReplicas(scope, scale);
  const { served, info } = scope;
  const config: JsonObject = { apiVersion: served.apiVersion, kind: served.info.kind, metadata: metadataOf(scale) };
  const replicas = valueAt(scale, replicasPath);
  if (replicas !== undefined) setAt(config, specPath(scope), replicas);
  return changeScale(scope, options, {
    isApply: true,
    draft: (live) => applied(scope, config, { live, options, subresource: info.subresource }),
  });
}

function changeScale(
  scope: Scope,
  options: WriteOptions,
  how: Pick<Change, 'draft' | 'isApply'>,
): Promise<ApiResponse> | ApiResponse {
  return changeObject(scope, {
    ...how,
    dryRun: options.dryRun,
    manager: managerOf(options, scope.request.headers),
    subresource: 'scale',
    answer: (object) => objectResponse(200, scaleOf(scope, object)),
  });
}

/** The object with the replicas that the scale wants; what names another object or state is refused as such a change of it is. */
function scaled(scope: Scope, scale: JsonObject, old: KubeObject): JsonObject {
  checkReplicas(scope, scale);
  const { name, namespace, uid, resourceVersion } = metadataOf(scale);
  const draft = deepClone(old);
  const metadata = metadataOf(draft);
  for (const [field, value] of Object.entries({ name, namespace, uid, resourceVersion })) {
    if (value !== undefined && value !== '') metadata[field] = value;
  }
  setAt(draft, specPath(scope), numberAt(scale, replicasPath));
  return draft;
}

function checkReplicas(scope: Scope, scale: JsonObject): void {
  const replicas = numberAt(scale, replicasPath);
  if (replicas >= 0) return;
  const error = invalid(field('spec.replicas'), replicas, 'must be greater than or equal to 0');
  throw invalidObject(scaleKind, scope.info.parts[1] ?? '', [error]);
}

function specPath({ served }: Scope): readonly string[] {
  return served.strategy.scale?.specReplicasPath ?? replicasPath;
}

function setAt(draft: JsonObject, path: readonly string[], value: unknown): void {
  let target = draft;
  for (const step of path.slice(0, -1)) {
    target[step] ??= {};
    target = target[step] as JsonObject;
  }
  target[path.at(-1)!] = value;
}
