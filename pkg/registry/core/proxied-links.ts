/**
 * Where links and redirects of an answer lead, seen from outside of the proxy that it came through. Source: apimachinery `util/proxy/transport.go`
 * `Transport.rewriteURL`, `rewriteResponse`.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createInflateRaw } from 'node:zlib';
import type { ApiResponse, HttpHeaders, ResponseBody } from '#pkg/apimachinery/http.ts';
import { rewrittenPage } from './page-links.ts';

/** The proxy, as paths show it. */
export interface SeenFrom {
  /** Path of the proxy. */
  readonly prefix: string;
  /** Host that the answer is from. */
  readonly host: string;
  /** Host that the client asked. */
  readonly asked: string;
}

interface Link {
  /** With the scheme, where it names one. */
  readonly authority: string | undefined;
  /** Below the proxy. */
  readonly path: string;
}

/** A link to the host that it is from, or to the one that was asked; undefined for others and for relative ones. */
function ownLink(link: string, { prefix, host, asked }: SeenFrom): Link | undefined {
  const [, scheme, authority, path = ''] = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?(.*)$/is.exec(link) ?? [];
  const isElsewhere = authority !== undefined && authority !== host && authority !== asked;
  if (isElsewhere || !path.startsWith('/') || (scheme !== undefined && authority === undefined)) return undefined;
  const below = path.startsWith(`${prefix}/`) || path === prefix ? path : `${prefix}${path}`;
  return { authority: authority === undefined ? undefined : link.slice(0, link.length - path.length), path: below };
}

/** Where a redirect leads. */
export function redirectBelow(location: string, seen: SeenFrom): string {
  const own = ownLink(location, seen);
  if (own === undefined) return location;
  return seen.asked === '' ? own.path : `https://${seen.asked}${own.path}`;
}

/** Where a link of a page leads: to the server that the client asked, which it knows how to reach. */
export function linkBelow(link: string, seen: SeenFrom): string {
  const own = ownLink(link, seen);
  if (own === undefined) return link;
  const isAsked = own.authority?.endsWith(`//${seen.asked}`) === true;
  return isAsked ? `${own.authority}${own.path}` : own.path;
}

/** An answer whose links are changed where it is a page; a page in an encoding that is not known here stays as it is. */
export function withLinks(answer: ApiResponse, rewrite: (link: string) => string): ApiResponse {
  const type = (answer.headers['content-type'] ?? '').split(';')[0]?.trim();
  if (type !== 'text/html') return answer;
  const chunks = decoded(answer.body, answer.headers['content-encoding'] ?? '');
  if (chunks === undefined) return answer;
  const kept: Record<string, string | undefined> = { ...answer.headers };
  for (const name of ['content-encoding', 'content-length']) delete kept[name];
  const headers: HttpHeaders = kept;
  return { ...answer, headers, body: { kind: 'stream', chunks: rewrittenPage(chunks, rewrite) } };
}

function decoded(body: ResponseBody, encoding: string): AsyncIterable<Uint8Array> | undefined {
  const chunks = body.kind === 'stream' ? body.chunks : body.kind === 'bytes' ? oneChunk(body.bytes) : undefined;
  if (chunks === undefined || encoding === '') return chunks;
  if (encoding !== 'gzip' && encoding !== 'deflate') return undefined;
  // What is wrong with the bytes ends the body, for whoever reads it.
  return pipeline(Readable.from(chunks), encoding === 'gzip' ? createGunzip() : createInflateRaw(), () => {});
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
