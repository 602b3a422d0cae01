/** Managed fields of writes that are not applies. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { type CreatedSets, trackUpdate } from '#pkg/apimachinery/managed-fields/track.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { isEmptyCollection } from '#pkg/apimachinery/omit-empty.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Scope } from './scope.ts';
import { versionsOf } from './versions.ts';

/** A write before its fields are put down to its manager. */
export interface TrackedWrite {
  readonly draft: JsonObject;
  readonly old: KubeObject | undefined;
  readonly manager: string;
  readonly subresource: string;
  /** What is known of a new object. */
  readonly created?: CreatedSets;
}

/** Records in the draft which fields its manager has set. */
export function trackManager(scope: Scope, { draft, old, manager, subresource, created }: TrackedWrite): void {
  const { served, core } = scope;
  const entries = trackUpdate({
    live: old,
    updated: (old === undefined ? withoutReset(scope, draft) : draft) as KubeObject,
    manager,
    apiVersion: served.apiVersion,
    versions: versionsOf(scope),
    timestamp: timestamp(core.clock),
    subresource,
    schema: served.schema,
    ...(created === undefined ? {} : { created }),
  });
  const metadata = draft.metadata as JsonObject;
  if (entries.length > 0) metadata.managedFields = entries;
  else delete metadata.managedFields;
}

/** A status that a client sends on create is dropped, so nobody owns it. Some kinds bring theirs. */
export function withoutReset({ served }: Scope, draft: JsonObject): JsonObject {
  // Nobody owns an empty one anyway.
  if (!isObject(draft.status) || isEmptyCollection(draft.status) || !dropsStatus(served)) return draft;
  const { status: _, ...rest } = draft;
  return rest;
}

/** Whether the main resource leaves the status to its subresource. */
export function dropsStatus({ hasStatus, strategy }: Scope['served']): boolean {
  return hasStatus && strategy.createsWithStatus !== true;
}
