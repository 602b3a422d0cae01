/** `coxswain vm migrate`: asks for a migration, follows it, and says how it went; `--abort` ends the one under way. Counterpart: `virtctl migrate`, `migrate-cancel`. */
import { nodes } from '#pkg/api/types/refs.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isMigrationOver,
  type MigrationModeName,
  type VirtualMachineMigration,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Client } from '#pkg/client/client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { bytesText } from './bytes-text.ts';
import type { World } from './world.ts';

const modes: readonly MigrationModeName[] = ['pre-copy', 'post-copy', 'hybrid', 'suspend', 'cold'];
/** How it goes is asked so often. */
const lookMs = 200;

/** What is asked for. */
export interface MigrateOptions {
  readonly machine: string;
  readonly namespace: string;
  /** `''`: the scheduler's choice. */
  readonly to: string;
  readonly mode: string;
  /** Bytes a second as a quantity; `''`: the default. */
  readonly bandwidth: string;
  readonly abort: boolean;
}

/** Migrates a machine and waits for it; resolves to the exit code. Throws `UserError`, and what the cluster says. */
export async function migrateMachine(world: World, client: Client, options: MigrateOptions): Promise<number> {
  const { namespace, machine, to, bandwidth } = options;
  const mode = modes.find((one) => one === options.mode);
  if (mode === undefined)
    throw new UserError(`there is no mode ${JSON.stringify(options.mode)}: use ${modes.join(', ')}`);
  const resource = client.resource(virtualMachineMigrations);
  if (options.abort) return abort(world, client, options);
  const made = await resource.create({
    metadata: { generateName: `${machine}-`, namespace },
    spec: {
      vmName: machine,
      mode,
      ...(to === '' ? {} : { targetNode: to }),
      ...(bandwidth === '' ? {} : { bandwidth }),
    },
  });
  const name = made.metadata?.name ?? '';
  for (let said = ''; ; ) {
    const migration = await resource.get(name, { namespace });
    const line = progressOf(migration);
    if (isMigrationOver(migration)) return ended(world, migration);
    if (line !== said) world.writeError(world.isTerminal ? `\r\u001b[K${line}` : `${line}\n`);
    said = line;
    await sleep(world.clock, lookMs);
  }
}

/** Keeps further pods off a node and moves the machines that run there, of all namespaces; resolves to 1 where one has stayed. Throws `UserError` where there is no such node. */
export async function evacuateNode(
  world: World,
  client: Client,
  { node, mode, bandwidth }: { readonly node: string } & Pick<MigrateOptions, 'bandwidth' | 'mode'>,
): Promise<number> {
  try {
    await client.resource(nodes).patch(node, { spec: { unschedulable: true } }, { type: 'merge' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new UserError(`there is no node ${JSON.stringify(node)}`);
  }
  const { items } = await client.resource(virtualMachines).list();
  const there = items.filter(({ status }) => status?.nodeName === node);
  if (there.length === 0) world.write(`no machine runs on ${node}\n`);
  let code = 0;
  for (const { metadata } of there) {
    const { name: machine = '', namespace = '' } = metadata ?? {};
    code = Math.max(
      code,
      await migrateMachine(world, client, { machine, namespace, to: '', mode, bandwidth, abort: false }),
    );
  }
  return code;
}

async function abort(world: World, client: Client, { machine, namespace }: MigrateOptions): Promise<number> {
  const { status } = await client.resource(virtualMachines).get(machine, { namespace });
  const { items } = await client.resource(virtualMachineMigrations).list({ namespace });
  const current = items.filter((one) => one.spec?.vmName === machine && !isMigrationOver(one));
  if (current.length === 0)
    throw new UserError(`no migration of ${machine} is under way: it is ${status?.printableStatus ?? 'not known yet'}`);
  for (const { metadata } of current) {
    const patch = { spec: { abort: true } };
    await client.resource(virtualMachineMigrations).patch(metadata?.name ?? '', patch, { namespace, type: 'merge' });
    world.write(`${metadata?.name} is to end\n`);
  }
  return 0;
}

/** One line of how it goes. */
function progressOf({ spec, status }: VirtualMachineMigration): string {
  const { phase = 'Pending', sourceNode = '', targetNode = '', source } = status ?? {};
  const { rounds = [], sentBytes = 0, throttle = 1 } = source?.figures ?? {};
  const last = rounds.at(-1);
  const parts = [
    `${spec?.vmName}: ${phase.toLowerCase()}`,
    ...(sourceNode === '' ? [] : [`${sourceNode} to ${targetNode === '' ? 'another node' : targetNode}`]),
    ...(sentBytes === 0 ? [] : [`${bytesText(sentBytes)} sent`]),
    ...(last === undefined ? [] : [`round ${last.round}: ${last.pages} pages, ${last.dirtied} written meanwhile`]),
    ...(throttle < 1 ? [`slowed down to ${Math.round(throttle * 100)} %`] : []),
  ];
  return parts.join(', ');
}

function ended(world: World, { spec, status }: VirtualMachineMigration): number {
  const { phase, message = '', sourceNode, targetNode, source } = status ?? {};
  if (world.isTerminal) world.writeError('\r\u001b[K');
  if (phase !== 'Succeeded') {
    world.writeError(`${spec?.vmName} was not migrated: ${message}\n`);
    return 1;
  }
  const { sentBytes = 0, rounds = [], downtimeMs } = source?.figures ?? {};
  const stood = downtimeMs === undefined ? '' : `, stood still for ${downtimeMs.toFixed(1)} ms`;
  world.write(
    `${spec?.vmName} moved from ${sourceNode} to ${targetNode}: ${bytesText(sentBytes)} in ${rounds.length} rounds${stood}\n`,
  );
  return 0;
}
