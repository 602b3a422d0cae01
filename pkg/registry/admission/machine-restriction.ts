/**
 * What a kubelet may write of virtual machines, which authorization cannot tell without the body: of a migration the part of the status that is its own end's, of a snapshot
 * that it makes how that ended, of a machine whether it stands still there, and who has it where its migration has an end at the node. Counterpart: KubeVirt's `virt-handler` policies.
 */
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import { type VirtualMachineMigration, virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import { virtualMachineSnapshots } from '#pkg/api/virtual-machine-snapshot.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionAttributes, about, type RegistryReader, readOne } from '#pkg/apiserver/strategy.ts';
import { without } from '../draft.ts';

/** A node writes the status of a migration. */
export function migrationStatus(node: string, attributes: AdmissionAttributes): void {
  const { old, draft } = about(attributes, virtualMachineMigrations, 'status') ?? {};
  const no = (why: string): Error => refusal(attributes, `node ${JSON.stringify(node)} ${why}`);
  if (old === undefined || draft === undefined) throw no('can only update the status of migrations');
  const { sourceNode, targetNode } = old.status ?? {};
  const ends = { source: sourceNode, target: targetNode };
  const own = (['source', 'target'] as const).filter((end) => ends[end] === node);
  if (own.length === 0) throw no('can only update the status of migrations from or to itself');
  if (!deepEqual(without(draft.status, own), without(old.status, own)))
    throw no(`is not allowed to update other than status.${own.join(', status.')}`);
}

/** A node writes the status of a snapshot. */
export function snapshotStatus(node: string, attributes: AdmissionAttributes): void {
  const { old, draft } = about(attributes, virtualMachineSnapshots, 'status') ?? {};
  const no = (why: string): Error => refusal(attributes, `node ${JSON.stringify(node)} ${why}`);
  if (old?.status?.nodeName !== node || draft === undefined)
    throw no('can only update the status of snapshots that it makes');
  if (!deepEqual(without(draft.status, ['result']), without(old.status, ['result'])))
    throw no('is not allowed to update other than status.result');
}

/** A node writes the status of a machine. */
export async function machineStatus(
  node: string,
  attributes: AdmissionAttributes,
  reader: RegistryReader,
): Promise<void> {
  const { old, draft } = about(attributes, virtualMachines, 'status') ?? {};
  const no = (why: string): Error => refusal(attributes, `node ${JSON.stringify(node)} ${why}`);
  if (old === undefined || draft === undefined) throw no('can only update the status of machines');
  const rest = ({ status }: Given<VirtualMachine>): unknown => ({
    ...without(status, ['paused']),
    migration: without(status?.migration, ['owner']),
  });
  if (!deepEqual(rest(draft), rest(old))) throw no('is not allowed to update other than status.migration.owner');
  if (draft.status?.paused !== old.status?.paused && old.status?.nodeName !== node)
    throw no('can only say of machines on itself that they stand still');
  const owner = draft.status?.migration?.owner ?? '';
  const before = old.status?.migration?.owner ?? '';
  if (owner === before) return;
  const { name = '', uid } = old.status?.migration ?? {};
  const key = { namespace: attributes.namespace, name };
  const migration = name === '' ? undefined : await readOne(reader, virtualMachineMigrations, key);
  if (migration === undefined || migration.metadata?.uid !== uid || !mayClaim(node, { before, owner }, migration))
    throw no(`is not allowed to say that the machine is the ${owner}'s`);
}

/** The target may take the machine or give it back; the source may keep it, but for a handover, which is the target's to end. */
function mayClaim(
  node: string,
  { before, owner }: { readonly before: string; readonly owner: string },
  { status }: VirtualMachineMigration,
): boolean {
  return status?.targetNode === node || (owner === 'source' && before === '' && status?.sourceNode === node);
}

function refusal(attributes: AdmissionAttributes, why: string): Error {
  const { group, resource, name } = attributes;
  return forbidden({ group, resource }, name, why);
}
