/**
 * `coxswain completion bash|zsh|fish`: a script by which the shell completes commands, flags, their values and the names of clusters, nodes, machines, pods, runs and addons. The script asks
 * `coxswain completion words`, which reads what each command's own `--help` says, so nothing is listed twice; names are those of now.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { ClusterFolder } from './folder.ts';
import type { Nameable } from './live-names.ts';
import { clustersHome, isName, type World } from './world.ts';

/** A command, by which its help is asked for. */
type CommandLoader = () => Promise<(world: World, args: readonly string[]) => Promise<number>>;

const scripts: Readonly<Record<string, string>> = {
  bash: `_coxswain() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <("\${COMP_WORDS[0]}" completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _coxswain coxswain
`,
  zsh: `#compdef coxswain
_coxswain() {
  local -a found
  found=("\${(@f)$("\${words[1]}" completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then compadd -a found; else _files; fi
}
compdef _coxswain coxswain
`,
  fish: `function __coxswain_words
  set -l typed (commandline -opc) (commandline -ct)
  $typed[1] completion words -- $typed[2..-1] 2>/dev/null
end
complete -c coxswain -a '(__coxswain_words)'
`,
};

const help = `Print a script by which a shell completes what is typed.

Usage: coxswain completion bash|zsh|fish

  bash  source <(coxswain completion bash)
  zsh   source <(coxswain completion zsh)      after compinit
  fish  coxswain completion fish | source
`;

/** The command over the table of all commands. */
export function completionOf(commands: Readonly<Record<string, { readonly load: CommandLoader }>>) {
  return async (world: World, args: readonly string[]): Promise<number> => {
    const [shell = '', ...rest] = args;
    if (shell === '' || shell === '--help' || shell === '-h') {
      world.write(help);
      return shell === '' ? 1 : 0;
    }
    if (shell === 'words') {
      const found = await wordsFor(world, commands, rest[0] === '--' ? rest.slice(1) : rest);
      world.write(found.map((word) => `${word}\n`).join(''));
      return 0;
    }
    const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
    if (script === undefined || rest.length > 0)
      throw new UserError(`say one of ${Object.keys(scripts).join(', ')} (see "coxswain completion --help")`);
    world.write(script);
    return 0;
  };
}

/** What the last of the words that were typed can become. */
async function wordsFor(
  world: World,
  commands: Readonly<Record<string, { readonly load: CommandLoader }>>,
  typed: readonly string[],
): Promise<readonly string[]> {
  const current = typed.at(-1) ?? '';
  const fits = (words: readonly string[]): readonly string[] => words.filter((word) => word.startsWith(current));
  const [name = '', ...before] = typed.slice(0, -1);
  if (name === '') return fits([...Object.keys(commands), '--help']);
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) return [];
  const run = await command.load();
  const own = await helpOf(world, run, []);
  const subcommands = subcommandsIn(own);
  const sub = subcommands.find((one) => one === before[0]);
  const flags = flagsIn(sub === undefined ? own : await helpOf(world, run, [sub]));
  if (subcommands.length > 0 && sub === undefined) {
    if (before.length === 0 && !current.startsWith('-')) return fits([...subcommands, '--help']);
    if (flags.length === 0) return before.length === 0 ? fits(['--help']) : [];
  }
  const last = before.at(-1) ?? '';
  const { names = [], placeholder } = flags.find((flag) => flag.names.includes(last)) ?? {};
  if (placeholder !== undefined) return fits(await valuesOf(world, names, placeholder));
  if (current.startsWith('-')) return fits(flags.flatMap(({ names }) => names.filter((one) => one.startsWith('--'))));
  if (namesAddons.includes(`${name} ${sub}`))
    return fits(Object.keys((await import('#pkg/addons/table.ts')).addonTable).filter((one) => !before.includes(one)));
  const what = named[sub === undefined ? name : `${name} ${sub}`];
  if (what === undefined || hasOperand(sub === undefined ? before : before.slice(1), flags)) return [];
  const saidFor = (flag: string): string => before[before.lastIndexOf(flag) + 1] ?? '';
  const cluster = {
    name: before.includes('--name') ? saidFor('--name') : defaultSettings.name,
    dataDir: before.includes('--data-dir') ? saidFor('--data-dir') : '',
    namespace: ['--namespace', '-n'].filter((flag) => before.includes(flag)).map(saidFor)[0] ?? 'default',
  };
  return fits(await (await import('./live-names.ts')).liveNames(world, what, cluster));
}

/** What takes addons, one or several. */
const namesAddons: readonly string[] = ['addon enable', 'addon disable', 'addon show'];

/** What the first word after a command, or a command of one, names. */
const named: Readonly<Record<string, Nameable>> = {
  explain: 'pods',
  'node drain': 'nodes',
  'node remove': 'nodes',
  'pipeline approve': 'runs',
  'pipeline cancel': 'runs',
  'vm console': 'machines',
  'vm evacuate': 'nodes',
  'vm failover': 'machines',
  'vm migrate': 'machines',
  'vm pause': 'machines',
  'vm restart': 'machines',
  'vm resume': 'machines',
  'vm snapshot': 'machines',
  'vm start': 'machines',
  'vm stop': 'machines',
};

/** Whether there is a word that is neither a flag nor the value of one. */
function hasOperand(words: readonly string[], flags: readonly SeenFlag[]): boolean {
  let isValue = false;
  for (const word of words) {
    const wasValue = isValue;
    isValue = flags.some(({ names, placeholder }) => placeholder !== undefined && names.includes(word));
    if (!wasValue && !word.startsWith('-')) return true;
  }
  return false;
}

/** What a command prints when it is asked how it is called; nothing where it cannot say. */
async function helpOf(
  world: World,
  run: Awaited<ReturnType<CommandLoader>>,
  words: readonly string[],
): Promise<string> {
  let text = '';
  const listening = {
    ...world,
    write: (more: string) => {
      text += more;
    },
    writeError: () => {},
  };
  await run(listening, [...words, '--help']).catch(() => 1);
  return text;
}

/** The names below `Commands:`. */
function subcommandsIn(text: string): readonly string[] {
  const [, block = ''] = /^Commands:\n((?: {2}.*\n)+)/m.exec(text) ?? [];
  return [...block.matchAll(/^ {2}([a-z][a-z-]*) /gm)].map(([, name = '']) => name);
}

interface SeenFlag {
  readonly names: readonly string[];
  /** Absent for a switch. */
  readonly placeholder?: string;
}

/** The flags below `Flags:`. */
function flagsIn(text: string): readonly SeenFlag[] {
  return [...text.matchAll(/^ {2}(?: {4}|(-\w), )(--[a-z-]+)(?: (\S+))?(?: {2}|$)/gm)].map(
    ([, short, long = '', placeholder]) => ({
      names: [...(short === undefined ? [] : [short]), long],
      ...(placeholder === undefined ? {} : { placeholder }),
    }),
  );
}

/** Values that are known: clusters that can be named, and what stands in place of the value where that is a choice. */
async function valuesOf(world: World, names: readonly string[], placeholder: string): Promise<readonly string[]> {
  if (names.includes('--name')) return namesOfClusters(world);
  const isChoice = placeholder.includes('|') || names.includes('--output');
  return isChoice && /^[a-z]+(\|[a-z]+)*$/.test(placeholder) ? placeholder.split('|') : [];
}

/** Those that `--name` finds. */
async function namesOfClusters(world: World): Promise<readonly string[]> {
  const home = clustersHome(world);
  const names = (await readdir(home).catch(() => [])).filter(isName).sort();
  const found = await Promise.all(
    names.map((name) => new ClusterFolder(join(home, name)).read().catch(() => undefined)),
  );
  return names.filter((_, index) => found[index] !== undefined);
}
