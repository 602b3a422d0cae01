/**
 * How controllers write EndpointSlices and see what they wrote: a slice that was created and not yet seen would be created twice, and one that is seen as it was before written in vain, so a key is not worked
 * on again until its writes have been. Upstream counterpart: `staging/src/k8s.io/endpointslice/util/endpointslice_tracker.go`.
 */
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Expectations } from '#pkg/client/expectations.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { LastWrites } from '../common/last-writes.ts';
import type { SliceChanges } from './distribution.ts';
import { managedByLabel, serviceNameLabel } from './slices.ts';

/** The `namespace/name` of the Service or Endpoints that a slice of `manager` belongs to; undefined for slices of others. */
export function sliceSource(slice: EndpointSlice, manager: string): string | undefined {
  const { labels, namespace } = slice.metadata ?? {};
  if (labels?.[managedByLabel] !== manager || !labels[serviceNameLabel]) return undefined;
  return `${namespace}/${labels[serviceNameLabel]}`;
}

/** What was written of slices and is still to be seen. */
export interface SliceTracker {
  readonly expectations: Expectations;
  readonly writes: LastWrites;
}

/** Whether a slice is known as it was before it was written here: the event of that write has its key looked at again. */
export function isBehind({ writes }: SliceTracker, slices: readonly EndpointSlice[]): boolean {
  return slices.some((slice) => writes.isBehind(objectKey(slice), slice));
}

/** Makes the changes of one key, one after the other; the first that is refused ends it. Slices that are gone already are no error. */
export async function writeSlices(
  { client, expectations, writes }: SliceTracker & { readonly client: Client },
  key: string,
  { create, update, remove }: SliceChanges,
): Promise<void> {
  const resource = client.resource(endpointSlices);
  if (create.length > 0) expectations.expectCreations(key, create.length);
  try {
    for (const slice of create) await resource.create(slice);
  } catch (error) {
    expectations.forget(key);
    throw error;
  }
  for (const slice of update) writes.wrote(objectKey(slice), await resource.update(slice));
  for (const { metadata } of remove) {
    const { name = '', namespace = '' } = metadata ?? {};
    await resource.delete(name, { namespace }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

/** Calls `enqueue` with the key of each slice of `manager` that comes, changes or goes, and notes those that were waited for. */
export function watchSlices(
  slices: Informer<EndpointSlice>,
  options: SliceTracker & { readonly manager: string; readonly enqueue: (key: string) => void },
): void {
  const { manager, expectations, writes, enqueue } = options;
  const changed = (slice: EndpointSlice): void => {
    const key = sliceSource(slice, manager);
    if (key !== undefined) enqueue(key);
  };
  slices.addHandler({
    added: (slice) => {
      const key = sliceSource(slice, manager);
      if (key === undefined) return;
      expectations.creationObserved(key);
      enqueue(key);
    },
    updated: (_, slice) => changed(slice),
    deleted: (slice) => {
      writes.forget(objectKey(slice));
      changed(slice);
    },
  });
}
