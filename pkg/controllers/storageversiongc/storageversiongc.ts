/**
 * Takes what API servers that are gone have said out of StorageVersions, and removes those of which nobody speaks any more. A server is there as long as its
 * Lease in `kube-system` is. Runs only where it is named, and the resource is only served where it is switched on, as with upstream's feature gate.
 * Upstream counterpart: `pkg/controller/storageversiongc`.
 */
import { type StorageVersion, serverLeaseLabel, storageVersions, withServers } from '#pkg/api/storage-version.ts';
import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import { leases } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const workers = 1;
/** Where API servers keep their Leases. */
const namespace = 'kube-system';

/** The controller. */
export function createStorageVersionCollector(context: ControllerContext): Component {
  const { client, clock } = context;
  const informer = context.informers.informer(storageVersions);
  const leaseInformer = context.informers.informer(leases);
  const resource = client.resource(storageVersions);
  /** Asked of the server, as a copy that is behind would take away what a server has just said. */
  const isThere = async (id: string): Promise<boolean> => {
    try {
      return isServers(await client.resource(leases).get(id, { namespace }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return false;
    }
  };
  const loop = createLoop(context, {
    name: 'storage-version-garbage-collector',
    workers,
    reconcile: async (name) => {
      const found = informer.lister.get(name);
      if (found === undefined) return undefined;
      const all = found.status?.storageVersions ?? [];
      const known = await Promise.all(all.map(({ apiServerID = '' }) => isThere(apiServerID)));
      const left = all.filter((_, index) => known[index]);
      if (left.length === all.length) return undefined;
      if (left.length > 0) {
        const status = withServers(found, left, timestamp(clock));
        await resource.update({ ...found, status }, { subresource: 'status' });
      } else await removeOne(found);
      return undefined;
    },
  });
  const removeOne = async ({ metadata }: StorageVersion): Promise<void> => {
    const { name = '', resourceVersion = '' } = metadata ?? {};
    try {
      await resource.delete(name, { preconditions: { resourceVersion } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };
  /** Those of which a server speaks that seems to be gone. */
  const look = (object: StorageVersion): void => {
    const ids = (object.status?.storageVersions ?? []).map(({ apiServerID = '' }) => apiServerID);
    const isStale = ids.some((id) => !isServers(leaseInformer.lister.get(`${namespace}/${id}`)));
    if (isStale) loop.queue.add(objectKey(object));
  };
  informer.addHandler({ added: look, updated: (_, object) => look(object) });
  leaseInformer.addHandler({
    deleted: (lease) => {
      if (lease.metadata?.namespace !== namespace || !isServers(lease)) return;
      for (const object of informer.lister.list()) look(object);
    },
  });
  return loop;
}

function isServers(lease: Lease | undefined): boolean {
  return lease?.metadata?.labels?.[serverLeaseLabel.key] === serverLeaseLabel.value;
}
