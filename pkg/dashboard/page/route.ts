/** Which view is shown, in the part of the address behind `#`, which no server sees: a view can be linked to and gone back to. */
import { signal } from '@preact/signals';
import type { ResourceId } from '../model/protocol.ts';

/** The page, the words after it, and what narrows it down. */
export interface Route {
  readonly page: string;
  readonly words: readonly string[];
  readonly params: Readonly<Record<string, string>>;
}

/** The present view. */
export const route = signal<Route>(routeOf(location.hash));

addEventListener('hashchange', () => {
  route.value = routeOf(location.hash);
});

function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page = '', ...words] = path.split('/').map((word) => decodeURIComponent(word));
  return { page: page === '' ? 'nodes' : page, words, params: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a view. */
export function hrefOf(
  page: string,
  words: readonly string[] = [],
  params: Readonly<Record<string, string>> = {},
): string {
  const path = [page, ...words].map((word) => encodeURIComponent(word)).join('/');
  const given = Object.entries(params).filter(([, value]) => value !== '');
  return given.length === 0 ? `#/${path}` : `#/${path}?${new URLSearchParams(given)}`;
}

/** Shows the present view with other params, in the place of what is shown. */
export function narrow(params: Readonly<Record<string, string>>): void {
  const { page, words, params: before } = route.value;
  history.replaceState(null, '', hrefOf(page, words, { ...before, ...params }));
  route.value = routeOf(location.hash);
}

/** The address of a list. */
export function listHref(
  { group, version, resource }: ResourceId,
  params: Readonly<Record<string, string>> = {},
): string {
  return hrefOf('list', [group === '' ? '-' : group, version, resource], params);
}

/** The address of an object. */
export function objectHref({ group, version, resource }: ResourceId, namespace: string, name: string): string {
  return hrefOf('object', [group === '' ? '-' : group, version, resource, namespace === '' ? '-' : namespace, name]);
}

/** The resource that the words of a list or an object begin with. */
export function resourceIn([group = '-', version = '', resource = '']: readonly string[]): ResourceId {
  return { group: group === '-' ? '' : group, version, resource };
}
