/** The changes of what `get -w` shows. */
import { parseJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { digText, linesOf } from './api.ts';
import type { KubectlContext } from './context.ts';
import { pathOf } from './discovery.ts';
import type { GetValues } from './get-flags.ts';
import type { Target } from './targets.ts';

/** What is watched, and from when. */
export interface WatchOptions {
  readonly target: Target;
  /** Changes after this one; `''` for those from now on. */
  readonly resourceVersion: string;
  readonly accept: string;
}

/** Calls `onEvent` for every change until the signal is aborted; connects again when the server ends the watch. */
export async function watchTarget(
  context: KubectlContext,
  values: GetValues,
  { target, resourceVersion, accept }: WatchOptions,
  onEvent: (event: JsonObject) => void,
): Promise<void> {
  const path = pathOf(target.mapping, values['all-namespaces'] ? undefined : target.namespace);
  const fieldSelector = target.name === undefined ? values['field-selector'] : `metadata.name=${target.name}`;
  let version = resourceVersion;
  while (!context.signal.aborted) {
    const query = {
      watch: 'true',
      resourceVersion: version || undefined,
      labelSelector: values.selector || undefined,
      fieldSelector: fieldSelector || undefined,
      includeObject: values['sort-by'] === '' ? undefined : 'Object',
    };
    try {
      for await (const line of linesOf(
        await context.api.stream({ method: 'GET', path, query, accept, signal: context.signal }),
      )) {
        if (line === '') continue;
        const event = parseJson(line) as JsonObject;
        if (event.type === 'ERROR') throw StatusError.from(event.object as never);
        version =
          digText(event, 'object', 'metadata', 'resourceVersion') ||
          digText(event, 'object', 'rows', 0, 'object', 'metadata', 'resourceVersion') ||
          version;
        if (event.type !== 'BOOKMARK') onEvent(event);
      }
    } catch (error) {
      if (context.signal.aborted) return;
      if (!(error instanceof StatusError) || (error.reason !== 'Expired' && error.reason !== 'Gone')) throw error;
      version = '';
    }
  }
}
