/** Where a resource lives on the server, and how the options of a call become a query. */
import type { ResourceRef } from '#pkg/apimachinery/object.ts';
import type { ListOptions, WatchCallOptions, WriteOptions } from './client.ts';

/** What a path addresses; without a name it is the collection. */
export interface PathTarget {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The path of a collection, object or subresource, percent-encoded. */
export function resourcePath(ref: ResourceRef, target: PathTarget): string {
  const root = ref.group === '' ? `/api/${ref.version}` : `/apis/${ref.group}/${ref.version}`;
  const scope = ref.namespaced && target.namespace ? `/namespaces/${encodeURIComponent(target.namespace)}` : '';
  const name = target.name === undefined ? '' : `/${encodeURIComponent(target.name)}`;
  return `${root}${scope}/${ref.resource}${name}${target.subresource ? `/${target.subresource}` : ''}`;
}

/** Pairs as a query string without its question mark; undefined values are left out. */
export function queryOf(pairs: Readonly<Record<string, string | number | boolean | undefined>>): string {
  let query = '';
  for (const name in pairs) {
    const value = pairs[name];
    if (value === undefined) continue;
    query += `${query === '' ? '' : '&'}${name}=${encodeURIComponent(value)}`;
  }
  return query;
}

/** The query of a list. */
export function listQuery(options: ListOptions): Record<string, string | number | boolean | undefined> {
  return {
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    limit: options.limit,
    continue: options.continue,
    resourceVersion: options.resourceVersion,
    resourceVersionMatch: options.resourceVersionMatch,
  };
}

/** The query of a watch. */
export function watchQuery(options: WatchCallOptions): Record<string, string | number | boolean | undefined> {
  return {
    ...listQuery(options),
    watch: true,
    allowWatchBookmarks: options.allowWatchBookmarks,
    sendInitialEvents: options.sendInitialEvents,
    timeoutSeconds: options.timeoutSeconds,
  };
}

/** The query of a write. */
export function writeQuery(options: WriteOptions): Record<string, string | number | boolean | undefined> {
  return { dryRun: options.dryRun ? 'All' : undefined, fieldManager: options.fieldManager };
}
