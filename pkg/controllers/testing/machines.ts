/** For tests of the controllers of machines: two nodes with the `vm` runtime, one machine that runs, and what kubelets tell of its migrations. */
import { nodes, runtimeClasses } from '#pkg/api/types/refs.ts';
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isMigrationOver,
  type VirtualMachineMigration,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Harness, startHarness, until } from './harness.ts';

const namespace = 'default';

/** One machine, `store`, in the namespace `default`, on one of the nodes `n1` and `n2`. */
export interface MachineHarness {
  readonly harness: Harness;
  machine(): Promise<VirtualMachine | undefined>;
  /** The migration that is under way. */
  open(): Promise<VirtualMachineMigration | undefined>;
  /** Waits until a migration is in that phase. */
  phaseIs(migration: string, phase: string): Promise<void>;
  /** Changes the status of a migration, as the kubelets do. */
  tell(migration: string, status: JsonObject): Promise<void>;
  /** The target says that the machine is its own. */
  claim(): Promise<void>;
}

/** Starts those controllers and a machine with that in its spec; resolves once it runs. */
export async function startMachine(controllers: readonly string[], spec: JsonObject = {}): Promise<MachineHarness> {
  const harness = await startHarness({ controllers: [...controllers, 'garbage-collector-controller'] });
  const { client } = harness;
  const status = { conditions: [{ type: 'Ready', status: 'True' }], runtimeHandlers: [{ name: 'vm' }] };
  for (const name of ['n1', 'n2']) {
    await client.resource(nodes).create({ metadata: { name } });
    await client.resource(nodes).patch(name, { status }, { type: 'merge', subresource: 'status' });
  }
  await client.resource(runtimeClasses).create({ metadata: { name: 'vm' }, handler: 'vm' });
  const whole = { image: 'coxswain.dev/vm/kernel', ...spec };
  await client.resource(virtualMachines).create({ metadata: { name: 'store', namespace }, spec: whole });
  const machine = async () => (await harness.list(virtualMachines))[0];
  await until(harness, async () => (await machine())?.status?.printableStatus === 'Running');
  const toStatus = { namespace, type: 'merge', subresource: 'status' } as const;
  return {
    harness,
    machine,
    open: async () => (await harness.list(virtualMachineMigrations)).find((one) => !isMigrationOver(one)),
    phaseIs: (migration, phase) =>
      until(
        harness,
        async () => (await harness.get(virtualMachineMigrations, `${namespace}/${migration}`))?.status?.phase === phase,
      ),
    tell: async (migration, patch) => {
      await client.resource(virtualMachineMigrations).patch(migration, { status: patch }, toStatus);
    },
    claim: async () => {
      await client.resource(virtualMachines).patch('store', { status: { migration: { owner: 'target' } } }, toStatus);
    },
  };
}
