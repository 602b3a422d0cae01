/** What every kind with a status subresource does: the status is the controllers', so creates reset it and updates keep it. */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy, SubresourceStrategy } from '#pkg/apiserver/strategy.ts';
import { restoreField } from './draft.ts';

/** `prepareForCreate` and `prepareForUpdate` of a kind whose status starts as `initial`. */
export function ownStatus(initial: JsonObject = {}): Required<Pick<Strategy, 'prepareForCreate' | 'prepareForUpdate'>> {
  return {
    prepareForCreate(draft) {
      draft.status = structuredClone(initial);
    },
    prepareForUpdate(draft, old) {
      keepStatus(draft, old);
    },
  };
}

/** Puts the status of `old` into the draft. */
export function keepStatus(draft: JsonObject, old: KubeObject): void {
  restoreField(draft, old, 'status');
}

/** The status subresource of kinds whose status updates change no metadata. Source: upstream `ResetObjectMetaForStatus`. */
export const statusAlone: SubresourceStrategy = {
  keepsMetadata: ['annotations', 'finalizers', 'labels', 'ownerReferences'],
};
