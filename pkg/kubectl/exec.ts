/** `exec` and `attach`: a command in a container, or the one that runs there. Source: kubectl `cmd/exec/exec.go`, `cmd/attach/attach.go`. */

import { duration, type FlagTable, type FlagValues, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import { beforeDash, type KubectlContext } from './context.ts';
import { pathOf } from './discovery.ts';
import { type ChosenPod, checkRunning, chooseContainer, choosePod } from './pod-choice.ts';
import { runRemote } from './remote-command.ts';
import { parseTargets } from './targets.ts';

/** The flags of `exec`. */
export const execFlags = {
  container: text({ help: 'Name of the container.', short: 'c', placeholder: 'name' }),
  filename: list({ help: 'File that names the pod.', short: 'f', placeholder: 'file' }),
  'pod-running-timeout': duration({ help: 'Taken and not used.', fallback: 60_000 }),
  quiet: toggle({ help: 'Say nothing of its own.', short: 'q' }),
  stdin: toggle({ help: 'Pass standard input to the container.', short: 'i' }),
  tty: toggle({ help: 'Standard input is a terminal.', short: 't' }),
} satisfies FlagTable;

type ExecValues = FlagValues<typeof execFlags> & { readonly namespace: string };

/** Runs `exec`; resolves to the exit code of the command. */
export async function exec(context: KubectlContext, values: ExecValues, args: readonly string[]): Promise<number> {
  const before = beforeDash(context, args);
  const fromFile = values.filename.length > 0;
  const [word = ''] = before;
  const words =
    context.afterDash === undefined
      ? before.slice(fromFile ? 0 : 1)
      : [...before.slice(fromFile ? 0 : 1), ...context.afterDash];
  if (!fromFile && word === '') throw new UserError('error: pod, type/name or --filename must be specified');
  if (words.length === 0) throw new UserError('error: you must specify at least one command for the container');
  const pod = await choosePod(context, values, fromFile ? await nameInFile(context, values) : word);
  checkRunning(pod, 'exec into a container in');
  const container = chooseContainer(context, pod, { name: values.container, isQuiet: values.quiet });
  const { isTerminal } = terminalOf(context, values);
  const code = await connectStreams(context, {
    pod,
    subresource: 'exec',
    query: { command: words, ...streamQuery(container, { stdin: values.stdin, tty: isTerminal }) },
    hasInput: values.stdin,
    isTerminal,
  });
  if (code !== 0) context.complain(`command terminated with exit code ${code}`);
  return code;
}

async function nameInFile(context: KubectlContext, values: ExecValues): Promise<string> {
  const [target] = await parseTargets(context, [], { files: values.filename });
  return `${target?.mapping.resource}/${target?.name}`;
}

/** Whether the person's terminal is passed on; says so where there is none. */
function terminalOf(
  context: KubectlContext,
  values: { readonly stdin: boolean; readonly tty: boolean; readonly quiet?: boolean },
): { readonly isTerminal: boolean } {
  if (!values.tty) return { isTerminal: false };
  if (values.stdin && context.machine.terminal !== undefined) return { isTerminal: true };
  if (values.quiet !== true)
    context.complain('Unable to use a TTY - input is not a terminal or the right kind of file');
  return { isTerminal: false };
}

/** The query that says which streams there are. */
export function streamQuery(container: string, { stdin, tty }: { readonly stdin: boolean; readonly tty: boolean }) {
  return {
    container,
    stdin: stdin ? 'true' : undefined,
    stdout: 'true',
    stderr: tty ? undefined : 'true',
    tty: tty ? 'true' : undefined,
  };
}

/** Which streams of which pod. */
interface StreamWish {
  readonly pod: ChosenPod;
  readonly subresource: 'attach' | 'exec';
  readonly query: Readonly<Record<string, readonly string[] | string | undefined>>;
  readonly hasInput: boolean;
  readonly isTerminal: boolean;
}

/** Connects this machine's streams with those of a container; resolves to the exit code. */
function connectStreams(context: KubectlContext, wish: StreamWish): Promise<number> {
  const { machine } = context;
  return runRemote({
    api: context.api,
    call: {
      method: 'GET',
      path: pathOf(wish.pod.mapping, wish.pod.namespace, wish.pod.name, wish.subresource),
      query: wish.query,
    },
    input: wish.hasInput ? machine.stdin() : undefined,
    output: (bytes) => machine.writeBytes(bytes),
    errors: (bytes) => machine.writeErrorBytes(bytes),
    terminal: wish.isTerminal ? machine.terminal : undefined,
    signal: context.signal,
  });
}

/** The flags of `attach`. */
export const attachFlags = {
  container: execFlags.container,
  'pod-running-timeout': execFlags['pod-running-timeout'],
  quiet: execFlags.quiet,
  stdin: execFlags.stdin,
  tty: execFlags.tty,
} satisfies FlagTable;

type AttachValues = FlagValues<typeof attachFlags> & { readonly namespace: string };

/** Runs `attach`; resolves to its exit code. */
export async function attach(context: KubectlContext, values: AttachValues, args: readonly string[]): Promise<number> {
  const [word = ''] = args;
  if (word === '') throw new UserError('error: at least 1 argument is required for attach');
  if (args.length > 1)
    throw new UserError(
      `error: expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw ${args.length}: [${args.join(' ')}]`,
    );
  return attachTo(context, values, await choosePod(context, values, word));
}

/** What an attachment is to be. */
export interface AttachWish {
  /** The container; empty for the pod's own choice. */
  readonly container: string;
  readonly quiet: boolean;
  readonly stdin: boolean;
  readonly tty: boolean;
}

/** Attaches to a container of a pod; resolves to the exit code. */
export async function attachTo(context: KubectlContext, values: AttachWish, pod: ChosenPod): Promise<number> {
  checkRunning(pod, 'attach a container in');
  const container = chooseContainer(context, pod, { name: values.container, isQuiet: values.quiet });
  const all = ['containers', 'initContainers', 'ephemeralContainers'].flatMap((field) =>
    digList(pod.pod, 'spec', field),
  );
  const found = all.find((one) => digText(one, 'name') === container);
  if (found === undefined)
    throw new UserError(`error: cannot attach to the container: container ${container} not found in pod ${pod.name}`);
  const wantsTerminal = values.tty && found.tty === true;
  if (values.tty && !wantsTerminal && !values.quiet)
    context.complain(`error: Unable to use a TTY - container ${container} did not allocate one`);
  const { isTerminal } = terminalOf(context, { ...values, tty: wantsTerminal });
  if (!values.quiet && isTerminal) context.complain("If you don't see a command prompt, try pressing enter.");
  const tty = isTerminal || found.tty === true;
  return connectStreams(context, {
    pod,
    subresource: 'attach',
    query: streamQuery(container, { stdin: values.stdin, tty }),
    hasInput: values.stdin,
    isTerminal,
  });
}
