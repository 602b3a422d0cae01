/**
 * DELETE of an object or of a collection: at once, after a grace period, or when the last finalizer is gone.
 * Source: apiserver `registry/generic/registry/store.go` `Delete`, `registry/rest/delete.go` `BeforeDelete`.
 */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { deepClone } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { conflict, notFound, staleVersion } from '#pkg/apimachinery/status-error.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { objectResponse, successStatus } from '../responses.ts';
import type { StoredEntry } from '../storage/object-codec.ts';
import { hasStoreFailed } from '../storage/resource-store.ts';
import type { StrategyContext } from '../strategy.ts';
import { attemptsMax } from './change.ts';
import { type DeleteOptions, parseDeleteOptions } from './delete-options.ts';
import { readList } from './list.ts';
import { parseListOptions } from './list-options.ts';
import { entryResponse } from './read.ts';
import { type Scope, strategyContext } from './scope.ts';
import { parseSelection } from './selection.ts';

type Deleted = { readonly entry: StoredEntry; readonly immediately: boolean; readonly object?: KubeObject };

/** Answers DELETE of one object. */
export async function deleteObject(scope: Scope): Promise<ApiResponse> {
  const options = parseDeleteOptions(scope);
  warnOfOrphans(scope, options);
  const name = scope.info.parts[1] ?? '';
  const deleted = await deleteNamed(scope, name, { namespace: scope.info.namespace, options });
  if (!deleted.immediately) {
    const status = options.orphanDependents === false ? 202 : 200;
    if (deleted.object !== undefined) return objectResponse(status, deleted.object);
    return entryResponse(status, scope, deleted.entry);
  }
  const { group, resource } = scope.served.info;
  if (scope.served.strategy.returnsDeleted) return entryResponse(200, scope, deleted.entry);
  const uid = deleted.entry.object.metadata?.uid;
  const details = { name, ...(group === '' ? {} : { group }), kind: resource, ...(uid === undefined ? {} : { uid }) };
  // Upstream's answer to a deletion has no code of its own.
  const { code: _, ...status } = successStatus(details);
  return objectResponse(200, status);
}

function warnOfOrphans({ served, warnings }: Scope, { propagationPolicy, orphanDependents }: DeleteOptions): void {
  const warning = served.strategy.dependentsWarning;
  if (warning !== undefined && propagationPolicy === undefined && orphanDependents === undefined)
    warnings.push(warning);
}

/** Answers DELETE of a collection: deletes what the selectors select, and answers what that was. */
export async function deleteCollection(scope: Scope): Promise<ApiResponse> {
  const options = parseDeleteOptions(scope);
  warnOfOrphans(scope, options);
  const listOptions = parseListOptions(scope.info.query, { isWatch: false });
  const listed = await readList(scope, listOptions, parseSelection(scope.served, listOptions));
  const items: JsonObject[] = [];
  for (const entry of listed.entries) {
    const object = scope.served.view.object(entry);
    const { name, namespace } = object.metadata!;
    try {
      const deleted = await deleteNamed(scope, name!, { namespace: namespace ?? '', options });
      items.push(listItem(deleted.object ?? scope.served.view.object(deleted.entry)));
    } catch (error) {
      if ((error as { reason?: string }).reason !== 'NotFound') throw error;
    }
  }
  const { info, apiVersion } = scope.served;
  return objectResponse(200, { kind: info.listKind, apiVersion, metadata: listed.metadata, items });
}

/** Items of a list have no type of their own. */
function listItem(object: KubeObject): JsonObject {
  const { kind: _, apiVersion: __, ...item } = object as JsonObject;
  return item;
}

/** Deletes one object of the request's resource. Throws what the answer would be. */
export async function deleteNamed(
  scope: Scope,
  name: string,
  { namespace, options }: { namespace: string; options: DeleteOptions },
): Promise<Deleted> {
  const { served } = scope;
  const context = strategyContext(scope, options.dryRun);
  const key = served.store.key(namespace, name);
  // On a store elsewhere the cache may be behind: the write finds that out, and what ends without one counts once the store was asked.
  let entry = await served.store.getSettled(key);
  let isNewest = served.store.isFresh;
  for (let attempt = 1; ; attempt++) {
    if (entry === undefined) throw notFound(scope.subject, name);
    const old = served.view.object(entry);
    const tried: Attempt = { entry, old, options, context };
    const outcome = await admitAndDelete(scope, tried, { name, namespace });
    if ('error' in outcome && hasStoreFailed(outcome.error)) throw outcome.error;
    if ('current' in outcome) entry = outcome.current;
    else {
      const newest = isNewest || isWritten(outcome, tried) ? entry : await served.store.get(key);
      if (newest?.modRevision === entry.modRevision) {
        if ('entry' in outcome) return outcome;
        throw outcome.error;
      }
      entry = newest;
    }
    isNewest = true;
    if (attempt >= attemptsMax || scope.request.signal.aborted) throw staleVersion(scope.subject, name);
  }
}

/** Whether the store has taken something, and so said that the state was the newest. */
function isWritten(outcome: Deleted | { readonly error: unknown }, { entry, context }: Attempt): boolean {
  return 'entry' in outcome && !context.dryRun && (outcome.immediately || outcome.entry !== entry);
}

/** One try. A refusal is an outcome too, as it may be for a state that is no longer. */
async function admitAndDelete(
  scope: Scope,
  tried: Attempt,
  named: { readonly name: string; readonly namespace: string },
): Promise<Deleted | { readonly current: StoredEntry | undefined } | { readonly error: unknown }> {
  const { admission } = scope.core;
  const { old, options, context } = tried;
  try {
    checkPreconditions(scope, old, options);
    const attributes = deleteAttributes(scope, { ...named, old });
    const admitting = admission.admit(attributes, context);
    if (admitting !== undefined) await admitting;
    const validating = admission.validate(attributes, context);
    if (validating !== undefined) await validating;
    return await tryDelete(scope, tried);
  } catch (error) {
    return { error };
  }
}

/** Source: apiserver `registry/rest/delete.go` `BeforeDelete`, which names the kind where others name the resource. */
function checkPreconditions(scope: Scope, { metadata }: KubeObject, { uid, resourceVersion }: DeleteOptions): void {
  const name = metadata?.name ?? '';
  const subject = { group: scope.subject.group, resource: scope.served.info.kind };
  if (uid !== undefined && uid !== metadata?.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata?.uid}). The object might have been deleted and then recreated`;
    throw conflict(subject, name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata?.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata?.resourceVersion}). The object might have been modified`;
    throw conflict(subject, name, why);
  }
}

interface Attempt {
  readonly entry: StoredEntry;
  readonly old: KubeObject;
  readonly options: DeleteOptions;
  readonly context: StrategyContext;
}

async function tryDelete(
  scope: Scope,
  { entry, old, options, context }: Attempt,
): Promise<Deleted | { readonly current: StoredEntry | undefined }> {
  const { served, core } = scope;
  const meta = old.metadata!;
  const grace = graceOf(scope, old, options);
  if (grace === 'pending') return { entry, immediately: false };
  const finalizers = finalizersFor(scope, meta.finalizers ?? [], options);
  if (grace === undefined || grace === 0) {
    const pending = finalizers.length + (served.strategy.pendingFinalizers?.(old) ?? 0);
    if (pending === 0) {
      if (context.dryRun) return { entry, immediately: true };
      const reservation = served.strategy.begin && (await served.strategy.begin(undefined, old, context, core.reader));
      const result = await served.store.delete(entry.key, entry.modRevision);
      await (result.ok ? reservation?.commit() : reservation?.rollback());
      return result.ok ? { entry, immediately: true } : { current: result.current };
    }
  }
  const draft = markDeleted(scope, old, { grace, finalizers });
  if (sameMarks(draft, old)) return { entry, immediately: false };
  if (context.dryRun) return { entry, immediately: false, object: draft as KubeObject };
  const result = await served.store.put(entry.key, served.view.toStored(draft), entry.modRevision);
  return result.ok ? { entry: result.entry, immediately: false } : { current: result.current };
}

/** Seconds until the object may go; undefined for kinds without grace; `pending` when it is waiting already. */
function graceOf(scope: Scope, old: KubeObject, options: DeleteOptions): number | 'pending' | undefined {
  const { strategy } = scope.served;
  if (strategy.gracefulDeletion === undefined) return undefined;
  const meta = old.metadata!;
  if (meta.deletionTimestamp !== undefined) {
    const current = meta.deletionGracePeriodSeconds ?? 0;
    if (current === 0) return undefined;
    const wanted = options.gracePeriodSeconds;
    return wanted !== undefined && wanted < current ? wanted : 'pending';
  }
  return strategy.gracefulDeletion(old, options.gracePeriodSeconds);
}

/** The finalizers that the deletion leaves, with those for the garbage collector as the options ask. */
function finalizersFor({ served }: Scope, current: readonly string[], options: DeleteOptions): readonly string[] {
  const { dependents = 'background' } = served.strategy;
  const policy = options.propagationPolicy;
  const isAsked = policy !== undefined || options.orphanDependents !== undefined;
  if (!isAsked && (dependents !== 'orphan' || current.includes('foregroundDeletion'))) return current;
  const orphan = options.orphanDependents ?? (policy === 'Orphan' || !isAsked);
  if (dependents === 'none') return current.filter((name) => name !== 'orphan' && name !== 'foregroundDeletion');
  const kept = current.filter((name) => name !== 'orphan' && name !== 'foregroundDeletion');
  if (orphan) return [...kept, 'orphan'];
  return policy === 'Foreground' ? [...kept, 'foregroundDeletion'] : kept;
}

function markDeleted(
  scope: Scope,
  old: KubeObject,
  { grace, finalizers }: { grace: number | undefined; finalizers: readonly string[] },
): JsonObject {
  const draft = deepClone(old) as JsonObject;
  const metadata = draft.metadata as JsonObject;
  const nowMs = scope.core.clock.nowMs();
  const isFirst = metadata.deletionTimestamp === undefined;
  if (finalizers.length > 0) metadata.finalizers = [...finalizers];
  else delete metadata.finalizers;
  if (isFirst) {
    metadata.deletionTimestamp = formatTimestamp(nowMs + graceMs(grace ?? 0));
    metadata.deletionGracePeriodSeconds = grace ?? 0;
    if (metadata.generation !== undefined) metadata.generation = (metadata.generation as number) + 1;
    scope.served.strategy.prepareForDelete?.(draft);
  } else if (grace !== undefined) {
    const startMs =
      Date.parse(metadata.deletionTimestamp as string) - graceMs(old.metadata?.deletionGracePeriodSeconds ?? 0);
    metadata.deletionTimestamp = formatTimestamp(startMs + graceMs(grace));
    metadata.deletionGracePeriodSeconds = grace;
  }
  return draft;
}

/** A grace period as Go has it: as nanoseconds of 64 bits, which those of three hundred years or more pass. */
function graceMs(seconds: bigint | number): number {
  return Number(BigInt.asIntN(64, BigInt(seconds) * 1_000_000_000n)) / 1e6;
}

function sameMarks(draft: JsonObject, old: KubeObject): boolean {
  const fresh = draft.metadata as KubeObject['metadata'];
  const was = old.metadata;
  return (
    fresh?.deletionTimestamp === was?.deletionTimestamp &&
    fresh?.deletionGracePeriodSeconds === was?.deletionGracePeriodSeconds &&
    (fresh?.finalizers ?? []).join() === (was?.finalizers ?? []).join()
  );
}

function deleteAttributes(
  scope: Scope,
  { name, namespace, old }: { name: string; namespace: string; old: KubeObject },
) {
  const { group, version, resource, kind } = scope.served.info;
  return {
    operation: 'DELETE',
    group,
    version,
    resource,
    subresource: '',
    kind,
    namespace,
    name,
    draft: undefined,
    old,
  } as const;
}
