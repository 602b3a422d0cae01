/**
 * Has every object of a resource written anew, as `StorageVersionMigration`s ask for it: what lies in the store in another version, or sealed with another key, is rewritten
 * by a patch that changes nothing, and what is as it should be stays untouched. One migration after the other; one that is cut off begins anew, as
 * what was done costs no write. Runs only where it is named, and the resource is only served where it is switched on, as with upstream's feature gate.
 * Upstream counterpart: `pkg/controller/storageversionmigrator`, KEP-4192.
 */
import type { Condition } from '#pkg/api/types/meta-v1.ts';
import { storageVersionMigrations } from '#pkg/api/types/refs.ts';
import type { StorageVersionMigration } from '#pkg/api/types/storagemigration-v1beta1.ts';
import { objectKey, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { isConflict, isExpired, isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { discoverResources, groupResource } from '#pkg/client/discovery.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const workers = 1;
/** Objects that are looked at between two looks at whether to stop. */
const pageSize = 500;

type ConditionType = 'Failed' | 'Running' | 'Succeeded';

/** Why a migration cannot be done, now or ever. */
class MigrationError extends Error {}

/** The controller. */
export function createStorageVersionMigrator(context: ControllerContext): Component {
  const { client, clock } = context;
  const informer = context.informers.informer(storageVersionMigrations);
  const resource = client.resource(storageVersionMigrations);
  const tell = (
    migration: StorageVersionMigration,
    type: ConditionType,
    { message = '', resourceVersion }: { readonly message?: string; readonly resourceVersion?: string } = {},
  ): Promise<StorageVersionMigration> => {
    const now = timestamp(clock);
    const condition = (one: ConditionType, status: 'False' | 'True', why: string): Condition => ({
      type: one,
      status,
      lastTransitionTime: now,
      reason: `StorageVersionMigration${type === 'Running' ? 'InProgress' : type}`,
      message: why,
    });
    const ended = type === 'Running' ? [] : [condition('Running', 'False', '')];
    const conditions = [...ended, condition(type, 'True', message)];
    const status = { ...migration.status, ...(resourceVersion === undefined ? {} : { resourceVersion }), conditions };
    return resource.update({ ...migration, status }, { subresource: 'status' });
  };
  const loop = createLoop(context, {
    name: 'storage-version-migrator',
    workers,
    reconcile: async (name) => {
      const migration = informer.lister.get(name);
      if (migration === undefined || hasEnded(migration)) return undefined;
      let running = migration;
      try {
        const ref = await findResource(client, migration);
        const { metadata } = await client.resource(ref).list({ limit: 1 });
        const resourceVersion = metadata?.resourceVersion ?? '';
        if (!isTrue(migration, 'Running')) running = await tell(migration, 'Running', { resourceVersion });
        await rewriteAll(client, ref);
      } catch (error) {
        const message = failureOf(error);
        if (message === undefined) throw error;
        await tell(running, 'Failed', { message });
        return undefined;
      }
      await tell(running, 'Succeeded');
      return undefined;
    },
  });
  const enqueue = (migration: StorageVersionMigration): void => loop.queue.add(objectKey(migration));
  informer.addHandler({ added: enqueue, updated: (_, migration) => enqueue(migration) });
  return loop;
}

/** What a migration fails of for good; undefined for what is tried again. */
function failureOf(error: unknown): string | undefined {
  if (error instanceof MigrationError) return error.message;
  const isFinal = error instanceof StatusError && error.code >= 400 && error.code < 500 && error.code !== 429;
  return isFinal && !isConflict(error) && !isExpired(error) ? error.message : undefined;
}

function isTrue({ status }: StorageVersionMigration, type: ConditionType): boolean {
  return status?.conditions?.some((one) => one.type === type && one.status === 'True') === true;
}

function hasEnded(migration: StorageVersionMigration): boolean {
  return isTrue(migration, 'Succeeded') || isTrue(migration, 'Failed');
}

/** The resource in the version that its group prefers. Throws a `MigrationError` for one that is not there or cannot be migrated. */
async function findResource(client: Client, { spec }: StorageVersionMigration): Promise<ResourceRef> {
  const { group = '', resource = '' } = spec?.resource ?? {};
  const name = groupResource({ group, version: '', resource });
  const { resources, failures } = await discoverResources(client);
  const found = resources.find(({ ref }) => groupResource(ref) === name);
  if (found === undefined) {
    const unknown = failures.find(({ groupVersion }) => groupVersion.startsWith(`${group}/`));
    if (unknown !== undefined) throw unknown.error;
    throw new MigrationError(`the server has no resource ${name}`);
  }
  const lacking = ['list', 'patch'].filter((verb) => !found.verbs.includes(verb));
  if (lacking.length > 0)
    throw new MigrationError(`${name} cannot be migrated as it has no verb ${lacking.join(', ')}`);
  return found.ref;
}

/** Each object that there was at the beginning is patched once. What changed or went meanwhile was written anew by that, or is no more. */
async function rewriteAll(client: Client, ref: ResourceRef): Promise<void> {
  const resource = client.resource(ref);
  let next: string | undefined;
  do {
    const page = await resource.list({ limit: pageSize, ...(next === undefined ? {} : { continue: next }) });
    for (const { metadata } of page.items) {
      const { name = '', namespace, uid = '', resourceVersion = '' } = metadata ?? {};
      try {
        const where = namespace === undefined ? {} : { namespace };
        await resource.patch(name, { metadata: { uid, resourceVersion } }, { ...where, type: 'merge' });
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error)) throw error;
      }
    }
    next = page.metadata?.continue;
  } while (next !== undefined && next !== '');
}
