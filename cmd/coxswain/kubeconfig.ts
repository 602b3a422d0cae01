/** `coxswain kubeconfig`: the standalone kubeconfig of a cluster, or where it is. */

import { readFile } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';
import { type FlagTable, helpText, parseFlags, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  path: toggle({ help: 'Print where the file is instead of what it holds.' }),
  output: text({ help: 'Form of the output.', short: 'o', fallback: 'yaml', allowed: ['yaml'], hidden: true }),
} satisfies FlagTable;

/** Runs the command; resolves to its exit code. Throws `UserError` where there is no such cluster. */
export async function kubeconfig(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain kubeconfig --help")`);
  if (parsed.help) {
    world.write(
      helpText(flags, { usage: 'coxswain kubeconfig [flags]', summary: 'Print the kubeconfig of a cluster.' }),
    );
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain kubeconfig --help")`);
  checkName(parsed.values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: parsed.values.name, dataDir: parsed.values['data-dir'] }));
  let content: string;
  try {
    content = await readFile(folder.kubeconfig, 'utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    const { name, 'data-dir': dataDir } = parsed.values;
    const flag =
      dataDir !== '' ? ` --data-dir ${dataDir}` : name === clusterFlags.name.fallback ? '' : ` --name ${name}`;
    throw new UserError(`Cannot find a cluster in ${folder.path}: start one with "coxswain up${flag}"`, error);
  }
  world.write(parsed.values.path ? `${folder.kubeconfig}\n` : content);
  return 0;
}
