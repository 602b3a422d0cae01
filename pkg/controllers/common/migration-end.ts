/** How controllers end migrations of machines. */
import { type VirtualMachineMigration, virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';

/** Asks a migration to end; one that has gone, or has another in its place, is left alone. */
export async function askToEnd(client: Client, { metadata }: VirtualMachineMigration): Promise<void> {
  const { name = '', namespace = '', uid = '' } = metadata ?? {};
  try {
    const patch = { metadata: { uid }, spec: { abort: true } };
    await client.resource(virtualMachineMigrations).patch(name, patch, { namespace, type: 'merge' });
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
