/** `coxswain vm`: the virtual machines of a cluster: what there are, and what is asked of them. What a machine is to be is its object's, for kubectl. */
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import {
  commandOverview,
  type FlagTable,
  type FlagValues,
  helpText,
  parseFlags,
  text,
  toggle,
} from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { clusterFlags } from './cluster-flags.ts';
import { type ClusterChoice, ofCluster, withClient } from './cluster-objects.ts';
import { kubectlCommand } from './kubectl.ts';
import { formatted, outputFlag } from './output.ts';
import type { MachineCall } from './vm-snapshot.ts';
import { checkName, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  kubeconfig: text({
    help: 'Kubeconfig of another cluster, in place of the one that --name says.',
    placeholder: 'file',
  }),
  namespace: text({ help: 'Namespace of the machines.', short: 'n', fallback: 'default', placeholder: 'name' }),
} satisfies FlagTable;

/** Flags of `list` beside those of all. */
const listFlags = { ...flags, output: outputFlag } satisfies FlagTable;

/** Flags of `migrate` beside those of all. */
const migrateFlags = {
  ...flags,
  to: text({ help: 'Node to move to. Default: the scheduler finds one.', placeholder: 'node' }),
  mode: text({ help: 'pre-copy, post-copy, hybrid, suspend or cold.', fallback: 'pre-copy', placeholder: 'mode' }),
  bandwidth: text({ help: 'Bytes a second, such as 16Mi. Default: 64Mi.', placeholder: 'quantity' }),
  abort: toggle({ help: 'End the migration under way.' }),
  'all-modes': toggle({ help: 'Move it once in each mode that keeps its memory, and compare them.' }),
  out: text({ help: 'With --all-modes: file for a picture, such as modes.svg or modes.png.', placeholder: 'file' }),
} satisfies FlagTable;

/** Flags of `evacuate` beside those of all. */
const evacuateFlags = {
  ...flags,
  mode: migrateFlags.mode,
  bandwidth: migrateFlags.bandwidth,
} satisfies FlagTable;

/** Flags of `report` beside those of all. */
const reportFlags = {
  ...flags,
  out: text({ help: 'File for a picture, such as move.svg or move.png.', placeholder: 'file' }),
} satisfies FlagTable;

/** Flags of `snapshot` beside those of all. */
const snapshotFlags = {
  ...flags,
  as: text({ help: 'Name of what is made. Default of a snapshot: one is made up.', placeholder: 'name' }),
} satisfies FlagTable;

/** Flags of `restore` beside those of all. */
const restoreFlags = {
  ...flags,
  snapshot: text({ help: 'Snapshot to begin from.', placeholder: 'name' }),
} satisfies FlagTable;

/** Flags of `clone`: without a snapshot, one is taken. */
const cloneFlags = { ...snapshotFlags, snapshot: restoreFlags.snapshot } satisfies FlagTable;

type Values = FlagValues<typeof flags> &
  Partial<
    FlagValues<typeof listFlags> &
      FlagValues<typeof migrateFlags> &
      FlagValues<typeof reportFlags> &
      FlagValues<typeof cloneFlags>
  >;

/** What a command is given. */
interface Call {
  readonly world: World;
  readonly values: Values;
  readonly name: string;
}

interface VmCommand {
  readonly summary: string;
  /** Takes the name of a machine, or of what is said here. */
  readonly takesName: boolean | 'NODE';
  /** Default: those of all. */
  readonly flags?:
    | typeof cloneFlags
    | typeof evacuateFlags
    | typeof listFlags
    | typeof migrateFlags
    | typeof reportFlags
    | typeof restoreFlags
    | typeof snapshotFlags;
  run(call: Call): Promise<number>;
}

const commands: Readonly<Record<string, VmCommand>> = {
  list: { summary: 'List machines.', takesName: false, flags: listFlags, run: list },
  start: { summary: 'Start a machine.', takesName: true, run: (call) => ask(call, 'Start') },
  stop: { summary: 'Stop a machine.', takesName: true, run: (call) => ask(call, 'Stop') },
  restart: {
    summary: 'End a run of a machine and begin another.',
    takesName: true,
    run: (call) => now(call, ({ restartMachine }, machine) => restartMachine(machine)),
  },
  pause: {
    summary: 'Have a machine stand still.',
    takesName: true,
    run: (call) => now(call, ({ holdMachine }, machine) => holdMachine(machine, true)),
  },
  resume: {
    summary: 'Have a machine that stands still go on.',
    takesName: true,
    run: (call) => now(call, ({ holdMachine }, machine) => holdMachine(machine, false)),
  },
  snapshot: {
    summary: 'Keep a machine as it is now.',
    takesName: true,
    flags: snapshotFlags,
    run: (call) => now(call, ({ snapshotMachine }, machine) => snapshotMachine(machine, call.values.as ?? '')),
  },
  restore: {
    summary: 'Have a machine begin from a snapshot.',
    takesName: true,
    flags: restoreFlags,
    run: (call) => now(call, ({ restoreMachine }, machine) => restoreMachine(machine, call.values.snapshot ?? '')),
  },
  clone: {
    summary: 'Make a machine that begins as another is now.',
    takesName: true,
    flags: cloneFlags,
    run: (call) =>
      now(call, ({ cloneMachine }, machine) =>
        cloneMachine(machine, { as: call.values.as ?? '', snapshot: call.values.snapshot ?? '' }),
      ),
  },
  console: { summary: 'Be at the console of a machine; Ctrl-C leaves it.', takesName: true, run: attach },
  migrate: {
    summary: 'Move a machine to another node while it runs.',
    takesName: true,
    flags: migrateFlags,
    run: migrate,
  },
  evacuate: {
    summary: 'Cordon a node and move all of its machines, one after the other, to others.',
    takesName: 'NODE',
    flags: evacuateFlags,
    run: evacuate,
  },
  failover: {
    summary: 'Have the stand-by of a machine go on with it, from its last checkpoint.',
    takesName: true,
    run: failover,
  },
  report: {
    summary: 'Show how the last migration of a machine went, as tables and as a picture.',
    takesName: true,
    flags: reportFlags,
    run: report,
  },
  top: { summary: 'Show what a machine uses, and what its harts and devices did.', takesName: true, run: top },
};

const compareSummary = 'Compare ways to virtualize, as table and picture; needs no cluster.';
const theoremsSummary = "Show Popek and Goldberg's theorems by guests that run; needs no cluster.";

/** Runs the command; resolves to its exit code. Throws `UserError`, and what the cluster says. */
export async function vm(world: World, args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === 'compare') return (await import('./vm-compare.ts')).compare(world, rest);
  if (name === 'theorems') return (await import('./vm-theorems.ts')).theorems(world, rest);
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return run(world, rest, { command, name: name ?? '' });
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const summary = 'The virtual machines of a cluster.';
    world.write(
      commandOverview({
        summary,
        usage: 'coxswain vm <command>',
        commands: { ...commands, compare: { summary: compareSummary }, theorems: { summary: theoremsSummary } },
      }),
    );
    return name === undefined ? 1 : 0;
  }
  throw new UserError(`unknown command "vm ${name}": "coxswain vm --help" lists them`);
}

async function run(
  world: World,
  args: readonly string[],
  { command, name }: { readonly command: VmCommand; readonly name: string },
): Promise<number> {
  const hint = `(see "coxswain vm ${name} --help")`;
  const table = command.flags ?? flags;
  const taken = command.takesName === 'NODE' ? 'NODE' : 'NAME';
  const parsed = parseFlags(table, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const usage = `coxswain vm ${name}${command.takesName === false ? '' : ` ${taken}`} [flags]`;
    world.write(helpText(table, { usage, summary: command.summary }));
    return 0;
  }
  const { rest, values } = parsed;
  const most = command.takesName === false ? 0 : 1;
  if (rest.length < most) throw new UserError(`say ${taken} ${hint}`);
  if (rest.length > most) throw new UserError(`unexpected argument: ${rest[most]} ${hint}`);
  checkName(values.name);
  return command.run({ world, values, name: rest[0] ?? '' });
}

function choiceOf({ values }: Call): ClusterChoice {
  return { name: values.name, dataDir: values['data-dir'], kubeconfig: values.kubeconfig };
}

function withCluster<T>(call: Call, use: (client: Client) => Promise<T>): Promise<T> {
  return withClient(call.world, choiceOf(call), use);
}

async function list(call: Call): Promise<number> {
  const { world, values } = call;
  const { namespace, output = '' } = values;
  const { items, standbys } = await withCluster(call, async (client) => {
    const { items } = await client.resource(virtualMachines).list({ namespace });
    if (items.every(({ spec }) => spec?.standby === undefined)) return { items, standbys: new Map<string, string>() };
    return { items, standbys: await (await import('./vm-standby.ts')).standbysOf(client, namespace) };
  });
  if (output !== '') {
    const machines = items.map((machine) => machineOf(machine, standbys.get(machine.metadata?.name ?? '')));
    world.write(await formatted({ machines }, output));
    return 0;
  }
  // A column that most have no use for.
  const head = ['NAME', 'STATUS', 'NODE', 'ADDRESS', 'RUNS', 'STRATEGY', ...(standbys.size === 0 ? [] : ['STANDBY'])];
  const rows = items.map((machine) => [
    ...rowOf(machine),
    ...(standbys.size === 0 ? [] : [standbys.get(machine.metadata?.name ?? '') ?? '']),
  ]);
  if (items.length === 0) world.write(`There are no machines in ${values.namespace}.\n`);
  else world.write(new TableLayout().render([head, ...rows]));
  return 0;
}

/** What a row says, for programs. */
function machineOf({ metadata, spec, status }: VirtualMachine, standby: string | undefined): object {
  const { printableStatus, nodeName, address, runs } = status ?? {};
  return {
    name: metadata?.name,
    namespace: metadata?.namespace,
    status: printableStatus,
    node: nodeName,
    address,
    runs: runs ?? 0,
    strategy: spec?.runStrategy,
    standby,
  };
}

function rowOf({ metadata, spec, status }: VirtualMachine): readonly string[] {
  const { printableStatus = '', nodeName = '', address = '', runs = 0 } = status ?? {};
  return [metadata?.name ?? '', printableStatus, nodeName, address, String(runs), spec?.runStrategy ?? ''];
}

/** The machine of that name. Throws `UserError` without one. */
async function find({ name, values }: Call, client: Client): Promise<VirtualMachine> {
  try {
    return await client.resource(virtualMachines).get(name, { namespace: values.namespace });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new UserError(`there is no machine ${JSON.stringify(name)} in ${values.namespace}`);
  }
}

/** One that is run by hand is asked; another is to run always from now on, or not at all. Source: `virtctl start`, `virtctl stop`. */
async function ask(call: Call, action: 'Start' | 'Stop'): Promise<number> {
  const { world, values, name } = call;
  const { namespace } = values;
  await withCluster(call, async (client) => {
    const { spec, metadata } = await find(call, client);
    const resource = client.resource(virtualMachines);
    const { resourceVersion = '' } = metadata ?? {};
    if (spec?.runStrategy === 'Manual') {
      const patch = { metadata: { resourceVersion }, status: { stateChangeRequests: [{ action }] } };
      await resource.patch(name, patch, { namespace, type: 'merge', subresource: 'status' });
    } else if (action === 'Stop' || spec?.runStrategy === 'Halted') {
      const patch = { spec: { runStrategy: action === 'Start' ? 'Always' : 'Halted' } };
      await resource.patch(name, patch, { namespace, type: 'merge' });
    }
  });
  world.write(`${name} is to ${action.toLowerCase()}\n`);
  return 0;
}

/** What is asked of the machine of that name as it is now. */
async function now(
  call: Call,
  use: (commands: typeof import('./vm-snapshot.ts'), machine: MachineCall) => Promise<number>,
): Promise<number> {
  const loaded = await import('./vm-snapshot.ts');
  return withCluster(call, async (client) => {
    const { world, values } = call;
    return use(loaded, { world, client, namespace: values.namespace, machine: await find(call, client) });
  });
}

async function migrate(call: Call): Promise<number> {
  const { world, values, name } = call;
  const { compareModes, migrateMachine } = await import('./vm-migrate.ts');
  const { namespace, to = '', mode = '', bandwidth = '', abort = false, out = '' } = values;
  if (out !== '' && values['all-modes'] !== true)
    throw new UserError('--out goes with --all-modes: "vm report" draws one move');
  return withCluster(call, async (client) => {
    await find(call, client);
    const options = { machine: name, namespace, to, mode, bandwidth, abort };
    if (values['all-modes'] === true) return compareModes(world, client, { ...options, out });
    return migrateMachine(world, client, options);
  });
}

async function evacuate(call: Call): Promise<number> {
  const { world, values, name: node } = call;
  const { evacuateNode } = await import('./vm-migrate.ts');
  const { mode = '', bandwidth = '' } = values;
  return withCluster(call, (client) => evacuateNode(world, client, { node, mode, bandwidth }));
}

async function failover(call: Call): Promise<number> {
  const { world, values, name: machine } = call;
  const { failOver } = await import('./vm-standby.ts');
  return withCluster(call, async (client) => {
    await find(call, client);
    return failOver(world, client, { machine, namespace: values.namespace });
  });
}

async function report(call: Call): Promise<number> {
  const { world, values, name: machine } = call;
  const { reportMigration } = await import('./vm-report.ts');
  const { namespace, out = '' } = values;
  return withCluster(call, async (client) => {
    await find(call, client);
    return reportMigration(world, client, { machine, namespace, out });
  });
}

async function attach(call: Call): Promise<number> {
  const { pod } = await placeOf(call);
  return kubectlCommand(ofCluster(call.world, choiceOf(call)), ['attach', '-i', pod, '-n', call.values.namespace]);
}

async function top(call: Call): Promise<number> {
  const { world, values } = call;
  const { pod, node } = await placeOf(call);
  const { namespace } = values;
  const { isMeasured, printCounters } = await import('./vm-top.ts');
  if (await withCluster(call, (client) => isMeasured(client, { pod, namespace }))) {
    const code = await kubectlCommand(ofCluster(call.world, choiceOf(call)), ['top', 'pod', pod, '-n', namespace]);
    if (code !== 0) return code;
  } else world.write('Its processor time and memory are not measured yet.\n');
  await withCluster(call, (client) => printCounters(world, client, { node, pod, namespace }));
  return 0;
}

/** The pod in which a machine runs, and its node. Throws `UserError` where it does not run. */
async function placeOf(call: Call): Promise<{ readonly pod: string; readonly node: string }> {
  const { status } = await withCluster(call, (client) => find(call, client));
  if (status?.podName === undefined)
    throw new UserError(`${call.name} does not run: it is ${status?.printableStatus ?? 'not known yet'}`);
  return { pod: status.podName, node: status.nodeName ?? '' };
}
