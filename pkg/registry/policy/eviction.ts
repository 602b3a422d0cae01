/**
 * `pods/eviction`: a deletion that a PodDisruptionBudget may refuse, and that has a virtual machine move first.
 * Source: `pkg/registry/core/pod/storage/eviction.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { isConditionTrue, setCondition } from '#pkg/apimachinery/conditions.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, isConflict, notFound } from '#pkg/apimachinery/status-error.ts';
import { attemptsMax, failedPrecondition } from '#pkg/apiserver/endpoints/change.ts';
import { bodyKind, decodeBody } from '#pkg/apiserver/endpoints/decode.ts';
import { deleteNamed } from '#pkg/apiserver/endpoints/delete.ts';
import { convertOptions, type DeleteOptions, deleteOptionsOf } from '#pkg/apiserver/endpoints/delete-options.ts';
import { ensureNamespace, metadataOf } from '#pkg/apiserver/endpoints/metadata.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';
import { parseWriteOptions } from '#pkg/apiserver/endpoints/write-options.ts';
import { objectResponse, successStatus } from '#pkg/apiserver/responses.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { evacuateMachine } from '../vm/machine-eviction.ts';
import { budgetOf, isSparable, stillProcessing, takeDisruption } from './disruption-budget.ts';

const evictionKind = bodyKind({ group: 'policy', version: 'v1', kind: 'Eviction' });

interface EvictedPod extends KubeObject {
  readonly spec?: Pod['spec'];
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Answers POST of an Eviction to a pod. */
export async function evictPod(scope: Scope): Promise<ApiResponse> {
  const { dryRun, fieldValidation } = parseWriteOptions(scope.info.query, 'CreateOptions');
  const body = decodeBody(scope, evictionKind, fieldValidation);
  const metadata = metadataOf(body);
  ensureNamespace(scope, metadata);
  if (metadata.name !== scope.info.parts[1]) throw badRequest('name in URL does not match name in Eviction object');
  const asked = deleteOptionsOf(convertOptions(body.deleteOptions ?? {}));
  const options = { ...asked, dryRun: dryRun || asked.dryRun };
  for (let attempt = 1; ; attempt++) {
    try {
      await evict(scope, options);
      return objectResponse(201, { ...successStatus(), code: 201 });
    } catch (error) {
      const mayRetry = isConflict(error) && options.resourceVersion === undefined && options.uid === undefined;
      if (!mayRetry || attempt >= attemptsMax || scope.request.signal.aborted) throw error;
    }
  }
}

async function evict(scope: Scope, options: DeleteOptions): Promise<void> {
  const pod = await readPod(scope);
  const exactly = { ...options, resourceVersion: options.resourceVersion ?? pod.metadata!.resourceVersion };
  if (isGone(pod)) return remove(scope, options);
  // One that has not begun has disrupted nothing, as long as it does not begin in the meantime.
  if (pod.status?.phase === 'Pending') return remove(scope, exactly);
  await evacuateMachine(scope, pod, options);
  const budget = await budgetOf(scope, pod);
  if (budget === undefined) return disrupt(scope, options);
  const { object } = budget;
  if (!isConditionTrue(pod.status?.conditions, 'Ready') && isSparable(object)) {
    return disrupt(scope, exactly).catch((error: unknown) => {
      throw isConflict(error) && options.resourceVersion === undefined ? stillProcessing(object) : error;
    });
  }
  await takeDisruption(scope, budget, { podName: pod.metadata?.name ?? '', dryRun: options.dryRun });
  return disrupt(scope, options);
}

async function readPod(scope: Scope): Promise<EvictedPod> {
  const { store, view } = scope.served;
  const name = scope.info.parts[1] ?? '';
  const entry = await store.get(store.key(scope.info.namespace, name));
  if (entry === undefined) throw notFound(scope.subject, name);
  return view.object(entry);
}

/** Whether the pod has ended or is about to. */
function isGone({ metadata, status }: EvictedPod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed' || metadata?.deletionTimestamp !== undefined;
}

/** Says on the pod why it goes, and deletes it. */
async function disrupt(scope: Scope, options: DeleteOptions): Promise<void> {
  if (options.dryRun) return remove(scope, options);
  const marked = await markDisrupted(scope, options);
  return remove(scope, options.resourceVersion === undefined ? options : { ...options, resourceVersion: marked });
}

async function remove(scope: Scope, options: DeleteOptions): Promise<void> {
  await deleteNamed(scope, scope.info.parts[1] ?? '', { namespace: scope.info.namespace, options });
}

/** Returns the resourceVersion of the pod with the condition. */
async function markDisrupted(scope: Scope, { uid, resourceVersion }: DeleteOptions): Promise<string> {
  const { store, view } = scope.served;
  for (let attempt = 1; ; attempt++) {
    const pod = await readPod(scope);
    const { metadata, status } = pod;
    if (uid !== undefined && uid !== metadata?.uid) {
      throw failedPrecondition(scope, 'UID', { wanted: uid, found: metadata?.uid });
    }
    const found = metadata!.resourceVersion!;
    if (resourceVersion !== undefined && resourceVersion !== found) {
      throw failedPrecondition(scope, 'ResourceVersion', { wanted: resourceVersion, found });
    }
    const conditions = setCondition(status?.conditions, disruptionTarget, timestamp(scope.core.clock));
    if (conditions === status?.conditions) return found;
    const draft = view.toStored({ ...pod, status: { ...status, conditions } } as JsonObject);
    const result = await store.put(store.key(metadata?.namespace ?? '', metadata?.name ?? ''), draft, Number(found));
    if (result.ok) return String(result.entry.modRevision);
    if (attempt >= attemptsMax) throw failedPrecondition(scope, 'ResourceVersion', { wanted: found, found: undefined });
  }
}

const disruptionTarget = {
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'EvictionByEvictionAPI',
  message: 'Eviction API: evicting',
};
