/**
 * What a request asks for, read from its method, path and query once. The resource path is regular, so it is split by hand rather
 * than matched against routes.
 * Source: apiserver `endpoints/request/requestinfo.go`.
 */
import { Buffer } from 'node:buffer';
import { badRequest } from '#pkg/apimachinery/status-error.ts';

/** Verbs of resource requests; other requests have their lower-case method. */
export type ResourceVerb =
  | 'create'
  | 'delete'
  | 'deletecollection'
  | 'get'
  | 'list'
  | 'patch'
  | 'proxy'
  | 'update'
  | 'watch';

/** What a request is about. Source: apiserver `endpoints/request/requestinfo.go`. */
export interface RequestInfo {
  /** As sent, percent-encoded. */
  readonly path: string;
  /** The lower-case method where `isResource` is false. */
  readonly verb: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Decoded segments from the resource on: `[resource, name, subresource, …]`. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

const emptyQuery = new URLSearchParams();
const namespaceSubresources: ReadonlySet<string> = new Set(['finalize', 'status']);

const methodVerbs: Readonly<Record<string, ResourceVerb>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Reads a request line. Throws BadRequest for a path that does not decode. */
export function parseRequestInfo(method: string, path: string, queryText: string): RequestInfo {
  const query = queryText === '' ? emptyQuery : parseQuery(queryText);
  const segments = splitPath(path);
  const first = segments[0];
  const isCore = first === 'api';
  // Discovery of a group or version is not a resource: there has to be a resource after the version.
  if (!(isCore && segments.length >= 3) && !(first === 'apis' && segments.length >= 4)) {
    return nonResource(method, path, query, segments);
  }
  const group = isCore ? '' : segments[1]!;
  const version = isCore ? segments[1]! : segments[2]!;
  let at = isCore ? 2 : 3;
  let verb: ResourceVerb = methodVerbs[method] ?? 'get';
  if (segments[at] === 'watch') {
    verb = 'watch';
    at++;
  }
  let namespace = '';
  if (segments[at] === 'namespaces' && segments.length > at + 1) {
    namespace = segments[at + 1]!;
    if (segments.length > at + 2 && !namespaceSubresources.has(segments[at + 2]!)) at += 2;
  }
  const parts = segments.slice(at);
  let name = parts[1] ?? '';
  const subresource = verb === 'watch' ? '' : (parts[2] ?? '');
  if (name === '') {
    if (verb === 'get') verb = isTrue(query.get('watch')) ? 'watch' : 'list';
    else if (verb === 'delete') verb = 'deletecollection';
    if (verb === 'list' || verb === 'watch' || verb === 'deletecollection') name = selectedName(query);
  }
  return {
    path,
    verb,
    isResource: true,
    group,
    version,
    resource: parts[0] ?? '',
    subresource,
    namespace,
    name,
    parts,
    query,
  };
}

function nonResource(method: string, path: string, query: URLSearchParams, parts: readonly string[]): RequestInfo {
  return {
    path,
    verb: method.toLowerCase(),
    isResource: false,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    parts,
    query,
  };
}

/** A pair that does not decode or holds a semicolon is passed over. Source: Go `net/url` `URL.Query`. */
function parseQuery(text: string): URLSearchParams {
  if (!/[;%]/.test(text)) return new URLSearchParams(text);
  const pairs = text.split('&').filter((pair) => !pair.includes(';') && !badEscape.test(pair));
  return new URLSearchParams(pairs.join('&'));
}

const badEscape = /%(?![0-9a-f]{2}).{0,2}/i;

/** The segments of a path. An encoded slash divides them as a plain one does: Go decodes first. */
function splitPath(encoded: string): string[] {
  const path = encoded.includes('%') ? decodePath(encoded) : encoded;
  const segments: string[] = [];
  let start = path.charCodeAt(0) === 47 ? 1 : 0;
  const end = path.length > start && path.charCodeAt(path.length - 1) === 47 ? path.length - 1 : path.length;
  while (start < end) {
    let slash = path.indexOf('/', start);
    if (slash < 0 || slash > end) slash = end;
    segments.push(path.slice(start, slash));
    start = slash + 1;
  }
  return segments;
}

/** Bytes that are no UTF-8 are a name like any other, which nothing has. */
function decodePath(path: string): string {
  const [fault] = badEscape.exec(path) ?? [];
  if (fault !== undefined) throw badRequest(`invalid URL escape in the path: ${JSON.stringify(fault)}`);
  return path.replaceAll(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll('%', ''), 'hex').toString());
}

/** Go's idea of a true query value: `1`, `true`, and present without a value. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

/** The name that a field selector pins the list to: authorization by resource name holds for it too. */
function selectedName(query: URLSearchParams): string {
  const selector = query.get('fieldSelector');
  if (selector === null) return '';
  for (const term of selector.split(',')) {
    const match = /^metadata\.name==?([^!=]+)$/.exec(term);
    if (match !== null && !/[/%]/.test(match[1]!)) return match[1]!;
  }
  return '';
}
