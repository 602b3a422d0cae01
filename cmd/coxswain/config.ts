/** `coxswain config`: a cluster as a cluster file, every field with its value: what a file means, or what a cluster has that exists. */
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import { type FlagTable, helpText, parseFlags, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { chosenBy } from './chosen.ts';
import { clusterFileOf, type WrittenCluster } from './cluster-file/write-file.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { readUpArguments } from './up-arguments.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  config: text({
    help: 'Print what this cluster file, or file of flags, means in place of a cluster.',
    placeholder: 'file',
  }),
  output: text({ help: 'Form of the output.', short: 'o', fallback: 'yaml', allowed: ['yaml', 'json'] }),
} satisfies FlagTable;

/** Runs the command; resolves to its exit code. Throws `UserError` for a file that is wrong, and where there is no such cluster. */
export async function config(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain config --help")`);
  if (parsed.help) {
    const summary = 'Print a cluster, or what a file means, as a cluster file with every field.';
    world.write(helpText(flags, { usage: 'coxswain config [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} (see "coxswain config --help")`);
  checkName(values.name);
  const cluster = values.config === '' ? await ofCluster(world, values) : await ofFile(values.config);
  const file = await clusterFileOf(cluster, clusterTables);
  world.write(values.output === 'json' ? `${JSON.stringify(file, undefined, 2)}\n` : yamlText(file));
  return 0;
}

async function ofFile(path: string): Promise<WrittenCluster> {
  const said = await readUpArguments(['--config', path]);
  checkName(said.values.name);
  const { values, settings, kept } = chosenBy(said, undefined);
  return {
    settings,
    file: kept ?? { processes: values.processes, crds: [], manifests: [], addons: values.addons },
    logLevel: values['log-level'],
    kubeconfig: values.kubeconfig === '' ? undefined : values.kubeconfig,
    ranges: said.file?.ranges,
  };
}

async function ofCluster(
  world: World,
  values: { readonly name: string; readonly 'data-dir': string },
): Promise<WrittenCluster> {
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  if (record === undefined)
    throw new UserError(`Cannot find a cluster in ${folder.path}: name one, or a file with --config`);
  const { settings, file, logLevel = 'warn', userKubeconfig: kubeconfig } = record;
  return { settings, file, logLevel, kubeconfig, ranges: settings };
}
