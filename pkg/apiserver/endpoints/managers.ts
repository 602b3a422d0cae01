/** Managed fields of writes that are not applies. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { type CreatedSets, trackUpdate } from '#pkg/apimachinery/managed-fields/track.ts';
import type { JsonObject, KubeObject, ManagedFieldsEntry } from '#pkg/apimachinery/object.ts';
import { isEmptyCollection } from '#pkg/apimachinery/omit-empty.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Scope } from './scope.ts';
import { inVersions } from './versions.ts';

/** A write before its fields are put down to its manager. */
export interface TrackedWrite {
  readonly draft: JsonObject;
  readonly old: KubeObject | undefined;
  readonly manager: string;
  readonly subresource: string;
  /** What is known of a new object. */
  readonly created?: CreatedSets;
}

/** Records in the draft which fields its manager has set: at once, but for a change of an object that somebody else converts. */
export function trackManager(scope: Scope, write: TrackedWrite): Promise<void> | undefined {
  const { served, core } = scope;
  const { draft, old, manager, subresource, created } = write;
  const tracking = inVersions(scope, (versions) =>
    trackUpdate({
      live: old,
      updated: (old === undefined ? withoutReset(scope, draft) : draft) as KubeObject,
      manager,
      apiVersion: served.apiVersion,
      versions,
      timestamp: timestamp(core.clock),
      subresource,
      schema: served.schema,
      created,
    }),
  );
  if (tracking instanceof Promise) return tracking.then((entries) => record(draft, entries));
  record(draft, tracking);
  return undefined;
}

function record(draft: JsonObject, entries: readonly ManagedFieldsEntry[]): void {
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
