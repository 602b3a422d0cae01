/** What every kind with a status subresource does: the status is the controllers', so creates reset it and updates keep it. */
import type { Draft } from '#pkg/apimachinery/draft.ts';
import type { SubresourceStrategy } from '#pkg/apiserver/strategy.ts';
import { restoreField } from './draft.ts';

interface OwnStatus {
  prepareForCreate(draft: { status?: unknown }): void;
  prepareForUpdate(draft: { status?: unknown }, old: { readonly status?: unknown }): void;
}

/** `prepareForCreate` and `prepareForUpdate` of a kind whose status, a `Status`, starts as `initial`. */
export function ownStatus<Status = never>(initial?: Draft<NoInfer<Status>>): OwnStatus {
  return {
    prepareForCreate(draft) {
      draft.status = structuredClone(initial ?? {});
    },
    prepareForUpdate: keepStatus,
  };
}

/** Puts the status of `old` into the draft. */
export function keepStatus(draft: { status?: unknown }, old: { readonly status?: unknown }): void {
  restoreField(draft, old, 'status');
}

/** The status subresource of kinds whose status updates change no metadata. Source: upstream `ResetObjectMetaForStatus`. */
export const statusAlone = {
  keepsMetadata: ['annotations', 'finalizers', 'labels', 'ownerReferences'],
} satisfies SubresourceStrategy;
