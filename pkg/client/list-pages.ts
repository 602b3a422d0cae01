/**
 * A whole collection read in pages, so that no answer holds a large cluster in one body. All pages are of one state of the server.
 * Upstream counterpart: client-go `tools/pager`.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { isExpired } from '#pkg/apimachinery/status-error.ts';
import type { ListOptions, ResourceClient } from './client.ts';

/** Objects in a page. Source: client-go `tools/pager` `defaultPageSize`. */
const pageItems = 500;

/** All items of a collection, of one moment. */
export interface CompleteList<T> {
  readonly items: readonly T[];
  /** The version of the server's state that the list shows. */
  readonly resourceVersion: string;
}

/**
 * Lists everything that `options` select. When the server forgets the state that the pages are of before the last was read, it is asked
 * once more for all of it in one answer: a collection that takes longer to page through than history lasts would never be read else.
 */
export async function listInPages<T extends KubeObject>(
  resource: ResourceClient<T>,
  options: Omit<ListOptions, 'continue' | 'limit'> = {},
): Promise<CompleteList<T>> {
  const { resourceVersion: _, resourceVersionMatch: __, ...following } = options;
  let page = await resource.list({ ...options, limit: pageItems });
  const items = [...page.items];
  while (page.metadata.continue) {
    try {
      page = await resource.list({ ...following, limit: pageItems, continue: page.metadata.continue });
    } catch (error) {
      if (!isExpired(error)) throw error;
      const whole = await resource.list(following);
      return { items: whole.items, resourceVersion: whole.metadata.resourceVersion ?? '' };
    }
    for (const item of page.items) items.push(item);
  }
  return { items, resourceVersion: page.metadata.resourceVersion ?? '' };
}
