/** Commands that speak to no server: `completion` and `plugin`. */
import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type FlagTable, type FlagValues, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';
import { UsageError } from './errors.ts';
import { type Commands, group, type Subcommand } from './subcommand.ts';

const pluginFlags = { 'name-only': toggle({ help: 'Without the folders.' }) } satisfies FlagTable;

/** `plugin list`. */
export const pluginCommand: Subcommand = {
  ...group('plugin', 'Provides utilities for interacting with plugins.', {
    list: {
      summary: 'List the plugins that are found.',
      usage: 'list',
      flags: pluginFlags,
      run: listPlugins,
      isLocal: true,
    },
  }),
  isLocal: true,
};

async function listPlugins(context: KubectlContext, values: FlagValues<typeof pluginFlags>): Promise<number> {
  const folders = (context.machine.environment.PATH ?? '').split(':').filter((folder) => folder !== '');
  const found = [...new Set(folders)].flatMap((folder) =>
    filesIn(folder)
      .filter((name) => name.startsWith('kubectl-'))
      .map((name) => ({ name, path: join(folder, name) })),
  );
  if (found.length === 0) throw new UserError('error: unable to find any kubectl plugins in your PATH');
  context.print('The following compatible plugins are available:\n\n');
  let code = 0;
  for (const { name, path } of found) {
    context.print(`${values['name-only'] ? name : path}\n`);
    if (isExecutable(path)) continue;
    context.complain(`  - warning: ${path} identified as a kubectl plugin, but it is not executable`);
    code = 1;
  }
  return code;
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // A folder of PATH that is not there has no plugins.
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `completion`, of the names of these commands and their flags. */
export function completionCommand(commands: () => Commands): Subcommand {
  return {
    summary: 'Output shell completion code (bash, zsh or fish).',
    usage: 'completion SHELL',
    flags: {},
    isLocal: true,
    run: async (context, _, args) => {
      const [shell = ''] = args;
      if (args.length === 0) throw new UsageError('error: Shell not specified.');
      if (args.length > 1) throw new UsageError('error: Too many arguments. Expected only the shell type.');
      const words = [...wordsOf(commands(), [])].map(
        ([path, names]) => `    ${path}) words=${JSON.stringify(names.join(' '))} ;;`,
      );
      if (shell === 'fish')
        context.print(`complete -c kubectl -f -a ${JSON.stringify(Object.keys(commands()).join(' '))}\n`);
      else if (shell === 'bash') context.print(bashScript(words));
      else if (shell === 'zsh') context.print(`autoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`);
      else throw new UsageError(`error: Unsupported shell type ${JSON.stringify(shell)}.`);
      return 0;
    },
  };
}

/** What may follow each command, by the words before it, joined by slashes. */
function* wordsOf(commands: Commands, path: readonly string[]): Generator<readonly [string, readonly string[]]> {
  yield [`${path.join('/')}`.replace(/^$/, '""'), Object.keys(commands)];
  for (const [name, { flags, commands: inner }] of Object.entries(commands)) {
    const own = [...path, name];
    if (inner === undefined) yield [own.join('/'), Object.keys(flags).map((flag) => `--${flag}`)];
    else yield* wordsOf(inner, own);
  }
}

function bashScript(cases: readonly string[]): string {
  return `# bash completion for kubectl
__coxswain_kubectl() {
  local word path= words= current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) [ -z "$path" ] && path="$word" || path="$path/$word" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F __coxswain_kubectl kubectl
`;
}
