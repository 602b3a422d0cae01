/** What filters do to headers, paths and addresses. Pure. Source: Gateway API reference, `HTTPHeaderFilter`, `HTTPPathModifier`, `HTTPRequestRedirectFilter`. */
import { hopHeaders } from '#pkg/apimachinery/hop-headers.ts';
import type { CompiledMatch, Filters, HeaderEdit, PathEdit, Redirect } from '../model/table.ts';

/** Headers by name in lower case, each with its values in order. */
export type HeaderMap = Map<string, readonly string[]>;

/** The headers that go on, without those of the connection, which may name more of them. */
export function endToEnd(headers: Readonly<Record<string, readonly string[] | undefined>>): HeaderMap {
  const named = (headers.connection ?? []).flatMap((value) =>
    value
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  const dropped = new Set([...hopHeaders, ...named]);
  const kept: HeaderMap = new Map();
  for (const [name, values] of Object.entries(headers))
    if (values !== undefined && !dropped.has(name)) kept.set(name, values);
  return kept;
}

/** Does what a filter says: sets, then adds, then removes. */
function editHeaders(headers: HeaderMap, edit: HeaderEdit | undefined): void {
  if (edit === undefined) return;
  for (const { name, value } of edit.set) headers.set(name, [value]);
  for (const { name, value } of edit.add) headers.set(name, [...(headers.get(name) ?? []), value]);
  for (const name of edit.remove) headers.delete(name);
}

/** The path with something in its place, or in that of the prefix that matched. */
export function editPath(path: string, match: Pick<CompiledMatch, 'path'>, edit: PathEdit | undefined): string {
  if (edit === undefined) return path;
  if ('full' in edit) return edit.full === '' ? '/' : edit.full;
  const matched = match.path.value.replace(/\/$/, '');
  const rest = path.slice(matched.length);
  const start = edit.prefix.replace(/\/$/, '');
  const whole = `${start}${rest === '' || rest.startsWith('/') ? rest : `/${rest}`}`;
  // A prefix that is replaced by nothing leaves the root, and one by a path that ends with a slash keeps it.
  if (whole === '') return '/';
  return rest === '' && edit.prefix.endsWith('/') ? edit.prefix : whole;
}

/** Where a request came to. */
export interface ArrivedAt {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  /** The port at which clients come. */
  readonly port: number;
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
}

const portOfScheme: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** The address that a redirect sends a client to. */
export function redirectTo(redirect: Redirect, match: Pick<CompiledMatch, 'path'>, at: ArrivedAt): string {
  const scheme = redirect.scheme ?? at.scheme;
  const own = redirect.scheme === undefined || redirect.scheme === at.scheme ? at.port : portOfScheme[scheme];
  const port = redirect.port ?? own;
  const host = redirect.hostname ?? at.host;
  const authority = port === undefined || port === portOfScheme[scheme] ? host : `${host}:${port}`;
  return `${scheme}://${authority}${editPath(at.path, match, redirect.path)}${at.query}`;
}

/** The filters of a rule and of the backend that was chosen, as one after the other. */
export function headerEdits(
  which: 'requestHeaders' | 'responseHeaders',
  ...filters: readonly Filters[]
): (headers: HeaderMap) => void {
  return (headers) => {
    for (const one of filters) editHeaders(headers, one[which]);
  };
}

/** The headers as Node takes them: no list for those of which there is one, such as the host. */
export function toNode(headers: HeaderMap): Record<string, string | string[]> {
  return Object.fromEntries(
    [...headers].map(([name, values]) => {
      const [only] = values;
      return [name, values.length === 1 && only !== undefined ? only : [...values]];
    }),
  );
}
