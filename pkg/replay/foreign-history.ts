/**
 * Histories of ordinary clusters: a dump (`kubectl get … -A -o json`), which is a state and no more, and an audit log (`audit.k8s.io/v1`, a line of JSON
 * for each event). Of an audit log the answers count (`RequestResponse`); at the level `Request` what was created and updated counts, and patches
 * are refused, as they do not say what came of them.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Change, type History, HistoryError, historyVersion } from './history.ts';

/** A dump as a history that only begins. */
export function historyOfDump(items: readonly unknown[]): History {
  const changes = items.filter(isObject).map((object): Change => ({ ms: 0, type: 'STATE', object }));
  const header = { coxswain: 'recording', version: historyVersion, startMs: 0, secrets: true } as const;
  return { header, changes, renewals: 0, endMs: 0 };
}

/** The events of an audit log, in their order. Throws `HistoryError`. */
export function historyOfAudit(events: readonly JsonObject[], path: string): History {
  const changes: Change[] = [];
  const last = new Map<string, JsonObject>();
  let startMs: number | undefined;
  let endMs = 0;
  for (const [index, event] of events.entries()) {
    if (event.apiVersion !== 'audit.k8s.io/v1' || event.kind !== 'Event')
      throw new HistoryError(`${path} is no audit log: line ${index + 1} is no Event of audit.k8s.io/v1`);
    const atMs = Date.parse(`${event.requestReceivedTimestamp}`);
    if (Number.isNaN(atMs)) throw new HistoryError(`${path} is no audit log: line ${index + 1} has no time`);
    startMs ??= atMs;
    const change = changeOf(event, last, `${path}: line ${index + 1}`);
    if (change === undefined) continue;
    // What servers received at one time may be logged in another order.
    endMs = Math.max(endMs, atMs - startMs);
    changes.push({ ms: endMs, ...change });
  }
  const header = { coxswain: 'recording', version: historyVersion, startMs: startMs ?? 0, secrets: true } as const;
  return { header, changes, renewals: 0, endMs };
}

function changeOf(event: JsonObject, last: Map<string, JsonObject>, where: string): Omit<Change, 'ms'> | undefined {
  const { stage, verb, responseStatus, objectRef, user } = event;
  const code = isObject(responseStatus) && typeof responseStatus.code === 'number' ? responseStatus.code : 500;
  if (stage !== 'ResponseComplete' || code >= 300 || !isObject(objectRef)) return undefined;
  const { resource, apiGroup = '', namespace = '', name = '', subresource } = objectRef;
  const by = isObject(user) ? { user: `${user.username}` } : {};
  const answered =
    isObject(event.responseObject) && event.responseObject.kind !== 'Status' ? event.responseObject : undefined;
  const keyOf = (of: unknown): string => `${resource}.${apiGroup} ${namespace}/${of}`;
  if (verb === 'delete') {
    const object = last.get(keyOf(name));
    last.delete(keyOf(name));
    return object === undefined || subresource !== undefined ? undefined : { type: 'DELETED', object, ...by };
  }
  if (verb !== 'create' && verb !== 'update' && verb !== 'patch') return undefined;
  if (subresource !== undefined && subresource !== 'status' && subresource !== 'scale') return undefined;
  if (subresource === 'scale') return undefined;
  const asked = isObject(event.requestObject) && verb !== 'patch' ? event.requestObject : undefined;
  const object = answered ?? asked;
  if (object === undefined) {
    if (subresource === 'status' || /^(events|leases)$/.test(`${resource}`)) return undefined;
    throw new HistoryError(
      `${where}: what came of the ${verb} of ${resource} ${JSON.stringify(name)} is not said: the log must have the level RequestResponse`,
    );
  }
  const { metadata } = object;
  const key = keyOf(isObject(metadata) && metadata.name !== undefined ? metadata.name : name);
  const type = last.has(key) ? 'MODIFIED' : 'ADDED';
  last.set(key, object);
  return { type, object, ...by };
}
