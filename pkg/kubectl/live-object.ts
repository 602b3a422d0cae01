/** The object that a target means on the server, if it is there, and the document of a target as the server is sent it. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { KubectlContext } from './context.ts';
import type { Target } from './targets.ts';

/** The object at a path; undefined when there is none. */
export async function lookUp(context: KubectlContext, path: string): Promise<JsonObject | undefined> {
  try {
    return (await context.api.call({ method: 'GET', path })).object;
  } catch (error) {
    if (error instanceof StatusError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

/** The document of a target in the namespace that the target is in. */
export function withNamespace(document: JsonObject, target: Target): JsonObject {
  if (target.namespace === undefined) return document;
  const { metadata } = document;
  return { ...document, metadata: { ...(typeof metadata === 'object' ? metadata : {}), namespace: target.namespace } };
}
