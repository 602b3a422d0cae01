/**
 * `coxswain kubectl`: the everyday subset, for machines without kubectl. Each subcommand is a table of flags and a function; output and
 * messages have kubectl's form.
 */

import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { commandOverview, type FlagTable, type FlagValues, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeApi } from './api.ts';
import { apply, applyFlags, create, createFlags } from './apply.ts';
import { annotate, label, labelFlags, scale, scaleFlags } from './change.ts';
import { connectionFlags, type KubectlContext } from './context.ts';
import { deleteFlags, remove } from './delete.ts';
import { describe, describeFlags } from './describe.ts';
import { Discovery } from './discovery.ts';
import { flagMessage, messageOf, UsageError } from './errors.ts';
import { get } from './get.ts';
import { getFlags } from './get-flags.ts';
import { logs, logsFlags } from './logs.ts';
import { rollout, rolloutFlags } from './rollout.ts';
import { set, setFlags } from './set.ts';
import { top, topFlags } from './top.ts';
import { wait, waitFlags } from './wait.ts';

interface Subcommand {
  readonly summary: string;
  readonly usage: string;
  readonly flags: FlagTable;
  run(context: KubectlContext, values: never, args: readonly string[]): Promise<number>;
}

const subcommands: Readonly<Record<string, Subcommand>> = {
  annotate: {
    summary: 'Set or remove annotations.',
    usage: 'annotate TYPE/NAME KEY=VALUE KEY-',
    flags: labelFlags,
    run: annotate,
  },
  apply: {
    summary: 'Make the objects of files as the files say.',
    usage: 'apply -f FILE',
    flags: applyFlags,
    run: apply,
  },
  create: { summary: 'Create the objects of files.', usage: 'create -f FILE', flags: createFlags, run: create },
  delete: { summary: 'Delete objects.', usage: 'delete TYPE/NAME | -f FILE', flags: deleteFlags, run: remove },
  describe: {
    summary: 'Show objects in detail, with their events.',
    usage: 'describe TYPE/NAME',
    flags: describeFlags,
    run: describe,
  },
  get: { summary: 'Show objects.', usage: 'get TYPE [NAME]', flags: getFlags, run: get },
  label: { summary: 'Set or remove labels.', usage: 'label TYPE/NAME KEY=VALUE KEY-', flags: labelFlags, run: label },
  logs: { summary: 'Show the log of a container.', usage: 'logs POD | TYPE/NAME', flags: logsFlags, run: logs },
  rollout: {
    summary: 'Status, history, undo, restart, pause or resume of a rollout.',
    usage: 'rollout status|history|undo|restart|pause|resume TYPE/NAME',
    flags: rolloutFlags,
    run: rollout,
  },
  scale: {
    summary: 'Set how many replicas there are.',
    usage: 'scale --replicas=N TYPE/NAME',
    flags: scaleFlags,
    run: scale,
  },
  set: {
    summary: 'Set the image of containers.',
    usage: 'set image TYPE/NAME CONTAINER=IMAGE',
    flags: setFlags,
    run: set,
  },
  top: { summary: 'Show what nodes or pods use.', usage: 'top node|pod [NAME]', flags: topFlags, run: top },
  wait: {
    summary: 'Wait for a condition.',
    usage: 'wait --for=condition=Ready TYPE/NAME',
    flags: waitFlags,
    run: wait,
  },
};

/** What the subcommands need of the world. */
export interface KubectlWorld {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  write(text: string): void;
  writeError(text: string): void;
  readStdin(): Promise<string>;
  /** Opens the connection; only called once the command line was understood. */
  connect(options: {
    kubeconfig?: string;
    context?: string;
    namespace?: string;
    server?: string;
    requestTimeoutMs: number;
  }): Promise<KubeApi & { close?(): void }>;
}

/** Runs one command line and returns the exit code. */
export async function kubectl(world: KubectlWorld, args: readonly string[]): Promise<number> {
  const complain = (line: string): void => world.writeError(`${line}\n`);
  const at = commandIndex(args);
  const name = at < 0 ? undefined : args[at]!;
  if (name === undefined) {
    const parsed = parseFlags(connectionFlags, args);
    if (!parsed.ok) {
      complain(`error: ${flagMessage(parsed.problem!)}`);
      complain("See 'coxswain kubectl --help' for usage.");
      return 1;
    }
  }
  if (name === undefined || name === 'help') {
    world.write(overview());
    return 0;
  }
  const command = Object.hasOwn(subcommands, name) ? subcommands[name]! : undefined;
  if (command === undefined) {
    // What follows a flag that there is none of was likely its value, not a command.
    const before = parseFlags(connectionFlags, args.slice(0, at));
    if (!before.ok && before.problem !== undefined) {
      complain(`error: ${flagMessage(before.problem)}`);
      complain("See 'coxswain kubectl --help' for usage.");
      return 1;
    }
    complain(`error: unknown command "${name}" for "coxswain kubectl"`);
    complain(`It has ${Object.keys(subcommands).join(', ')}.`);
    return 1;
  }
  const table: FlagTable = { ...command.flags, ...connectionFlags };
  const parsed = parseFlags(table, args.toSpliced(at, 1));
  if (!parsed.ok) {
    complain(`error: ${parsed.problem === undefined ? parsed.message : flagMessage(parsed.problem)}`);
    complain(`See 'coxswain kubectl ${name} --help' for usage.`);
    return 1;
  }
  if (parsed.help) {
    world.write(helpText(table, { usage: `coxswain kubectl ${command.usage} [flags]`, summary: command.summary }));
    return 0;
  }
  return run(world, { name, command }, parsed.values as unknown as FlagValues<typeof connectionFlags>, parsed.rest);
}

async function run(
  world: KubectlWorld,
  { name, command }: { readonly name: string; readonly command: Subcommand },
  values: FlagValues<typeof connectionFlags>,
  rest: readonly string[],
): Promise<number> {
  let api: (KubeApi & { close?(): void }) | undefined;
  try {
    api = await world.connect({
      ...(values.kubeconfig === '' ? {} : { kubeconfig: values.kubeconfig }),
      ...(values.context === '' ? {} : { context: values.context }),
      ...(values.namespace === '' ? {} : { namespace: values.namespace }),
      ...(values.server === '' ? {} : { server: values.server }),
      requestTimeoutMs: requestTimeoutMs(values['request-timeout']),
    });
    const context: KubectlContext = {
      api,
      discovery: new Discovery(api),
      clock: world.clock,
      signal: world.signal,
      print: (text) => world.write(text),
      complain: (line) => world.writeError(`${line}\n`),
      readStdin: () => world.readStdin(),
    };
    return await command.run(context, values as never, rest);
  } catch (error) {
    if (world.signal.aborted) return 130;
    world.writeError(`${messageOf(error)}\n`);
    if (error instanceof UsageError) world.writeError(`See 'coxswain kubectl ${name} -h' for help and examples\n`);
    return 1;
  } finally {
    api?.close?.();
  }
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
  const takesValue = new Set(['-n', '-s', ...Object.keys(connectionFlags).map((name) => `--${name}`)]);
  for (let i = 0; i < args.length; i++) {
    const argument = args[i]!;
    if (takesValue.has(argument)) i++;
    else if (!argument.startsWith('-')) return i;
  }
  return -1;
}

function overview(): string {
  return commandOverview({
    summary: 'The everyday subset of kubectl.',
    usage: 'coxswain kubectl <command> [flags]',
    commands: subcommands,
  });
}
