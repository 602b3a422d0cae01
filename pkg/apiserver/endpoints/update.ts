/** UPDATE of an object or a subresource that is a part of it. Source: apiserver `endpoints/handlers/update.go`. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { changeObject, checkName } from './change.ts';
import { createDraft } from './create.ts';
import { decodeDraft } from './decode.ts';
import { ensureNamespace, metadataOf } from './metadata.ts';
import type { Scope } from './scope.ts';
import { managerOf, parseWriteOptions } from './write-options.ts';

/** Answers PUT. */
export function updateObject(scope: Scope): Promise<ApiResponse> | ApiResponse {
  const options = parseWriteOptions(scope.info.query, 'UpdateOptions');
  const manager = managerOf(options, scope.request.headers);
  let first = decodeDraft(scope, options.fieldValidation, sentBack(scope)) as
    | ReturnType<typeof decodeDraft>
    | undefined;
  const metadata = metadataOf(first!);
  ensureNamespace(scope, metadata);
  checkName(scope, metadata);
  // A draft is used up by each attempt, so every attempt after the first decodes the body again.
  const take = () => {
    const draft = first ?? decodeDraft(scope, 'Ignore');
    first = undefined;
    return draft;
  };
  const { subresource } = scope.info;
  const name = scope.info.parts[1] ?? '';
  const creates = subresource === '' && scope.served.strategy.createOnUpdate === true;
  return changeObject(scope, {
    dryRun: options.dryRun,
    manager,
    subresource,
    draft: take,
    ...(creates ? { create: () => createDraft(scope, take(), { dryRun: options.dryRun, manager, name }) } : {}),
  });
}

/** What is stored, for a caller in this process, who may send parts of what it was given; undefined where that is not at hand. */
function sentBack({ served, info, body }: Scope): KubeObject | undefined {
  if (body?.kind !== 'object') return undefined;
  const entry = served.store.peek(served.store.key(info.namespace, info.parts[1] ?? ''));
  return entry?.known === undefined ? undefined : served.view.object(entry);
}
