/** Drafts of requests with the type of their resource. */
import type { Draft } from '#pkg/apimachinery/draft.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/** The draft of a request for the resource that `ref` names, which was decoded as what that says. */
export function draftOf<T extends KubeObject>(ref: ResourceRef<T>, draft: JsonObject | undefined): Draft<T> | undefined;
export function draftOf(_: ResourceRef, draft: JsonObject | undefined): JsonObject | undefined {
  return draft;
}
