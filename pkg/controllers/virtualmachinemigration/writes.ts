/** What the controller of migrations writes, but for the machine's status. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import {
  type VirtualMachineMigration,
  type VirtualMachineMigrationStatus,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import { type JsonObject, objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import { LastWrites } from '../common/last-writes.ts';

/** Writes of migrations and of the pods that they are about. What has gone meanwhile is left alone. */
export class MigrationWrites {
  readonly #client: Client;
  /** Of migrations: one that is looked at as it was before would be written once more. */
  readonly last = new LastWrites();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Changes the status. */
  async tell(migration: VirtualMachineMigration, status: VirtualMachineMigrationStatus): Promise<undefined> {
    const { name = '', namespace = '' } = migration.metadata ?? {};
    const written = await this.#client
      .resource(virtualMachineMigrations)
      .patch(name, { status: { ...status } }, { namespace, type: 'merge', subresource: 'status' });
    this.last.wrote(objectKey(migration), written);
    return undefined;
  }

  /** Has a migration look for another target. */
  async startOver({ metadata }: VirtualMachineMigration): Promise<undefined> {
    const { name = '', namespace = '', uid = '' } = metadata ?? {};
    const status = { phase: 'Pending', targetPod: null, targetNode: null, target: null };
    await this.#client
      .resource(virtualMachineMigrations)
      .patch(name, { metadata: { uid }, status }, { namespace, type: 'merge', subresource: 'status' });
    return undefined;
  }

  /** Changes labels and annotations. */
  async changePod(pod: Pod, metadata: JsonObject): Promise<void> {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    try {
      await this.#client.resource(pods).patch(name, { metadata }, { namespace, type: 'merge' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Puts these finalizers in place of those of the migration as it was seen. */
  async setFinalizers(migration: VirtualMachineMigration, finalizers: readonly string[]): Promise<void> {
    const { name = '', namespace = '', resourceVersion = '' } = migration.metadata ?? {};
    try {
      const patch = { metadata: { resourceVersion, finalizers: [...finalizers] } };
      const resource = this.#client.resource(virtualMachineMigrations);
      this.last.wrote(objectKey(migration), await resource.patch(name, patch, { namespace, type: 'merge' }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Deletes a pod at once. */
  async deletePod(name: string, namespace: string): Promise<void> {
    try {
      await this.#client.resource(pods).delete(name, { namespace, gracePeriodSeconds: 0 });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
