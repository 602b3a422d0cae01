/** The shape of a command: its flags and what runs it, or the commands within it. */
import type { FlagTable } from '#pkg/component/flags.ts';
import type { KubectlContext } from './context.ts';

/** One command, or a word before further ones. */
export interface Subcommand {
  readonly summary: string;
  /** How it is called, without what comes before it. */
  readonly usage: string;
  readonly flags: FlagTable;
  /** Resolves to the exit code. Throws `UserError` and what the API answers. */
  run(context: KubectlContext, values: never, args: readonly string[]): Promise<number>;
  /** The commands that may follow its name. */
  readonly commands?: Commands;
  /** Other names of it. */
  readonly aliases?: readonly string[];
  /** It needs no server, and so no kubeconfig that names one. */
  readonly isLocal?: boolean;
  /** The switch with which it needs none. */
  readonly localBy?: string;
}

/** Commands by their names. */
export type Commands = Readonly<Record<string, Subcommand>>;

/** A command that only has others in it: without one of them it says which there are, as kubectl does, and ends well. */
export function group(name: string, summary: string, commands: Commands): Subcommand {
  return {
    summary,
    usage: `${name} ${Object.keys(commands).join('|')}`,
    flags: {},
    commands,
    run: async (context, _, args) => {
      const [word] = args;
      if (word !== undefined) {
        context.complain(`error: unknown command ${JSON.stringify(args.join(' '))}`);
        context.complain(`See 'kubectl ${name} -h' for help and examples`);
        return 1;
      }
      const width = Math.max(...Object.keys(commands).map((command) => command.length)) + 3;
      const lines = Object.entries(commands).map(([command, one]) => `  ${command.padEnd(width)}${one.summary}`);
      context.print(`${summary}\n\nAvailable Commands:\n${lines.join('\n')}\n`);
      return 0;
    },
  };
}

/** The command that words name, how many of them it took, and its whole name. */
export function findCommand(
  commands: Commands,
  words: readonly string[],
): { readonly command: Subcommand; readonly path: readonly string[] } | undefined {
  const [word = '', ...rest] = words;
  const entry = Object.entries(commands).find(([name, one]) => name === word || one.aliases?.includes(word));
  if (entry === undefined) return undefined;
  const [name, command] = entry;
  const inner = command.commands === undefined ? undefined : findCommand(command.commands, rest);
  if (inner === undefined) return { command, path: [name] };
  return { command: inner.command, path: [name, ...inner.path] };
}
