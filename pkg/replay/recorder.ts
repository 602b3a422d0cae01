/**
 * Tells of every change of a running cluster, by one watch for each resource that can be listed and watched. Watches that end are gone on with;
 * what was missed meanwhile is told when it is seen again, with that time. Renewals are counted and not told of: those of leases, and statuses of nodes by which they
 * only say that they are as they were, some 300 a day of each. Events are left out, as they follow from the rest.
 */

import { deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { repeat } from '#pkg/base/async.ts';
import { discoverResources } from '#pkg/client/discovery.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { Change, Renewals } from './history.ts';

/** How often renewals are told of. */
const renewalsEveryMs = 60_000;

const unrecorded: ReadonlySet<string> = new Set(['events', 'leases', 'componentstatuses']);

/** What a recording takes. */
interface RecorderOptions {
  readonly deps: ComponentDeps;
  /** When it has begun, on the wall clock of `deps`. */
  readonly startMs: number;
  /** Whether the data of Secrets is told. */
  readonly secrets: boolean;
  /** Told in the order of time. */
  tell(record: Change | Renewals): void;
}

/** Tells of a cluster until `signal` is aborted. Resolves to what it could not watch. */
export async function record(options: RecorderOptions, signal: AbortSignal): Promise<readonly string[]> {
  const { client, clock, informers } = options.deps;
  const now = (): number => Math.max(0, clock.nowMs() - options.startMs);
  const discovered = await discoverResources(client, signal).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  // It has ended before it has begun.
  if (discovered === undefined) return [];
  const { resources, failures } = discovered;
  const watched = resources.filter(({ verbs }) => verbs.includes('list') && verbs.includes('watch'));
  let renewals = 0;
  const renewed = (): void => {
    renewals++;
  };
  for (const { ref } of watched) if (!unrecorded.has(ref.resource)) follow(options, { ref, now, renewed });
  const leases = watched.find(({ ref }) => ref.resource === 'leases');
  const all = leases === undefined ? undefined : informers.informer(leases.ref);
  all?.addHandler({ updated: renewed });
  const tellRenewals = (): void => {
    if (renewals > 0) options.tell({ ms: now(), renewals, leases: all?.lister.list().length ?? 0 });
    renewals = 0;
  };
  const telling = repeat(clock, { periodMs: () => renewalsEveryMs, signal }, tellRenewals);
  await Promise.all([informers.run(signal), telling]);
  tellRenewals();
  return failures.map(({ groupVersion }) => groupVersion);
}

interface Followed {
  readonly ref: ResourceRef;
  now(): number;
  /** A node has said that it is as it was. */
  renewed(): void;
}

function follow({ deps, secrets, tell }: RecorderOptions, { ref, now, renewed }: Followed): void {
  const informer = deps.informers.informer<KubeObject>(ref);
  const isNode = ref.group === '' && ref.resource === 'nodes';
  const isSecret = ref.group === '' && ref.resource === 'secrets' && !secrets;
  const told = (type: Change['type'], object: KubeObject): void => {
    const whole: JsonObject = { ...object };
    tell({ ms: now(), type, object: isSecret ? withoutData(whole) : whole });
  };
  informer.addHandler({
    added: (object) => told(informer.hasSynced() ? 'ADDED' : 'STATE', object),
    updated: (before, object) => {
      if (isNode && isAsItWas(before, object)) renewed();
      else told('MODIFIED', object);
    },
    deleted: (object) => told('DELETED', object),
  });
}

/** Whether all that is new of a node is when it was heard. */
function isAsItWas(before: KubeObject, after: KubeObject): boolean {
  return deepEqual(withoutHeartbeats({ ...before }), withoutHeartbeats({ ...after }));
}

function withoutHeartbeats({ metadata, status, ...rest }: JsonObject): JsonObject {
  const { resourceVersion: _, managedFields: __, ...meta } = isObject(metadata) ? metadata : {};
  const { conditions, ...state } = isObject(status) ? status : {};
  const unheard = (Array.isArray(conditions) ? conditions : []).map((condition: unknown) =>
    isObject(condition) ? { ...condition, lastHeartbeatTime: undefined } : condition,
  );
  return { ...rest, meta, state, unheard };
}

/** The keys stay, as types of Secrets ask for some, and so that it is seen what was there. */
function withoutData({ stringData: _, data, ...rest }: JsonObject): JsonObject {
  if (!isObject(data)) return rest;
  return {
    ...rest,
    data: Object.fromEntries(Object.keys(data).map((key) => [key, ''])),
    metadata: withoutCopies(rest.metadata),
  };
}

/** What kubectl has applied is kept in an annotation, with the data. */
function withoutCopies(metadata: unknown): unknown {
  if (!isObject(metadata) || !isObject(metadata.annotations)) return metadata;
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...annotations } = metadata.annotations;
  return { ...metadata, annotations };
}
