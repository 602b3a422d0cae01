/**
 * `coxswain vm pause`, `resume`, `snapshot`, `restore` and `clone`: what is asked of machines as they are now. Each says what it has asked for, and waits where that is soon done. Counterpart:
 * `virtctl pause`, `unpause`, and KubeVirt's `VirtualMachineSnapshot`, `VirtualMachineRestore` and `VirtualMachineClone`.
 */
import { type StateChangeRequest, type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isSnapshotOver,
  type VirtualMachineSnapshot,
  virtualMachineSnapshots,
} from '#pkg/api/virtual-machine-snapshot.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { bytesText } from '#pkg/base/bytes-text.ts';
import type { Client } from '#pkg/client/client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { World } from './world.ts';

/** How it goes is asked so often. */
const lookMs = 100;

/** Which machine of which cluster. */
export interface MachineCall {
  readonly world: World;
  readonly client: Client;
  readonly namespace: string;
  readonly machine: VirtualMachine;
}

/** Has a machine stand still, or go on, and waits until it does. Throws `UserError` where it does not run. */
export async function holdMachine(call: MachineCall, paused: boolean): Promise<number> {
  const { world, client, namespace, machine } = call;
  const name = requireUp(machine);
  const resource = client.resource(virtualMachines);
  await resource.patch(name, { spec: { paused } }, { namespace, type: 'merge' });
  for (;;) {
    const { status } = await resource.get(name, { namespace });
    if (status?.podName === undefined) throw new UserError(`${name} ended: it is ${status?.printableStatus}`);
    if ((status.paused ?? false) === paused) break;
    await sleep(world.clock, lookMs);
  }
  world.write(`${name} ${paused ? 'stands still' : 'goes on'}\n`);
  return 0;
}

/** Takes a snapshot and waits for it; resolves to the exit code. `as`: its name; `''`: one is made. Throws `UserError` where the machine does not run. */
export async function snapshotMachine(call: MachineCall, as: string): Promise<number> {
  const { metadata, status } = await take(call, as);
  const size = bytesText(status?.result?.sizeBytes ?? 0);
  call.world.write(`${metadata?.name}: ${call.machine.metadata?.name} as it was, ${size} on ${status?.nodeName}\n`);
  return 0;
}

/** Has a machine begin from a snapshot from now on, at once where it runs. Throws `UserError` where it cannot. */
export async function restoreMachine(call: MachineCall, snapshotName: string): Promise<number> {
  const { world, client, namespace, machine } = call;
  const name = machine.metadata?.name ?? '';
  const snapshot = await usable(call, snapshotName);
  const { image, memory } = snapshot.status?.machine ?? {};
  if (image !== machine.spec?.image || memory !== machine.spec?.memory)
    throw new UserError(
      `${snapshotName} is of ${image} with ${memory}, and ${name} has ${machine.spec?.image} with ${machine.spec?.memory}`,
    );
  await client.resource(virtualMachines).patch(name, { spec: { snapshotName } }, { namespace, type: 'merge' });
  if (machine.status?.podName !== undefined) await restart(call);
  const when = machine.status?.podName === undefined ? 'when it is started' : 'now';
  world.write(`${name} begins from ${snapshotName} ${when}\n`);
  return 0;
}

/** Makes a machine that begins as another is now, or was. `snapshot`: which; `''`: one is taken. Throws `UserError` where it cannot. */
export async function cloneMachine(
  call: MachineCall,
  { as, snapshot: given }: { readonly as: string; readonly snapshot: string },
): Promise<number> {
  const { world, client, namespace } = call;
  if (as === '') throw new UserError('say how the clone is to be called (--as)');
  const snapshot = given === '' ? await take(call, '') : await usable(call, given);
  const snapshotName = snapshot.metadata?.name ?? '';
  const { paused: _, ...spec } = snapshot.status?.machine ?? { image: '' };
  await client.resource(virtualMachines).create({ metadata: { name: as, namespace }, spec: { ...spec, snapshotName } });
  world.write(`${as} begins from ${snapshotName}\n`);
  return 0;
}

/** Ends the run of a machine and begins another. */
export async function restartMachine(call: MachineCall): Promise<number> {
  const name = requireUp(call.machine);
  await restart(call);
  call.world.write(`${name} is to restart\n`);
  return 0;
}

/** One that is run by hand is asked to stop and to start, another to stop: that begins anew. */
function restart({ client, namespace, machine }: MachineCall): Promise<unknown> {
  const stateChangeRequests: readonly StateChangeRequest[] =
    machine.spec?.runStrategy === 'Manual' ? [{ action: 'Stop' }, { action: 'Start' }] : [{ action: 'Stop' }];
  const patch: JsonObject = { status: { stateChangeRequests: stateChangeRequests.map((one) => ({ ...one })) } };
  return client
    .resource(virtualMachines)
    .patch(machine.metadata?.name ?? '', patch, { namespace, type: 'merge', subresource: 'status' });
}

/** The name of a machine that runs. */
function requireUp({ metadata, status }: VirtualMachine): string {
  const { name = '' } = metadata ?? {};
  if (status?.podName !== undefined) return name;
  throw new UserError(`${name} does not run: it is ${status?.printableStatus ?? 'not known yet'}`);
}

async function take({ world, client, namespace, machine }: MachineCall, as: string): Promise<VirtualMachineSnapshot> {
  const vmName = requireUp(machine);
  const resource = client.resource(virtualMachineSnapshots);
  const made = await resource.create({
    metadata: { ...(as === '' ? { generateName: `${vmName}-` } : { name: as }), namespace },
    spec: { vmName },
  });
  const name = made.metadata?.name ?? '';
  for (;;) {
    const snapshot = await resource.get(name, { namespace });
    if (snapshot.status?.phase === 'Failed')
      throw new UserError(`there is no snapshot of ${vmName}: ${snapshot.status.message}`);
    if (isSnapshotOver(snapshot)) return snapshot;
    await sleep(world.clock, lookMs);
  }
}

/** A snapshot from which machines can begin. */
async function usable({ client, namespace }: MachineCall, name: string): Promise<VirtualMachineSnapshot> {
  if (name === '') throw new UserError('say which snapshot (--snapshot)');
  try {
    const snapshot = await client.resource(virtualMachineSnapshots).get(name, { namespace });
    if (snapshot.status?.readyToUse === true) return snapshot;
    throw new UserError(`the snapshot ${name} is not ready: it is ${snapshot.status?.phase ?? 'not known yet'}`);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new UserError(`there is no snapshot ${JSON.stringify(name)} in ${namespace}`);
  }
}
