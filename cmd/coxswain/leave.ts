/** `coxswain leave`: takes away all that a cluster which was joined has made of this machine, once `coxswain join` does not run any more. */
import { join } from 'node:path';
import { runningProcesses } from '#cmd/common/process-files.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { leaveCluster } from '#pkg/cluster/joining/join-cluster.ts';
import { JoinedFolder } from '#pkg/cluster/joining/joined-folder.ts';
import { type FlagTable, helpText, parseFlags, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { withoutWarnings } from './image/open-images.ts';
import { joinedFolder } from './join.ts';
import type { World } from './world.ts';

const flags = {
  'data-dir': text({ help: 'Folder of the node. Default: ~/.coxswain/joined.', placeholder: 'folder' }),
} satisfies FlagTable;

/** Runs the command; resolves to its exit code. Throws `UserError` where this machine has joined nothing, or still runs as a node. */
export async function leave(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain leave --help")`);
  if (parsed.help) {
    const summary = 'Take away all that a cluster which was joined has made of this machine.';
    world.write(helpText(flags, { usage: 'coxswain leave [flags]', summary }));
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain leave --help")`);
  const folder = new JoinedFolder(joinedFolder(world, parsed.values['data-dir']));
  const record = await folder.read();
  if (record === undefined)
    throw new UserError(`Cannot leave as this machine has joined no cluster with ${folder.path}`);
  const [running] = await runningProcesses(join(folder.path, 'run'));
  if (running !== undefined)
    throw new UserError(`Cannot leave while process ${running.pid} runs as the node ${record.nodeName}: stop it first`);
  const { clock, random } = world;
  await withoutWarnings(() => leaveCluster(folder, { clock, random, log: silentLogger }));
  world.write(
    `Nothing of the cluster is left on this machine; "kubectl delete node ${record.nodeName}" takes the node from the cluster.\n`,
  );
  return 0;
}
