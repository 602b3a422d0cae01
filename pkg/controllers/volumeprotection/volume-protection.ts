/** Lets a volume that is being deleted go once no claim is bound to it. Upstream counterpart: `pkg/controller/volume/pvprotection`. */
import type { PersistentVolume } from '#pkg/api/types/core-v1.ts';
import { persistentVolumes } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const finalizer = 'kubernetes.io/pv-protection';
const workers = 1;

/** The controller of volumes' protection. */
export function createVolumeProtection(context: ControllerContext): Component {
  const volumes = context.informers.informer(persistentVolumes);
  const loop = createLoop(context, {
    name: 'pv-protection',
    workers,
    reconcile: async (key) => {
      const volume = volumes.lister.get(key);
      if (volume?.metadata === undefined) return undefined;
      const { finalizers = [], deletionTimestamp } = volume.metadata;
      const isProtected = finalizers.includes(finalizer);
      const isWanted = deletionTimestamp === undefined;
      if (isProtected === isWanted || (isProtected && volume.status?.phase === 'Bound')) return undefined;
      const kept = finalizers.filter((name) => name !== finalizer);
      const metadata = { ...volume.metadata, finalizers: isWanted ? [...kept, finalizer] : kept };
      try {
        await context.client.resource(persistentVolumes).update({ ...volume, metadata });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return undefined;
    },
  });
  const enqueue = (volume: PersistentVolume): void => loop.queue.add(objectKey(volume));
  volumes.addHandler({ added: enqueue, updated: (_, volume) => enqueue(volume) });
  return loop;
}
