/** `coxswain vm failover`, and what `vm list` says of stand-bys. */
import {
  isMigrationOver,
  isStandby,
  type VirtualMachineMigration,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Client } from '#pkg/client/client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { World } from './world.ts';

/** How it goes is asked so often. */
const lookMs = 200;

/** What stands by for each machine of a namespace, by its name: the node, and how far it is behind. */
export async function standbysOf(client: Client, namespace: string): Promise<ReadonlyMap<string, string>> {
  const open = await openStandbys(client, namespace);
  return new Map(open.map((migration) => [migration.spec?.vmName ?? '', textOf(migration)]));
}

/** Has a stand-by go on with its machine, and waits until it does. Throws `UserError` where there is none that could. */
export async function failOver(
  world: World,
  client: Client,
  { machine, namespace }: { readonly machine: string; readonly namespace: string },
): Promise<number> {
  const found = (await openStandbys(client, namespace)).find(({ spec }) => spec?.vmName === machine);
  const checkpoints = found?.status?.source?.figures?.standby?.acknowledged ?? 0;
  if (found === undefined || checkpoints === 0)
    throw new UserError(`nothing stands by for ${machine} that has a checkpoint of it (spec.standby asks for one)`);
  const resource = client.resource(virtualMachineMigrations);
  const { name = '', uid = '' } = found.metadata ?? {};
  await resource.patch(name, { metadata: { uid }, spec: { takeOver: true } }, { namespace, type: 'merge' });
  for (;;) {
    const migration = await resource.get(name, { namespace });
    const { phase, message = '', targetNode } = migration.status ?? {};
    if (isMigrationOver(migration)) {
      if (phase !== 'Succeeded') throw new UserError(`${machine} was not taken over: ${message}`);
      world.write(`${machine} goes on on ${targetNode}, as it was at its last checkpoint\n`);
      return 0;
    }
    await sleep(world.clock, lookMs);
  }
}

async function openStandbys(client: Client, namespace: string): Promise<readonly VirtualMachineMigration[]> {
  const { items } = await client.resource(virtualMachineMigrations).list({ namespace });
  return items.filter((one) => isStandby(one) && !isMigrationOver(one));
}

function textOf({ status }: VirtualMachineMigration): string {
  const { targetNode = '', source } = status ?? {};
  const { acknowledged = 0, lagMs = 0 } = source?.figures?.standby ?? {};
  if (acknowledged === 0) return targetNode === '' ? 'none yet' : `${targetNode}, no checkpoint yet`;
  return `${targetNode}, ${lagMs.toFixed(0)} ms behind`;
}
