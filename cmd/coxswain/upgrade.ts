/**
 * `coxswain upgrade`: brings the data folder of a cluster that is stopped to this version, and keeps the store as it was (`pkg/cluster/upgrade.ts` has the laws). What is of this version
 * already stays as it is.
 */
import { join } from 'node:path';
import { runningProcesses } from '#cmd/common/process-files.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { storeOf } from '#pkg/cluster/settings.ts';
import { storeIdFile } from '#pkg/cluster/store-identity.ts';
import { type UpgradeOutcome, upgradeStore } from '#pkg/cluster/upgrade.ts';
import { type FlagTable, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import { lockOrRefuse } from './up-lock.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = { ...clusterFlags, output: outputFlag } satisfies FlagTable;

/** Runs the command; resolves to its exit code. Throws `UserError`, and what the store says. */
export async function upgrade(world: World, args: readonly string[]): Promise<number> {
  const hint = '(see "coxswain upgrade --help")';
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const summary = 'Bring the data of a stopped cluster to this version, and keep its store as it was.';
    world.write(helpText(flags, { usage: 'coxswain upgrade [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} ${hint}`);
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  await folder.checkOwner();
  using _lock = await lockOrRefuse(folder, 'upgrade');
  const record = await folder.read();
  if (record === undefined) throw new UserError(`Cannot upgrade a cluster in ${folder.path} as there is none`);
  const { settings } = record;
  if ((await runningProcesses(folder.run)).length > 0)
    throw new UserError(
      `Cannot upgrade ${folder.path} as the cluster "${settings.name}" runs there: stop it with "coxswain down" first`,
    );
  const { clock, random } = world;
  const place = { ...storeOf(settings), folder: folder.path, clock, random, log: silentLogger };
  const outcome = await upgradeStore(place);
  // With what this version says of the record itself.
  await folder.write(record);
  const goBack = outcome.isUpgraded ? wayBack(outcome, folder) : undefined;
  if (values.output !== '') world.write(await formatted({ cluster: settings.name, ...outcome, goBack }, values.output));
  else world.write(textOf(settings.name, outcome, goBack));
  return 0;
}

/** What the person types to have the store again as it was. */
function wayBack(
  { kept, isSnapshot, hadId }: UpgradeOutcome & { readonly isUpgraded: true },
  folder: ClusterFolder,
): string {
  if (isSnapshot) return `coxswain snapshot restore ${kept} --data-dir ${folder.path}`;
  const store = join(folder.path, 'store');
  // A store without an id would be taken for another's.
  const id = hadId ? '' : ` && rm -f ${join(folder.path, storeIdFile)}`;
  return `rm -r ${store} && mv ${kept} ${store}${id}`;
}

function textOf(name: string, outcome: UpgradeOutcome, goBack = ''): string {
  if (!outcome.isUpgraded) return `The cluster "${name}" is of this version: nothing was changed.\n`;
  const { objects, from, kept, isSnapshot } = outcome;
  const emptied = isSnapshot ? ', once its part of the store is empty,' : '';
  return `Upgraded the cluster "${name}" with ${objects} objects; its store was of ${from}.
As it was it is in ${kept}. To go back, type${emptied}
  ${goBack}
and start the version that wrote it.
`;
}
