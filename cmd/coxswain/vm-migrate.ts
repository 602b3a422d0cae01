/** `coxswain vm migrate`: asks for a migration, follows it, and says how it went; `--abort` ends the one under way. Counterpart: `virtctl migrate`, `migrate-cancel`. */
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isMigrationOver,
  type MigrationModeName,
  type VirtualMachineMigration,
  virtualMachineMigrations,
  waitsForMachine,
} from '#pkg/api/virtual-machine-migration.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { bytesText } from '#pkg/base/bytes-text.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { type ModeOutcome, modeCells, modesHead, modesPicture } from '#pkg/vmm/migration/modes-compared.ts';
import { pictureFile } from './vm-picture.ts';
import type { World } from './world.ts';

const modes: readonly MigrationModeName[] = ['pre-copy', 'post-copy', 'hybrid', 'suspend', 'cold'];
/** How it goes is asked so often. */
const lookMs = 200;
/** A machine that is about to run is waited for so long: who has just made it need not ask when it does. Then it is refused as one that does not run. */
const startMsMax = 60_000;
/** A source that has not said how it ended is waited for so long: it may be gone. */
const lastWordMsMax = 2000;
const startingStatuses: readonly string[] = ['', 'Provisioning', 'Starting'];

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
  if (options.abort) return abort(world, client, options);
  const migration = await move(world, client, options);
  const code = ended(world, migration);
  if (code === 0) await sayRelay(world, client, migration);
  return code;
}

/**
 * Migrates a machine once in each mode in which it keeps its memory, from node to node, prints what each took and draws it where `out` names a file; resolves to 1 where one failed, and then tries no
 * further. Throws `UserError` where there is no such picture.
 */
export async function compareModes(
  world: World,
  client: Client,
  options: MigrateOptions & { readonly out: string },
): Promise<number> {
  const file = pictureFile(options.out);
  const outcomes: ModeOutcome[] = [];
  for (const mode of modes.filter((one) => one !== 'cold')) {
    const beganMs = world.clock.monotonicMs();
    const migration = await move(world, client, { ...options, mode });
    if (ended(world, migration) !== 0) return 1;
    outcomes.push(outcomeOf(migration, world.clock.monotonicMs() - beganMs));
  }
  world.write(`\n${new TableLayout().render([modesHead, ...outcomes.map(modeCells)])}`);
  await file?.write(world, modesPicture(`${options.machine}: one move by each mode`, outcomes));
  return 0;
}

function outcomeOf({ spec, status }: VirtualMachineMigration, totalMs: number): ModeOutcome {
  const { sentBytes = 0, rounds = [], downtimeMs, faults = 0, classes = {} } = status?.source?.figures ?? {};
  return {
    mode: spec?.mode ?? '',
    ...{ totalMs, downtimeMs, sentBytes, faults },
    pages: rounds.reduce((sum, round) => sum + round.pages, 0),
    rounds: rounds.length,
    cpuMs: Object.values(classes).reduce((sum, figures) => sum + figures.cpuMs, 0),
  };
}

/** Makes a migration and follows it to its end. */
async function move(world: World, client: Client, options: MigrateOptions): Promise<VirtualMachineMigration> {
  const { namespace, machine, to, bandwidth } = options;
  const mode = modes.find((one) => one === options.mode);
  if (mode === undefined)
    throw new UserError(`there is no mode ${JSON.stringify(options.mode)}: use ${modes.join(', ')}`);
  await waitForStart(world, client, options);
  const resource = client.resource(virtualMachineMigrations);
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
    if (isMigrationOver(migration)) return lastWord(world, resource, migration);
    said = say(world, progressOf(migration), said);
    await sleep(world.clock, lookMs);
  }
}

/** A migration that is over, with what its source says last: the machine runs elsewhere before that has to be told. */
async function lastWord(
  world: World,
  resource: ResourceClient<VirtualMachineMigration>,
  over: VirtualMachineMigration,
): Promise<VirtualMachineMigration> {
  const { name = '', namespace = '' } = over.metadata ?? {};
  const untilMs = world.clock.monotonicMs() + lastWordMsMax;
  for (let migration = over; ; migration = await resource.get(name, { namespace })) {
    const isKnown = migration.status?.phase !== 'Succeeded' || migration.status.source?.outcome !== undefined;
    if (isKnown || world.clock.monotonicMs() >= untilMs) return migration;
    await sleep(world.clock, lookMs);
  }
}

/** Waits while a machine starts. */
async function waitForStart(world: World, client: Client, { machine, namespace }: MigrateOptions): Promise<void> {
  const untilMs = world.clock.monotonicMs() + startMsMax;
  for (let said = ''; world.clock.monotonicMs() < untilMs; ) {
    const { status } = await client.resource(virtualMachines).get(machine, { namespace });
    if (!startingStatuses.includes(status?.printableStatus ?? '')) return;
    said = say(world, `${machine}: starting`, said);
    await sleep(world.clock, lookMs);
  }
}

/** Says how it goes where that is not what was said last; returns what was said now. */
function say(world: World, line: string, said: string): string {
  if (line !== said) world.writeError(world.isTerminal ? `\r\u001b[K${line}` : `${line}\n`);
  return line;
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

/** Says what is left of a machine where it was. */
async function sayRelay(
  world: World,
  client: Client,
  { metadata, spec, status }: VirtualMachineMigration,
): Promise<void> {
  if (spec?.mode === 'cold') return;
  const { sourcePod = '', sourceNode } = status ?? {};
  const pod = await client
    .resource(pods)
    .get(sourcePod, { namespace: metadata?.namespace ?? '' })
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  if (pod?.metadata?.annotations?.[waitsForMachine] !== 'relay') return;
  world.write(
    `Connections to where it was go on through its pod ${sourcePod} on ${sourceNode}, which ends after the last.\n`,
  );
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
