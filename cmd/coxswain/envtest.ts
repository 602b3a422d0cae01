/**
 * `coxswain envtest`: a folder with stand-ins for the binaries that envtest and its kin start, for `KUBEBUILDER_ASSETS` to name.
 *
 * The stand-ins are scripts of the shell, which become the Node of this command: signals and process ids are as they would be. What they are
 * asked before every start, `--help`, they answer themselves, as a Node takes longer to start than to listen.
 */
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serverNodeFlags } from '#cmd/common/node-flags.js';
import { etcdHelp } from '#cmd/envtest-etcd/options.ts';
import { kubernetesRelease } from '#pkg/cluster/release.js';
import { type FlagTable, helpText, parseFlags, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clustersHome, type World } from './world.ts';

const flags = {
  dir: text({ help: 'Folder of the stand-ins. Default: ~/.coxswain/.envtest.', placeholder: 'folder' }),
  output: text({
    help: 'Form of the output: the folder, or a line for a shell.',
    short: 'o',
    allowed: ['path', 'env'],
    fallback: 'path',
  }),
} satisfies FlagTable;

/** Runs the command; resolves to its exit code. Throws `UserError` for arguments that it does not take, and what the system says. */
export async function envtest(world: World, args: readonly string[]): Promise<number> {
  const hint = '(see "coxswain envtest --help")';
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const summary =
      'Make stand-ins for kube-apiserver, etcd and kubectl, and print the folder that KUBEBUILDER_ASSETS is to name.';
    world.write(helpText(flags, { usage: 'coxswain envtest [flags]', summary }));
    return 0;
  }
  if (parsed.rest.length > 0) throw new UserError(`unexpected argument: ${parsed.rest[0]} ${hint}`);
  const folder = resolve(parsed.values.dir || join(clustersHome(world), '.envtest'));
  await mkdir(folder, { recursive: true });
  for (const [name, script] of Object.entries(await scripts(world))) await writeScript(join(folder, name), script);
  world.write(parsed.values.output === 'env' ? `export KUBEBUILDER_ASSETS=${quoted(folder)}\n` : `${folder}\n`);
  return 0;
}

/** Whole or not at all: another suite may be starting the one that is there. */
async function writeScript(path: string, script: string): Promise<void> {
  const made = `${path}.${process.pid}`;
  await writeFile(made, script);
  await chmod(made, 0o755);
  await rename(made, path);
}

async function scripts(world: World): Promise<Readonly<Record<string, string>>> {
  const { standInFlags } = await import('#cmd/envtest-apiserver/options.ts');
  const usage = 'kube-apiserver [flags]';
  const summary = 'The stand-in for kube-apiserver of "coxswain envtest".';
  const runner = fileURLToPath(new URL('../common/run-process.js', import.meta.url));
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const program = (folder: string): string => join(world.rootFolder, 'cmd', folder, `main.${ending}`);
  const node = [process.execPath, ...serverNodeFlags()];
  return {
    'kube-apiserver': script({
      help: helpText(standInFlags, { usage, summary }),
      version: `Kubernetes ${kubernetesRelease}`,
      command: [...node, runner, program('envtest-apiserver')],
    }),
    etcd: script({
      help: etcdHelp(),
      version: 'etcd Version: coxswain-stand-in',
      command: [...node, runner, program('envtest-etcd')],
    }),
    kubectl: `#!/bin/sh\nexec ${[process.execPath, program('coxswain'), 'kubectl'].map(quoted).join(' ')} "$@"\n`,
  };
}

interface Script {
  readonly help: string;
  readonly version: string;
  readonly command: readonly string[];
}

function script({ help, version, command }: Script): string {
  return [
    '#!/bin/sh',
    'case "$1" in',
    `--help|-h|-help) printf %s ${quoted(help)}; exit 0 ;;`,
    `--version|-version) echo ${quoted(version)}; exit 0 ;;`,
    'esac',
    `exec ${command.map(quoted).join(' ')} "$@"`,
    '',
  ].join('\n');
}

/** As one word of a shell, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
