/**
 * Lets a claim that is being deleted go once no pod uses it. A pod uses it from when it has a node until it has ended, also while it is being deleted.
 * Upstream counterpart: `pkg/controller/volume/pvcprotection`.
 */

import { isPodTerminal } from '#pkg/api/core/pod.ts';
import { claimNameOf } from '#pkg/api/storage/claim-name.ts';
import type { PersistentVolumeClaim, Pod } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, pods } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { listInPages } from '#pkg/client/list-pages.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const finalizer = 'kubernetes.io/pvc-protection';
const workers = 4;

/** The controller of claims' protection. */
export function createClaimProtection(context: ControllerContext): Component {
  const claims = context.informers.informer(persistentVolumeClaims);
  const podInformer = context.informers.informer(pods);
  const loop = createLoop(context, {
    name: 'pvc-protection',
    workers,
    reconcile: (key, signal) => reconcile(claims.lister.get(key), signal),
  });
  const { queue } = loop;
  const reconcile = async (claim: PersistentVolumeClaim | undefined, signal: AbortSignal): Promise<ReconcileResult> => {
    if (claim?.metadata === undefined) return undefined;
    const { finalizers = [], namespace = '', deletionTimestamp } = claim.metadata;
    const isProtected = finalizers.includes(finalizer);
    if (isProtected === (deletionTimestamp === undefined)) return undefined;
    if (isProtected) {
      if (podInformer.lister.list(namespace).some((pod) => isUser(pod, claim))) return undefined;
      // What the informer has may be old: a pod that came since would lose its volume.
      const { items } = await listInPages(context.client.resource(pods), { namespace, signal });
      if (items.some((pod) => isUser(pod, claim))) return undefined;
    } else if (deletionTimestamp !== undefined) return undefined;
    const kept = finalizers.filter((name) => name !== finalizer);
    const metadata = { ...claim.metadata, finalizers: isProtected ? kept : [...kept, finalizer] };
    try {
      await context.client.resource(persistentVolumeClaims).update({ ...claim, metadata });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  };
  const enqueue = (claim: PersistentVolumeClaim): void => queue.add(objectKey(claim));
  claims.addHandler({ added: enqueue, updated: (_, claim) => enqueue(claim) });
  const released = (pod: Pod): void => {
    for (const name of claimNames(pod)) queue.add(`${pod.metadata?.namespace}/${name}`);
  };
  podInformer.addHandler({
    updated: (_, pod) => {
      if (isPodTerminal(pod)) released(pod);
    },
    deleted: released,
  });
  return loop;
}

function isUser(pod: Pod, { metadata }: PersistentVolumeClaim): boolean {
  if (isPodTerminal(pod) || !pod.spec?.nodeName) return false;
  return claimNames(pod).includes(metadata?.name ?? '');
}

/** Those that the pod names, and those that are made for it. */
function claimNames(pod: Pod): readonly string[] {
  return (pod.spec?.volumes ?? []).flatMap((volume) => claimNameOf(pod, volume) ?? []);
}
