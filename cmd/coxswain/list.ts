/** `coxswain list`: the clusters of this user of the machine, wherever their folders are, with what belongs to each, running or not. */

import { isStopped, runningProcesses } from '#cmd/common/process-files.ts';
import { type FlagTable, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { clusterRegistry, type RegisteredCluster } from './cluster-registry.ts';
import { ClusterFolder } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import type { World } from './world.ts';

const flags = {
  output: outputFlag,
} satisfies FlagTable;

/** Runs the command; resolves to its exit code. Throws `UserError` for flags it does not know. */
export async function list(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain list --help")`);
  if (parsed.help) {
    world.write(
      helpText(flags, { usage: 'coxswain list [flags]', summary: 'Show the clusters of this machine’s user.' }),
    );
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain list --help")`);
  const clusters = await Promise.all((await (await clusterRegistry(world)).clusters()).map(entryOf));
  if (parsed.values.output !== '') {
    world.write(await formatted(clusters, parsed.values.output));
    return 0;
  }
  if (clusters.length === 0) {
    world.write('There is no cluster: start one with "coxswain up".\n');
    return 0;
  }
  const rows = clusters.map((one) => [
    one.name,
    one.paused ? 'paused' : one.running ? 'running' : 'stopped',
    String(one.nodes),
    one.server,
    one.nodeAddress,
    one.serviceCidr,
    one.podCidr,
    one.dataDir,
  ]);
  const header = ['NAME', 'STATE', 'NODES', 'SERVER', 'NODE ADDRESS', 'SERVICES', 'PODS', 'DATA'];
  world.write(new TableLayout().render([header, ...rows]));
  return 0;
}

async function entryOf({ folder, settings }: RegisteredCluster) {
  const { name, nodes, apiPort, nodeAddress, serviceCidr, podCidr } = settings;
  const processes = await runningProcesses(new ClusterFolder(folder).run).catch(() => []);
  const running = processes.length > 0;
  const paused = processes.some(({ pid }) => isStopped(pid));
  const server = `https://127.0.0.1:${apiPort}`;
  return { name, running, paused, nodes, server, nodeAddress, serviceCidr, podCidr, dataDir: folder };
}
