/** An object in the place of one that cannot become it: the old one is deleted, and when it is gone the new one is created. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { KubectlContext } from './context.ts';
import { waitUntilGone } from './delete.ts';
import { pathOf } from './discovery.ts';
import type { Target } from './targets.ts';

/** What is to be there, and in whose name. */
export interface Recreation {
  readonly target: Target;
  readonly body: JsonObject;
  readonly manager: string;
  /** Options of the deletion, such as `gracePeriodSeconds`. */
  readonly options?: JsonObject;
}

/** Resolves to the new object. Throws what the API answers. */
export async function recreate(context: KubectlContext, wanted: Recreation): Promise<JsonObject> {
  const { target, body, manager, options = {} } = wanted;
  const path = pathOf(target.mapping, target.namespace, target.name);
  try {
    await context.api.call({
      method: 'DELETE',
      path,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', ...options },
    });
    await waitUntilGone(context, target, 0);
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
  }
  const { object } = await context.api.call({
    method: 'POST',
    path: pathOf(target.mapping, target.namespace),
    query: { fieldManager: manager },
    body,
  });
  return object;
}
