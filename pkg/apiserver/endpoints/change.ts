/**
 * The change of an existing object: the common way of update, patch and subresources. Takes the state of the cache, makes a draft of
 * it, checks it and swaps it in; when another write came first, all of it again from the newer state. On a store elsewhere the cache may be behind: the
 * swap finds that out, and what ends without one (a refusal, a change of nothing, a dry run) counts only once the store was asked.
 * Source: apiserver `registry/generic/registry/store.go` `Update`, `registry/rest/update.go`; `storage/etcd3/store.go` `GuaranteedUpdate`.
 */

import { invalid, invalidObject, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { apiVersionOf, type JsonObject, type KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, conflict, notFound, staleVersion } from '#pkg/apimachinery/status-error.ts';
import { writeUnsetAgain } from '#pkg/apimachinery/write-unset.ts';
import type { Awaitable } from '#pkg/base/async.ts';
import { draftResponse } from '../responses.ts';
import type { StoredEntry } from '../storage/object-codec.ts';
import { hasStoreFailed, type PutResult } from '../storage/resource-store.ts';
import { managersIn } from '../storage/shared-fields.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import { asIfStored } from '../storage/version-view.ts';
import type { AdmissionAttributes, StrategyContext } from '../strategy.ts';
import { fieldsKept, prepareDraft } from './decode.ts';
import { trackManager } from './managers.ts';
import { ensureNamespace, keepServerMetadata, metadataOf, pendingFinalizers } from './metadata.ts';
import { entryResponse } from './read.ts';
import { settle } from './reserved.ts';
import { type Scope, strategyContext } from './scope.ts';
import { checkObject } from './validate.ts';

const field = pathsOf<KubeObject>();

/**
 * How often a change that lost a race is made again from the newer state. Whoever loses has lost to a write that succeeded, so the
 * limit is only against a loop without end; upstream's `GuaranteedUpdate` has none.
 */
export const attemptsMax = 10_000;

/** What is to become of the object, and in whose name. */
export interface Change {
  readonly dryRun: boolean;
  readonly manager: string;
  /** `''` for the object itself. */
  readonly subresource: string;
  /** The new state made of the old one, which must not be changed. Called again after a lost race. */
  draft(old: KubeObject): JsonObject | Promise<JsonObject>;
  /** What the server itself writes down: the draft is stored as it is, neither tracked nor admitted nor checked, and the generation stays. */
  readonly isOwn?: boolean;
  /** The draft carries its managed fields (server-side apply). */
  readonly isApply?: boolean;
  /** What to do where there is no object; absent: NotFound. */
  create?(): Awaitable<ApiResponse>;
  /** The answer, where it is not the object. */
  answer?(object: KubeObject): ApiResponse;
}

/** Carries a change out and answers. */
export function changeObject(scope: Scope, change: Change): Promise<ApiResponse> | ApiResponse {
  const { store } = scope.served;
  const key = store.key(scope.info.namespace, scope.info.parts[1] ?? '');
  const entry = store.getSettled(key);
  if (entry === undefined || entry instanceof Promise || !store.isFresh)
    return changeFound(scope, change, { key, entry });
  const response = tryChange(scope, change, entry);
  if (response !== undefined && !(response instanceof Promise)) return response;
  return changeFound(scope, change, { key, entry, response });
}

interface FirstTry {
  readonly key: string;
  readonly entry: Promise<StoredEntry | undefined> | StoredEntry | undefined;
  /** What the try with `entry` has come to; absent where there was none yet. */
  readonly response?: Promise<ApiResponse | undefined> | undefined;
}

/** Goes on from a first try, as often as others write first. */
async function changeFound(scope: Scope, change: Change, first: FirstTry): Promise<ApiResponse> {
  const { store } = scope.served;
  const name = scope.info.parts[1] ?? '';
  let endTurn: (() => void) | undefined;
  try {
    for (let attempt = 1; ; attempt++) {
      let response: ApiResponse | undefined;
      if (attempt === 1 && 'response' in first) response = await first.response;
      else {
        const entry = await (attempt === 1 ? first.entry : store.get(first.key));
        if (entry === undefined) {
          if (change.create !== undefined) return await change.create();
          throw notFound(scope.subject, name);
        }
        response = await (attempt === 1 ? tryDoubtful(scope, change, entry) : tryChange(scope, change, entry));
      }
      if (response !== undefined) return response;
      if (attempt >= attemptsMax || scope.request.signal.aborted) throw staleVersion(scope.subject, name);
      endTurn ??= await store.turns.take(first.key);
    }
  } finally {
    endTurn?.();
  }
}

/** A try with a state that may be old: what is wrong with the change may then be wrong with that state. */
async function tryDoubtful(scope: Scope, change: Change, entry: StoredEntry): Promise<ApiResponse | undefined> {
  const warned = scope.warnings.length;
  try {
    return await tryChange(scope, change, entry);
  } catch (error) {
    if (hasStoreFailed(error) || (await isNewest(scope, entry))) throw error;
    scope.warnings.splice(warned);
    return undefined;
  }
}

/** Whether a state is the newest one. Costs a question where the store is elsewhere. */
async function isNewest({ served: { store } }: Scope, entry: StoredEntry): Promise<boolean> {
  return store.isFresh || (await store.get(entry.key))?.modRevision === entry.modRevision;
}

/** An answer that nothing was written for. Undefined where it was made of a state that is no longer. */
function unwritten(scope: Scope, entry: StoredEntry, answer: () => ApiResponse): Tried {
  if (scope.served.store.isFresh) return answer();
  return isNewest(scope, entry).then((isTrue) => (isTrue ? answer() : undefined));
}

type Tried = Promise<ApiResponse | undefined> | ApiResponse | undefined;

/** Undefined when another write came first. Nothing is waited for, not even for a turn of the event loop, unless a step has to wait. */
function tryChange(scope: Scope, change: Change, entry: StoredEntry): Tried {
  const context = strategyContext(scope, change.dryRun);
  const old = scope.served.view.object(entry);
  const goOn = change.isOwn === true ? swap : admitDraft;
  const draft = change.draft(old);
  if (draft instanceof Promise) return draft.then((made) => goOn(scope, change, { draft: made, old, entry, context }));
  return goOn(scope, change, { draft, old, entry, context });
}

/** Completes the draft and has it admitted. */
function admitDraft(scope: Scope, change: Change, state: Swap): Tried {
  const { draft, old } = state;
  checkIdentity(scope, metadataOf(draft), old);
  prepareDraft(scope, draft, fieldsKept(scope, draft, old));
  restoreForeign(scope, change, state);
  const { manager, subresource } = change;
  const tracking = change.isApply ? undefined : trackManager(scope, { draft, old, manager, subresource });
  if (tracking !== undefined) return tracking.then(() => admitTracked(scope, change, state));
  return admitTracked(scope, change, state);
}

function admitTracked(scope: Scope, change: Change, state: Swap): Tried {
  const { draft, old, context } = state;
  const attributes = admissionAttributes(scope, { draft, old, subresource: change.subresource });
  const admitting = scope.core.admission.admit(attributes, context);
  if (admitting !== undefined) return admitting.then(() => checkDraft(scope, change, { state, attributes }));
  return checkDraft(scope, change, { state, attributes });
}

/** A change as admission is told of it. */
interface Admitted {
  readonly state: Swap;
  readonly attributes: AdmissionAttributes;
}

/** Checks what is to be stored and stores it. */
function checkDraft(scope: Scope, change: Change, admitted: Admitted): Tried {
  const { state, attributes } = admitted;
  const { draft, old, context } = state;
  keepServerMetadata(metadataOf(draft), old);
  const warned = scope.warnings.length;
  prepareChange(scope, change, state);
  checkObject(scope, draft, old, { context, subresource: change.subresource, warned });
  const validating = scope.core.admission.validate(attributes, context);
  if (validating === undefined) return reserveAndSwap(scope, change, admitted);
  return validating.then(() => reserveAndSwap(scope, change, admitted));
}

function reserveAndSwap(scope: Scope, change: Change, { state, attributes }: Admitted): Tried {
  const reserving = scope.core.admission.reserve(attributes, state.context);
  if (reserving === undefined) return swap(scope, change, state);
  return reserving.then((reservation) => settle(reservation, () => swap(scope, change, state)));
}

/** Throws BadRequest where the object does not have the name of the path. Source: apiserver `handlers/rest.go` `checkName`. */
export function checkName(scope: Scope, metadata: JsonObject): void {
  const wanted = scope.info.parts[1] ?? '';
  const name = metadata.name as string | undefined;
  if (name === wanted) return;
  if (name === undefined || name === '') {
    throw badRequest(`the name of the object (${wanted} based on URL) was undeterminable: name must be provided`);
  }
  throw badRequest(`the name of the object (${name}) does not match the name on the URL (${wanted})`);
}

/** Name, uid and resourceVersion of the draft against what is there. */
function checkIdentity(scope: Scope, metadata: JsonObject, old: KubeObject): void {
  const name = scope.info.parts[1] ?? '';
  checkName(scope, metadata);
  ensureNamespace(scope, metadata);
  const uid = metadata.uid;
  if (uid !== undefined && uid !== '' && uid !== old.metadata?.uid) {
    throw failedPrecondition(scope, 'UID', { wanted: String(uid), found: old.metadata?.uid });
  }
  const version = metadata.resourceVersion;
  if (version === undefined || version === '' || version === '0') {
    if (scope.served.strategy.unconditionalUpdate === false) {
      const { group, resource } = scope.subject;
      const error = invalid(field('metadata.resourceVersion'), 0, 'must be specified for an update');
      // Upstream has but the resource at hand where the kind belongs.
      throw invalidObject({ group, kind: resource }, name, [error]);
    }
    return;
  }
  if (version !== old.metadata?.resourceVersion) throw staleVersion(scope.subject, name);
}

/**
 * The refusal of a write for another object than the one there is, which upstream tells with its key in etcd.
 * Source: apiserver `storage/interfaces.go` `Preconditions.Check`, `storage/etcd3/store.go`.
 */
export function failedPrecondition(
  { subject, info, served }: Scope,
  field: 'ResourceVersion' | 'UID',
  { wanted, found }: { readonly wanted: string; readonly found: string | undefined },
): Error {
  const name = info.parts[1] ?? '';
  const place = [info.namespace, name].filter((part) => part !== '').join('/');
  const why =
    `StorageError: invalid object, Code: 4, Key: ${storagePrefix(subject, served.strategy.keeping)}${place}, ResourceVersion: 0, AdditionalErrorMsg: ` +
    `Precondition failed: ${field} in precondition: ${wanted}, ${field} in object meta: ${found}`;
  return conflict(subject, name, why);
}

/** Takes back what this request may not change at all, so that nobody comes to own it. */
function restoreForeign(scope: Scope, change: Change, { draft, old }: Swap): void {
  if (change.subresource === 'status') keepAllBut(scope, 'status', { draft, old });
  else if (change.subresource === '' && scope.served.hasStatus) restoreField(draft, old as JsonObject, 'status');
}

function prepareChange(scope: Scope, change: Change, { draft, old, context }: Swap): void {
  const { served } = scope;
  if (change.subresource === '') served.strategy.prepareForUpdate?.(draft, old, context);
  else served.strategy.subresources?.[change.subresource]?.prepareForUpdate?.(draft, old, context);
  writeUnsetAgain(draft, served.schema);
  if (served.tracksGeneration === true && !sameApartFrom(draft, old as JsonObject)) {
    const metadata = draft.metadata as JsonObject;
    metadata.generation = ((old.metadata?.generation as number | undefined) ?? 0) + 1;
  }
}

/** Everything but `field` and the metadata comes from the old object, and of the metadata what the strategy says. */
function keepAllBut(scope: Scope, field: string, { draft, old }: { draft: JsonObject; old: KubeObject }): void {
  const was = old as JsonObject;
  for (const name in draft) if (name !== field && name !== 'metadata') restoreField(draft, was, name);
  for (const name in was) if (name !== field && name !== 'metadata') restoreField(draft, was, name);
  for (const name of scope.served.strategy.subresources?.[field]?.keepsMetadata ?? []) {
    restoreField(metadataOf(draft), (old.metadata ?? {}) as JsonObject, name);
  }
}

function restoreField(draft: JsonObject, old: JsonObject, name: string): void {
  if (old[name] === undefined) delete draft[name];
  else draft[name] = old[name];
}

/** Whether nothing but metadata and status differs: what the generation counts is the rest. */
function sameApartFrom(draft: JsonObject, old: JsonObject): boolean {
  for (const name in draft) {
    if (name !== 'metadata' && name !== 'status' && !deepEqual(draft[name], old[name])) return false;
  }
  for (const name in old) {
    if (name !== 'metadata' && name !== 'status' && !(name in draft)) return false;
  }
  return true;
}

interface Swap {
  readonly draft: JsonObject;
  readonly old: KubeObject;
  readonly entry: StoredEntry;
  readonly context: StrategyContext;
}

/** Puts the draft in the place of the old object. Undefined when another write came first. */
function swap(scope: Scope, change: Change, state: Swap): Tried {
  const { served } = scope;
  const { draft, old, entry } = state;
  const metadata = draft.metadata as JsonObject;
  metadata.resourceVersion = old.metadata?.resourceVersion;
  if (change.isApply) keepTimes(metadata, draft, old);
  const released = isReleased(scope, draft);
  if (!released && !isNotedAnew(metadata, old) && deepEqual(draft, old) && !rewrites(scope, change, entry))
    return unwritten(scope, entry, () => answerOf(scope, change, entry));
  if (change.dryRun) return unwritten(scope, entry, () => draftAnswer(change, asIfStored(served.view, draft)));
  if (released || served.strategy.begin !== undefined) return swapReserved(scope, change, state, { released });
  const putting = served.store.put(entry.key, served.view.toStored(draft), entry.modRevision, { before: entry });
  const answer = (result: PutResult): ApiResponse | undefined =>
    result.ok ? answerOf(scope, change, result.entry) : undefined;
  return putting instanceof Promise ? putting.then(answer) : answer(putting);
}

/** Whether a manager has another time than before: then something has changed, and need not be looked for. */
function isNotedAnew(metadata: JsonObject, old: KubeObject): boolean {
  const [managed, before] = [managersIn(metadata), old.metadata?.managedFields];
  return managed !== before && managed?.some(({ time }, index) => time !== before?.[index]?.time) === true;
}

/** Whether what changes nothing is written all the same: sealed otherwise than now, or in a version that was stored before. Source: `GuaranteedUpdate`. */
function rewrites({ served }: Scope, { dryRun }: Change, entry: StoredEntry): boolean {
  if (dryRun) return false;
  if (served.store.isStale(entry)) return true;
  return served.remote === undefined && entry.object.apiVersion !== apiVersionOf(served.info.storedAs);
}

/** The same where something is reserved for the write, or the object goes. */
async function swapReserved(
  scope: Scope,
  change: Change,
  { draft, old, entry, context }: Swap,
  { released }: { readonly released: boolean },
): Promise<ApiResponse | undefined> {
  const { served, core } = scope;
  const reservation =
    served.strategy.begin && (await served.strategy.begin(released ? undefined : draft, old, context, core.reader));
  let kept = false;
  try {
    if (released) {
      const deleted = await served.store.delete(entry.key, entry.modRevision);
      kept = deleted.ok;
      return kept ? draftAnswer(change, draft) : undefined;
    }
    const result = await served.store.put(entry.key, served.view.toStored(draft), entry.modRevision, { before: entry });
    if (!result.ok) return undefined;
    kept = true;
    return answerOf(scope, change, result.entry);
  } finally {
    await (kept ? reservation?.commit() : reservation?.rollback());
  }
}

/**
 * An apply that changes nothing but the times of managers changes nothing: what it said anew was filled in or taken away again
 * afterwards. Source: apiserver `IgnoreManagedFieldsTimestampsTransformer`.
 */
function keepTimes(metadata: JsonObject, draft: JsonObject, old: KubeObject): void {
  const [managed, before] = [managersIn(metadata), old.metadata?.managedFields];
  if (managed === before || managed?.length !== before?.length) return;
  const isTimed = managed?.every((entry, index) => deepEqual({ ...entry, time: before![index]!.time }, before![index]));
  if (!isTimed || !deepEqual({ ...draft, metadata: { ...metadata, managedFields: before } }, old)) return;
  metadata.managedFields = before;
}

/** Whether this is an object that only waited for its finalizers to be deleted, and they are gone now. */
function isReleased(scope: Scope, draft: JsonObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = draft.metadata as NonNullable<KubeObject['metadata']>;
  return (
    deletionTimestamp !== undefined &&
    !deletionGracePeriodSeconds &&
    pendingFinalizers(scope, draft as KubeObject) === 0
  );
}

function draftAnswer(change: Change, draft: JsonObject): ApiResponse {
  return change.answer?.(draft as KubeObject) ?? draftResponse(200, draft);
}

function answerOf(scope: Scope, change: Change, entry: StoredEntry): ApiResponse {
  return change.answer?.(scope.served.view.object(entry)) ?? entryResponse(200, scope, entry);
}

function admissionAttributes(
  scope: Scope,
  { draft, old, subresource }: { draft: JsonObject; old: KubeObject; subresource: string },
): AdmissionAttributes {
  const { info } = scope.served;
  return {
    operation: 'UPDATE',
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource,
    kind: info.kind,
    namespace: scope.info.namespace,
    name: scope.info.parts[1] ?? '',
    draft,
    old,
  };
}
