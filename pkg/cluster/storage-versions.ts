/**
 * Says in StorageVersions in which version this server writes the objects of each resource, and which versions it reads and serves. Says so once the Lease is
 * there by which the server is known, again when what is served changes, and whenever somebody has taken it away. A write does not wait for that.
 * Upstream counterpart: apiserver `storageversion/{manager,updater}.go`.
 */
import {
  type ServerStorageVersion,
  type StorageVersion,
  storageVersionName,
  storageVersions,
  withServers,
} from '#pkg/api/storage-version.ts';
import { leases } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isConflict, isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import type { ServedDefinitions } from '#pkg/apiserver/server.ts';
import { repeat } from '#pkg/base/async.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Component } from '#pkg/component/component.ts';

/** How soon a change of what is served, or of what is said, is noticed. Source: none; upstream's server tells at its start and with each definition. */
const periodMs = 10_000;
/** How soon it is looked again for the Lease. */
const leasePeriodMs = 1_000;

/** Whose words they are. */
export interface StorageVersionsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly served: Pick<ServedDefinitions, 'list'>;
  /** Name of the server's Lease. */
  readonly identity: string;
}

/** What a server says of each resource that it stores, by the names of the objects. */
function storageVersionsOf(
  definitions: Pick<ServedDefinitions, 'list'>,
  apiServerID: string,
): ReadonlyMap<string, ServerStorageVersion> {
  const found = new Map<string, ServerStorageVersion>();
  for (const info of definitions.list()) {
    if (!info.verbs.includes('create') || !info.verbs.includes('watch')) continue;
    const name = storageVersionName(info);
    const encodingVersion = apiVersionOf(info.storedAs);
    const served = [...(found.get(name)?.servedVersions ?? []), apiVersionOf(info)];
    const decodableVersions = [...new Set([encodingVersion, ...served])].sort();
    found.set(name, { apiServerID, encodingVersion, decodableVersions, servedVersions: served.sort() });
  }
  return found;
}

/** Makes the component. What is refused is logged and tried again. */
export function createStorageVersions({ client, clock, log, served, identity }: StorageVersionsOptions): Component {
  const resource = client.resource(storageVersions);
  let isKnown = false;
  const tell = async (name: string, own: ServerStorageVersion, found: StorageVersion | undefined): Promise<void> => {
    const before = found?.status?.storageVersions ?? [];
    if (before.some((one) => deepEqual(one, own))) return;
    const others = before.filter(({ apiServerID }) => apiServerID !== identity);
    const current = found ?? (await resource.create({ metadata: { name }, spec: {} }));
    const status = withServers(current, [...others, own], timestamp(clock));
    await resource.update({ ...current, status }, { subresource: 'status' });
  };
  const tellAll = async (): Promise<void> => {
    isKnown ||= await hasLease(client, identity);
    if (!isKnown) return;
    const { items } = await resource.list();
    const known = new Map(items.map((one) => [one.metadata?.name ?? '', one]));
    for (const [name, own] of storageVersionsOf(served, identity)) {
      try {
        await tell(name, own, known.get(name));
      } catch (error) {
        // Another server was quicker: it is looked at again.
        if (!isConflict(error) && !isAlreadyExists(error)) throw error;
      }
    }
  };
  return {
    run: (signal) =>
      repeat(clock, { periodMs: () => (isKnown ? periodMs : leasePeriodMs), signal }, async () => {
        try {
          await tellAll();
        } catch (error) {
          if (!(error instanceof StatusError)) throw error;
          if (!signal.aborted) log.warn('Cannot tell in which versions objects are stored', { error });
        }
      }),
  };
}

async function hasLease(client: Client, name: string): Promise<boolean> {
  try {
    await client.resource(leases).get(name, { namespace: 'kube-system' });
    return true;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return false;
  }
}
