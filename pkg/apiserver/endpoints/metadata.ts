/** What the server itself writes into an object's metadata. Source: apiserver `registry/rest` `BeforeCreate`, `BeforeUpdate`. */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { nameSuffix } from '#pkg/base/random.ts';
import type { Scope } from './scope.ts';

/** Longest generated name: what remains for the base is this less five random letters. */
const generatedNameMax = 63;
const suffixLength = 5;

/** The metadata of a draft, made when it has none. */
export function metadataOf(draft: JsonObject): JsonObject {
  let metadata = draft.metadata;
  if (typeof metadata !== 'object' || metadata === null) {
    metadata = {};
    draft.metadata = metadata;
  }
  return metadata as JsonObject;
}

/**
 * Brings the namespace of the draft and that of the path together. What belongs to the cluster loses its own. Throws BadRequest where
 * they differ. Source: apiserver `registry/rest/meta.go` `EnsureObjectNamespaceMatchesRequestNamespace`.
 */
export function ensureNamespace(scope: Scope, metadata: JsonObject): void {
  const { namespace } = scope.info;
  if (!scope.served.info.namespaced) delete metadata.namespace;
  else if ((metadata.namespace ?? '') === '') metadata.namespace = namespace;
  else if (metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

/** A name from `generateName`; the caller tries again when it is taken. */
export function generateName(scope: Scope, metadata: JsonObject): string {
  const base = (metadata.generateName as string).slice(0, generatedNameMax - suffixLength);
  return base + nameSuffix(scope.core.random, suffixLength);
}

/** Metadata that only the server sets, for a new object. */
export function stampNew(scope: Scope, metadata: JsonObject): void {
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.resourceVersion;
  metadata.uid = scope.core.random.uuid();
  metadata.creationTimestamp = timestamp(scope.core.clock);
  if (scope.served.tracksGeneration) metadata.generation = 1;
  else delete metadata.generation;
}

/** Metadata that an update cannot change comes from the old object. */
export function keepServerMetadata(metadata: JsonObject, old: KubeObject): void {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, generateName } =
    old.metadata ?? {};
  restore(metadata, 'selfLink', undefined);
  restore(metadata, 'uid', uid);
  restore(metadata, 'creationTimestamp', creationTimestamp);
  restore(metadata, 'deletionTimestamp', deletionTimestamp);
  restore(metadata, 'deletionGracePeriodSeconds', deletionGracePeriodSeconds);
  restore(metadata, 'generation', generation);
  if (metadata.generateName === undefined) restore(metadata, 'generateName', generateName);
}

function restore(metadata: JsonObject, field: string, value: unknown): void {
  if (metadata[field] === value) return;
  if (value === undefined) delete metadata[field];
  else metadata[field] = value;
}

/** The finalizers that an object still waits for: those of the metadata and what its rules count besides. */
export function pendingFinalizers({ served }: Scope, object: KubeObject): number {
  return (object.metadata?.finalizers?.length ?? 0) + (served.strategy.pendingFinalizers?.(object) ?? 0);
}
