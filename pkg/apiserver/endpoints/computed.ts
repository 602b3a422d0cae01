/**
 * GET and LIST of a resource of which nothing is kept: its objects are worked out when somebody asks. Selectors hold for them as for any other;
 * lists are whole, and have no resourceVersion to go on from.
 * Upstream counterpart: a `rest.Storage` of its own, such as the metrics server's.
 */
import { Buffer } from 'node:buffer';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { type KubeObject, objectKey } from '#pkg/apimachinery/object.ts';
import { notFound } from '#pkg/apimachinery/status-error.ts';
import { jsonType } from '../responses.ts';
import type { ComputedResource, Handler } from '../strategy.ts';
import { parseListOptions } from './list-options.ts';
import type { Scope } from './scope.ts';
import { objectSelection } from './selection.ts';

/** What answers `verb`; undefined for verbs that such a resource has not. */
export function computedHandler({ served, info }: Scope): Handler | undefined {
  const { computed } = served.strategy;
  if (computed === undefined) return undefined;
  if (info.verb === 'get') return (scope) => getComputed(scope, computed);
  if (info.verb === 'list') return (scope) => listComputed(scope, computed);
  return undefined;
}

async function getComputed(scope: Scope, computed: ComputedResource): Promise<ApiResponse> {
  const { namespace, parts } = scope.info;
  const name = parts[1] ?? '';
  const object = await computed.get(scope, { namespace, name });
  if (object === undefined) {
    const subject = { ...scope.subject, resource: computed.notFoundAs ?? scope.subject.resource };
    throw notFound(subject, computed.notFoundAs === undefined || namespace === '' ? name : `${namespace}/${name}`);
  }
  return answer(typed(scope, object));
}

async function listComputed(scope: Scope, computed: ComputedResource): Promise<ApiResponse> {
  const { served, info } = scope;
  const matches = objectSelection(served, parseListOptions(info.query, { isWatch: false }));
  const found = await computed.list(scope, { namespace: info.namespace, matches });
  const items = found
    .filter(matches)
    .sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))
    .map((object) => typed(scope, object));
  return answer({ kind: served.info.listKind, apiVersion: served.apiVersion, metadata: {}, items });
}

function typed({ served }: Scope, object: KubeObject): KubeObject {
  return { kind: served.info.kind, apiVersion: served.apiVersion, ...object };
}

function answer(object: object): ApiResponse {
  const bytes = (): Uint8Array => Buffer.from(`${JSON.stringify(object)}\n`);
  return { status: 200, headers: { 'content-type': jsonType }, body: { kind: 'object', object, bytes } };
}
