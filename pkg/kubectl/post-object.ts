/** The creation of an object by the commands that make some, with the flags that all of them have. Source: kubectl `cmd/create/create.go`, `cmd/apply/apply.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { KubectlContext } from './context.ts';
import { type Mapping, pathOf } from './discovery.ts';
import { dryRunQuery, fieldValidation } from './printing.ts';

/** What is to be created, and of which resource. */
export interface NewObject {
  readonly mapping: Mapping;
  readonly namespace?: string | undefined;
  readonly body: JsonObject;
}

/** The flags. */
export interface PostValues {
  readonly 'dry-run': string;
  readonly 'field-manager': string;
  readonly validate?: string | undefined;
}

/** The object as the server made it; with `--dry-run=client` as it would be sent. Throws a StatusError. */
export async function postObject(
  context: KubectlContext,
  values: PostValues,
  { mapping, namespace, body }: NewObject,
): Promise<JsonObject> {
  const { 'dry-run': dryRun, 'field-manager': fieldManager, validate } = values;
  if (dryRun === 'client') return body;
  const { object } = await context.api.call({
    method: 'POST',
    path: pathOf(mapping, namespace),
    query: {
      fieldManager,
      fieldValidation: validate === undefined ? undefined : fieldValidation(validate),
      dryRun: dryRunQuery(dryRun),
    },
    body,
  });
  return object;
}
