/** `coxswain addon list|enable|disable|show`: what can be added to a cluster by one command, and taken away by another. */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type AddonCluster, type AddonParts, addonNamed } from '#pkg/addons/addon.ts';
import { disableAddon, enableAddon, installedAddons } from '#pkg/addons/install.ts';
import { addonTable, builtInParts } from '#pkg/addons/table.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import type { Client } from '#pkg/client/client.ts';
import { runtimesOf } from '#pkg/cluster/runtimes.ts';
import type { ClusterSettings } from '#pkg/cluster/settings.ts';
import {
  commandOverview,
  duration,
  type FlagTable,
  type FlagValues,
  helpText,
  parseFlags,
} from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { clusterFlags } from './cluster-flags.ts';
import { withClient } from './cluster-objects.ts';
import { ClusterFolder } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  wait: duration({ help: 'Longest wait for programs to start and objects to go, for each.', fallback: 120_000 }),
  output: outputFlag,
} satisfies FlagTable;

/** What a command is given. */
interface Call {
  readonly world: World;
  readonly values: FlagValues<typeof flags>;
  readonly names: readonly string[];
}

interface AddonCommand {
  readonly summary: string;
  /** Takes names of addons. */
  readonly takesNames: boolean;
  run(call: Call): Promise<void>;
}

const commands: Readonly<Record<string, AddonCommand>> = {
  list: { summary: 'List the addons that there are, and which of them the cluster has.', takesNames: false, run: list },
  enable: { summary: 'Put addons into the cluster; again, it brings them up to date.', takesNames: true, run: enable },
  disable: { summary: 'Take away all that addons have made.', takesNames: true, run: disable },
  show: { summary: 'Print the objects of addons for this cluster.', takesNames: true, run: show },
};

/** Runs the command; resolves to its exit code. Throws `UserError`, also for what the server refuses. */
export async function addon(world: World, args: readonly string[]): Promise<number> {
  const [word = '', ...rest] = args;
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (command === undefined) {
    if (!['', '--help', '-h', 'help'].includes(word))
      throw new UserError(`unknown command "addon ${word}": "coxswain addon --help" lists them`);
    const summary = 'What can be added to a cluster, and taken away again.';
    world.write(commandOverview({ summary, usage: 'coxswain addon <command> [flags]', commands }));
    return word === '' ? 1 : 0;
  }
  const hint = `(see "coxswain addon ${word} --help")`;
  const parsed = parseFlags(flags, rest);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const usage = `coxswain addon ${word}${command.takesNames ? ' NAME...' : ''} [flags]`;
    world.write(helpText(flags, { usage, summary: command.summary }));
    return 0;
  }
  const { values, rest: names } = parsed;
  if (command.takesNames && names.length === 0) throw new UserError(`say NAME ${hint}`);
  if (!command.takesNames && names.length > 0) throw new UserError(`unexpected argument: ${names[0]} ${hint}`);
  checkName(values.name);
  for (const name of names) checkAddonName(name);
  try {
    await command.run({ world, values, names });
  } catch (error) {
    if (error instanceof StatusError) throw new UserError(error.message, error);
    throw error;
  }
  return 0;
}

/** Throws `UserError` for what is no addon. */
function checkAddonName(name: string): void {
  if (Object.hasOwn(addonTable, name)) return;
  const part = Object.hasOwn(builtInParts, name) ? builtInParts[name] : undefined;
  if (part !== undefined) throw new UserError(`Cannot enable or disable ${name} as it is no addon: ${part.how}`);
  throw new UserError(`there is no addon ${JSON.stringify(name)}: "coxswain addon list" has them`);
}

/** The addons of these names for a cluster that is to have them. Throws `UserError` for what is none, or cannot be in it. */
export async function addonsFor(
  names: readonly string[],
  cluster: AddonCluster,
): Promise<readonly (readonly [string, AddonParts])[]> {
  const found: (readonly [string, AddonParts])[] = [];
  for (const name of names) {
    checkAddonName(name);
    const parts = await addonNamed(addonTable, name);
    const problem = parts.problem(cluster);
    if (problem !== undefined) throw new UserError(`Cannot enable the addon ${name} as ${problem}`);
    found.push([name, parts]);
  }
  return found;
}

/** The words by which processes of this machine run this command. */
export function commandWords(rootFolder: string): readonly string[] {
  return [process.execPath, join(rootFolder, 'cmd/coxswain/bin.js')];
}

/** What an addon is told of a cluster. */
export function addonCluster(
  { environment, rootFolder }: World,
  settings: ClusterSettings,
  dataDir: string,
): AddonCluster {
  const { name, runtime, network } = settings;
  const folders = (environment.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  return {
    name,
    runtimes: runtimesOf(runtime),
    network,
    dataDir: resolve(dataDir),
    command: commandWords(rootFolder),
    programPath: (program) => folders.map((folder) => join(folder, program)).find((path) => existsSync(path)),
  };
}

async function clusterOf({ world, values }: Call): Promise<AddonCluster> {
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  if (record === undefined)
    throw new UserError(`Cannot find a cluster in ${folder.path}: start one with "coxswain up"`);
  return addonCluster(world, record.settings, folder.path);
}

async function withCluster(call: Call, use: (client: Client, cluster: AddonCluster) => Promise<void>): Promise<void> {
  const cluster = await clusterOf(call);
  const { name, 'data-dir': dataDir } = call.values;
  await withClient(call.world, { name, dataDir, kubeconfig: '' }, (client) => use(client, cluster));
}

async function list(call: Call): Promise<void> {
  const { world, values } = call;
  await withCluster(call, async (client) => {
    const installed = new Set((await installedAddons(client)).map(({ name }) => name));
    const addons = Object.entries(addonTable).map(([name, { summary }]) => ({
      name,
      state: installed.has(name) ? 'enabled' : 'disabled',
      summary,
    }));
    const parts = Object.entries(builtInParts).map(([name, { summary, how }]) => ({ name, state: how, summary }));
    if (values.output !== '') world.write(await formatted({ addons, builtIn: parts }, values.output));
    else {
      const rows = [...addons, ...parts].map(({ name, state, summary }) => [name, state, summary]);
      world.write(new TableLayout().render([['NAME', 'STATE', 'WHAT'], ...rows]));
    }
  });
}

async function enable(call: Call): Promise<void> {
  await withCluster(call, (client, cluster) =>
    enableAll(call.world, { ...call.values, names: call.names }, { client, cluster }),
  );
}

/** Enables addons one after the other, none where one of them cannot be in the cluster. */
export async function enableAll(
  world: World,
  { names, wait, output }: { readonly names: readonly string[]; readonly wait: number; readonly output: string },
  { client, cluster }: { readonly client: Client; readonly cluster: AddonCluster },
): Promise<void> {
  const deps = { client, clock: world.clock, waitMs: wait };
  const addons = await addonsFor(names, cluster);
  for (const [name, parts] of addons) {
    await enableAddon(deps, { name, parts, cluster });
    if (output === '') world.write([`${name} is enabled`, ...parts.hints.map((line) => `  ${line}`), ''].join('\n'));
  }
  if (output !== '') world.write(await formatted({ enabled: names }, output));
}

async function disable(call: Call): Promise<void> {
  const { world, values, names } = call;
  await withCluster(call, async (client) => {
    const deps = { client, clock: world.clock, waitMs: values.wait };
    for (const name of names) {
      const was = await disableAddon(deps, name);
      if (values.output === '') world.write(`${name} ${was ? 'is disabled' : 'was not enabled'}\n`);
    }
    if (values.output !== '') world.write(await formatted({ disabled: names }, values.output));
  });
}

async function show(call: Call): Promise<void> {
  const { world, values, names } = call;
  const cluster = await clusterOf(call);
  const objects = (await addonsFor(names, cluster)).flatMap(([, parts]) => parts.objects(cluster));
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  if (values.output !== '') world.write(await formatted(list, values.output));
  else world.write(objects.map((object) => yamlText(object)).join('---\n'));
}
