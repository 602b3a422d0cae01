/**
 * `coxswain kubectl`: kubectl for machines without it. Each command is a table of flags and a function (`commands.ts`); output and messages have
 * kubectl's form.
 */

import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { commandOverview, type FlagTable, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeApi } from './api.ts';
import { commands } from './commands.ts';
import { type ConnectionValues, connectionFlags, type KubectlContext } from './context.ts';
import { Discovery } from './discovery.ts';
import { flagMessage, messageOf, UsageError } from './errors.ts';
import { type Machine, plainMachine } from './machine.ts';
import { findCommand, type Subcommand } from './subcommand.ts';

/** What the flags of the connection say to whoever opens it. */
export interface ConnectRequest {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly server?: string;
  readonly requestTimeoutMs: number;
  /** What else says where and in whose name, as the command line has it; empty where it says nothing. */
  readonly overrides: Partial<ConnectionValues>;
}

/** What the subcommands need of the world. */
export interface KubectlWorld {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  write(text: string): void;
  writeError(text: string): void;
  readStdin(): Promise<string>;
  /** Absent where there is no more than output. */
  readonly machine?: Machine;
  /** Opens the connection; only called once the command line was understood. */
  connect(options: ConnectRequest): Promise<KubeApi & { close?(): void }>;
}

/** A command that was found, and the name it was called by. */
interface Found {
  readonly name: string;
  readonly command: Subcommand;
}

/** Runs one command line and returns the exit code. */
export async function kubectl(world: KubectlWorld, args: readonly string[]): Promise<number> {
  const complain = (line: string): void => world.writeError(`${line}\n`);
  const at = commandIndex(args);
  const first = args[at];
  if (first === undefined) {
    const parsed = parseFlags(connectionFlags, args);
    if (!parsed.ok) {
      complain(`error: ${flagMessage(parsed.problem!)}`);
      complain("See 'coxswain kubectl --help' for usage.");
      return 1;
    }
  }
  if (first === undefined || first === 'help') {
    world.write(overview());
    return 0;
  }
  const found = findCommand(commands, words(args, at));
  if (found === undefined) return unknownCommand(world, args, at);
  const name = found.path.join(' ');
  const table: FlagTable = { ...connectionFlags, ...found.command.flags };
  const parsed = parseFlags(table, withoutWords(args, at, found.path.length));
  if (!parsed.ok) {
    complain(`error: ${parsed.problem === undefined ? parsed.message : flagMessage(parsed.problem)}`);
    complain(`See 'coxswain kubectl ${name} --help' for usage.`);
    return 1;
  }
  if (parsed.help) {
    const usage = `coxswain kubectl ${[...found.path.slice(0, -1), found.command.usage].join(' ')} [flags]`;
    world.write(helpText(table, { usage, summary: found.command.summary }));
    return 0;
  }
  const dash = args.indexOf('--');
  const { values, given, rest } = parsed;
  const afterDash = dash < 0 ? undefined : args.slice(dash + 1);
  return run(world, { name, command: found.command }, { values, given, rest, afterDash });
}

/** The arguments from the command on that may be names of commands. */
function words(args: readonly string[], at: number): readonly string[] {
  return args.slice(at).filter((argument) => !argument.startsWith('-'));
}

/** The arguments without the first `count` words from the command on. */
function withoutWords(args: readonly string[], at: number, count: number): readonly string[] {
  let left = count;
  return args.filter((argument, index) => {
    if (index < at || left === 0 || argument.startsWith('-')) return true;
    left--;
    return false;
  });
}

function unknownCommand(world: KubectlWorld, args: readonly string[], at: number): number {
  const complain = (line: string): void => world.writeError(`${line}\n`);
  // What follows a flag that there is none of was likely its value, not a command.
  const before = parseFlags(connectionFlags, args.slice(0, at));
  if (!before.ok && before.problem !== undefined) {
    complain(`error: ${flagMessage(before.problem)}`);
    complain("See 'coxswain kubectl --help' for usage.");
    return 1;
  }
  complain(`error: unknown command "${args[at]}" for "coxswain kubectl"`);
  complain(`It has ${Object.keys(commands).join(', ')}.`);
  return 1;
}

interface CommandLine {
  readonly values: Readonly<Record<string, unknown>>;
  readonly given: ReadonlySet<string>;
  readonly rest: readonly string[];
  readonly afterDash: readonly string[] | undefined;
}

async function run(world: KubectlWorld, { name, command }: Found, line: CommandLine): Promise<number> {
  let api: (KubeApi & { close?(): void }) | undefined;
  try {
    const isLocal = command.isLocal || (command.localBy !== undefined && line.values[command.localBy] === true);
    api = isLocal ? localApi : await world.connect(connectRequest(command, line));
    const context: KubectlContext = {
      api,
      discovery: new Discovery(api),
      clock: world.clock,
      signal: world.signal,
      print: (text) => world.write(text),
      complain: (text) => world.writeError(`${text}\n`),
      readStdin: () => world.readStdin(),
      machine: world.machine ?? plainMachine(world),
      given: line.given,
      afterDash: line.afterDash,
    };
    return await command.run(context, line.values as never, line.rest);
  } catch (error) {
    if (world.signal.aborted) return 130;
    world.writeError(`${messageOf(error)}\n`);
    if (error instanceof UsageError) world.writeError(`See 'coxswain kubectl ${name} -h' for help and examples\n`);
    return 1;
  } finally {
    api?.close?.();
  }
}

/** Stands for the connection of commands that need none. */
const localApi: KubeApi = {
  namespace: 'default',
  server: '',
  call: () => Promise.reject(new UserError('error: this command speaks to no server')),
  stream: () => Promise.reject(new UserError('error: this command speaks to no server')),
  openSocket: () => Promise.reject(new UserError('error: this command speaks to no server')),
};

/** A command's own flag of the same name, such as `--user`, says nothing of the connection. */
function connectRequest(command: Subcommand, { values, given }: CommandLine): ConnectRequest {
  const said = (name: keyof ConnectionValues): string =>
    Object.hasOwn(command.flags, name) ? '' : String(values[name] ?? '');
  const shared = Object.keys(connectionFlags).filter((name) => given.has(name) && !Object.hasOwn(command.flags, name));
  const [kubeconfig, context, namespace, server] = [
    said('kubeconfig'),
    said('context'),
    said('namespace'),
    said('server'),
  ];
  return {
    ...(kubeconfig === '' ? {} : { kubeconfig }),
    ...(context === '' ? {} : { context }),
    ...(namespace === '' ? {} : { namespace }),
    ...(server === '' ? {} : { server }),
    requestTimeoutMs: requestTimeoutMs(said('request-timeout')),
    overrides: Object.fromEntries(shared.map((name) => [name, values[name]])),
  };
}

/** Milliseconds of `--request-timeout`, which may be seconds without a unit; 0 for no limit. */
function requestTimeoutMs(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDurationMs(text);
  if (ms !== undefined && ms >= 0) return ms;
  throw new UserError(
    `error: Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)`,
  );
}

/** Where the name of the command is: the first argument that is no flag nor the value of a shared one. */
function commandIndex(args: readonly string[]): number {
  const valued = Object.entries(connectionFlags).filter(([, flag]) => flag.placeholder !== undefined);
  const takesValue = new Set(['-n', '-s', '-v', ...valued.map(([name]) => `--${name}`)]);
  let isValue = false;
  for (const [index, argument] of args.entries()) {
    if (isValue) isValue = false;
    else if (takesValue.has(argument)) isValue = true;
    else if (!argument.startsWith('-')) return index;
  }
  return -1;
}

function overview(): string {
  return commandOverview({
    summary: 'kubectl without kubectl.',
    usage: 'coxswain kubectl <command> [flags]',
    commands,
  });
}
