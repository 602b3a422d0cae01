/** `cp`: files and folders to and from containers, by the container's own `tar`. Source: kubectl `cmd/cp/cp.go`. */
import { statSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { type FlagTable, type FlagValues, integer, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';
import { pathOf } from './discovery.ts';
import { UsageError } from './errors.ts';
import { streamQuery } from './exec.ts';
import { type ChosenPod, chooseContainer, choosePod } from './pod-choice.ts';
import { type Remote, runRemote } from './remote-command.ts';
import { packTar, TarReader } from './tar.ts';

/** The flags of the command. */
export const cpFlags = {
  container: text({ help: 'Name of the container.', short: 'c', placeholder: 'name' }),
  'no-preserve': toggle({ help: 'Modes and owners are not kept.' }),
  retries: integer({ help: 'Taken and not used.', fallback: 0, min: -1 }),
} satisfies FlagTable;

type Values = FlagValues<typeof cpFlags> & { readonly namespace: string };

/** One end of a copy. */
interface Place {
  readonly pod: string;
  readonly namespace: string;
  readonly path: string;
}

/** Runs the command; resolves to its exit code. */
export async function cp(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  const [source = '', target = ''] = args;
  if (args.length !== 2) {
    if (args.length < 2) throw new UserError('error: source and destination are required');
    throw new UsageError(`error: expected 2 arguments, got ${args.length}`);
  }
  const [from, to] = [placeOf(source), placeOf(target)];
  if (from.pod !== '' && to.pod !== '')
    throw new UserError('error: one of src or dest must be a local file specification');
  if (from.path === '' || to.path === '') throw new UserError('error: filepath can not be empty');
  if (from.pod !== '') return download(context, values, { from, to });
  if (to.pod !== '') return upload(context, values, { from, to });
  throw new UserError('error: one of src or dest must be a remote file specification');
}

function placeOf(word: string): Place {
  const colon = word.indexOf(':');
  if (colon <= 0 || word.startsWith('.') || word.startsWith('/')) return { pod: '', namespace: '', path: word };
  const [first = '', second, ...more] = word.slice(0, colon).split('/');
  if (more.length > 0)
    throw new UserError('error: filespec must match the canonical format: [[namespace/]pod:]file/path');
  const path = word.slice(colon + 1);
  return second === undefined ? { pod: first, namespace: '', path } : { pod: second, namespace: first, path };
}

interface Ends {
  readonly from: Place;
  readonly to: Place;
}

async function podOf(context: KubectlContext, values: Values, { pod, namespace }: Place): Promise<ChosenPod> {
  return choosePod(context, { namespace: namespace || values.namespace }, pod);
}

function remoteTar(
  context: KubectlContext,
  values: Values,
  {
    pod,
    command,
    hasInput,
  }: { readonly pod: ChosenPod; readonly command: readonly string[]; readonly hasInput: boolean },
): Pick<Remote, 'api' | 'call' | 'errors' | 'signal'> {
  const container = chooseContainer(context, pod, { name: values.container });
  return {
    api: context.api,
    call: {
      method: 'GET',
      path: pathOf(pod.mapping, pod.namespace, pod.name, 'exec'),
      query: { command, ...streamQuery(container, { stdin: hasInput, tty: false }) },
    },
    errors: (bytes) => context.machine.writeErrorBytes(bytes),
    signal: context.signal,
  };
}

async function upload(context: KubectlContext, values: Values, { from, to }: Ends): Promise<number> {
  if (statSync(from.path, { throwIfNoEntry: false }) === undefined)
    throw new UserError(`error: ${from.path} doesn't exist in local filesystem`);
  const pod = await podOf(context, values, to);
  const isFolder = to.path.endsWith('/') || (await remoteIsFolder(context, values, { pod, path: to.path }));
  const place = isFolder ? posix.join(to.path, basename(from.path)) : to.path;
  const flags = values['no-preserve'] ? ['--no-same-permissions', '--no-same-owner'] : [];
  const folder = posix.dirname(place);
  const into = folder === '.' || folder === '' ? [] : ['-C', folder];
  const command = ['tar', ...flags, '-xmf', '-', ...into];
  const code = await runRemote({
    ...remoteTar(context, values, { pod, command, hasInput: true }),
    input: chunksOf(packTar(from.path, posix.basename(place))),
    output: (bytes) => context.machine.writeErrorBytes(bytes),
  });
  if (code !== 0) context.complain(`command terminated with exit code ${code}`);
  return code;
}

async function* chunksOf(parts: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const part of parts)
    for (let at = 0; at < part.length; at += chunkBytes) yield part.subarray(at, at + chunkBytes);
}

/** What is sent at once: what kubectl sends. */
const chunkBytes = 32 * 1024;

async function remoteIsFolder(
  context: KubectlContext,
  values: Values,
  { pod, path }: { readonly pod: ChosenPod; readonly path: string },
): Promise<boolean> {
  const nothing = async (): Promise<void> => {};
  const tar = remoteTar(context, values, { pod, command: ['test', '-d', path], hasInput: false });
  // As with kubectl, an image without that command has no such folder: what is in the way of the copy itself is said by that.
  const code = await runRemote({ ...tar, errors: nothing, output: nothing }).catch(() => undefined);
  return code === 0;
}

async function download(context: KubectlContext, values: Values, { from, to }: Ends): Promise<number> {
  const pod = await podOf(context, values, from);
  const isFolder = to.path.endsWith('/') || statSync(to.path, { throwIfNoEntry: false })?.isDirectory() === true;
  const target = isFolder ? join(to.path, posix.basename(from.path)) : to.path;
  const reader = new TarReader({ target, prefix: posix.normalize(from.path), warn: (line) => context.complain(line) });
  const code = await runRemote({
    ...remoteTar(context, values, { pod, command: ['tar', 'cf', '-', from.path], hasInput: false }),
    output: async (bytes) => reader.push(bytes),
  });
  reader.end();
  if (code !== 0) context.complain(`error: command terminated with exit code ${code}`);
  return code === 0 ? 0 : 1;
}
