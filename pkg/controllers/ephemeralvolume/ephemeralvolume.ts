/** Makes the claims of pods' generic ephemeral volumes, which go with the pods. Upstream counterpart: `pkg/controller/volume/ephemeral`. */
import type { PersistentVolumeClaim, Pod } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, pods } from '#pkg/api/types/refs.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isAlreadyExists } from '#pkg/apimachinery/status-error.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const workers = 5;

/** The ephemeral-volume controller. */
export function createEphemeralVolumeController(context: ControllerContext): Component {
  const podInformer = context.informers.informer(pods);
  const claims = context.informers.informer(persistentVolumeClaims);
  const make = async (pod: Pod, claim: PersistentVolumeClaim): Promise<void> => {
    const key = objectKey(claim);
    const there = claims.lister.get(key);
    if (there !== undefined) {
      if (controllerOf(there)?.uid === pod.metadata?.uid) return;
      throw new Error(`PVC ${key} was not created for pod ${objectKey(pod)} (pod is not owner)`);
    }
    try {
      await context.client.resource(persistentVolumeClaims).create(claim);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  };
  const loop = createLoop(context, {
    name: 'ephemeral_volume',
    workers,
    reconcile: async (key) => {
      const pod = podInformer.lister.get(key);
      if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) return undefined;
      for (const claim of claimsOf(pod)) await make(pod, claim);
      return undefined;
    },
  });
  const enqueue = (pod: Pod): void => {
    if (pod.spec?.volumes?.some(({ ephemeral }) => ephemeral !== undefined) === true) loop.queue.add(objectKey(pod));
  };
  podInformer.addHandler({ added: enqueue });
  claims.addHandler({
    // One that was deleted early is made anew.
    deleted: (claim) => {
      const owner = controllerOf(claim);
      if (owner?.kind === 'Pod') loop.queue.add(`${claim.metadata?.namespace}/${owner.name}`);
    },
  });
  return loop;
}

function claimsOf(pod: Pod): readonly PersistentVolumeClaim[] {
  return (pod.spec?.volumes ?? []).flatMap(({ name, ephemeral }): PersistentVolumeClaim[] => {
    const template = ephemeral?.volumeClaimTemplate;
    if (template === undefined) return [];
    const { name: podName, namespace = '' } = pod.metadata ?? {};
    const { labels, annotations } = template.metadata ?? {};
    const metadata = {
      name: `${podName}-${name}`,
      namespace,
      ownerReferences: [controllerReference(pod, pods)],
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    return [{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: template.spec }];
  });
}
