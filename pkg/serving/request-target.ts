/**
 * What a request line asks for. The one way in which every server of the project reads it, as no client may end a process by what it
 * writes there. Invariant: never throws, whatever the text. Decodes nothing: `%2F` stays as it came.
 * Upstream counterpart: `net/url` `ParseRequestURI` as `net/http` `readRequest` uses it.
 */

/** A request target in its parts. */
export interface RequestTarget {
  /** As on the wire, percent-encoded. `*` of `OPTIONS *` stays as it is. */
  readonly path: string;
  /** Without its question mark; `''` when there is none. */
  readonly query: string;
}

/**
 * Takes a request target apart; an absent or empty one is `/`. What a client that takes this server for a proxy asks for has the server's
 * address before it, which is left out. Source: RFC 9112 section 3.2.2.
 */
export function parseTarget(target: string | undefined): RequestTarget {
  const text = target === undefined || target === '' ? '/' : target;
  const local = text.charCodeAt(0) === 47 ? text : text.replace(/^https?:\/\/[^/?]*/i, '') || '/';
  const mark = local.indexOf('?');
  if (mark < 0) return { path: local, query: '' };
  return { path: mark === 0 ? '/' : local.slice(0, mark), query: local.slice(mark + 1) };
}
