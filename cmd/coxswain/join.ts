/**
 * `coxswain join`: this machine becomes a node of a cluster of another machine, for as long as the command runs; again without a token, as what it was given is kept.
 */
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { machineAddress } from '#cmd/common/machine-address.ts';
import { HeldError, holdProcessFile, processIdentity } from '#cmd/common/process-files.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { joinCluster } from '#pkg/cluster/joining/join-cluster.ts';
import { parseJoinToken } from '#pkg/cluster/joining/join-token.ts';
import { JoinedFolder, type JoinedRecord } from '#pkg/cluster/joining/joined-folder.ts';
import { joinedNode } from '#pkg/cluster/joining/joined-node.ts';
import { runtimeProblem, runtimesOf, runtimeTable } from '#pkg/cluster/runtimes.ts';
import { type FlagTable, type FlagValues, helpText, list, parseFlags, text } from '#pkg/component/flags.ts';
import { createLogger } from '#pkg/component/logger.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { withoutWarnings } from './image/open-images.ts';
import { clustersHome, type World } from './world.ts';

const flags = {
  token: text({ help: 'Token of the cluster, as "coxswain token create" prints it.', placeholder: 'token' }),
  'discovery-token-ca-cert-hash': list({
    help: 'Hash of the public key of the authority that is trusted.',
    fallback: [],
    placeholder: 'sha256:hex',
  }),
  via: text({
    help: 'Address of the machine of the cluster on the network that this one shares with it. Default: there are routes.',
    placeholder: 'address',
  }),
  'node-name': text({ help: 'Name of the node.', fallback: hostname().toLowerCase(), placeholder: 'name' }),
  'node-ip': text({
    help: 'Address of this machine, at which the others reach it.',
    fallback: '0.0.0.0',
    placeholder: 'address',
  }),
  runtime: text({
    help: 'How pods run.',
    fallback: 'container',
    placeholder: Object.keys(runtimeTable).join('|'),
    problem: (value) => runtimeProblem(value),
  }),
  'data-dir': text({ help: 'Folder of the node. Default: ~/.coxswain/joined.', placeholder: 'folder' }),
} satisfies FlagTable;

const hint = '(see "coxswain join --help")';

/** The folder of a machine that has joined. */
export function joinedFolder(world: World, dataDir: string): string {
  return dataDir === '' ? join(clustersHome(world), 'joined') : resolve(dataDir);
}

/** Runs the command until it is told to stop; resolves to its exit code. Throws `UserError` for what the person can mend. */
export async function joinCommand(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const summary = 'Join a cluster of another machine, and run as a node of it.';
    world.write(helpText(flags, { usage: 'coxswain join HOST:PORT [flags]', summary }));
    return 0;
  }
  const { rest, values } = parsed;
  if (rest.length > 1) throw new UserError(`unexpected argument: ${rest[1]} ${hint}`);
  const folder = new JoinedFolder(joinedFolder(world, values['data-dir']));
  const release = await hold(world, folder);
  try {
    await runUntilSignal({ signals: process, clock: world.clock, forceExit: (code) => process.exit(code) }, (signal) =>
      run(world, { folder, values, address: rest[0], signal }),
    );
    return 0;
  } finally {
    await release();
  }
}

interface Joining {
  readonly folder: JoinedFolder;
  readonly values: FlagValues<typeof flags>;
  readonly address: string | undefined;
  readonly signal: AbortSignal;
}

async function run(world: World, joining: Joining): Promise<void> {
  const { folder, signal } = joining;
  const record = (await folder.read()) ?? (await joinNow(world, joining));
  const { clock, random } = world;
  const log = createLogger({ write: (line) => world.writeError(line), clock, level: 'info', format: 'text' });
  const metrics = new Metrics();
  const onServingRequest = (name: string): void => {
    world.write(`Logs and exec of its pods are there once "kubectl certificate approve ${name}" was said\n`);
  };
  const node = await withoutWarnings(() =>
    joinedNode({ clock, random, log, metrics, folder, record, onServingRequest }),
  );
  world.write(`This machine is the node ${record.nodeName} of the cluster at ${record.server}\n`);
  await node.run(signal);
}

async function joinNow(world: World, { folder, values, address, signal }: Joining): Promise<JoinedRecord> {
  const token = parseJoinToken(values.token);
  if (address === undefined) throw new UserError(`say HOST:PORT of the API server ${hint}`);
  if (!/^[^/:]+:\d+$/.test(address)) throw new UserError(`Cannot use ${address} as HOST:PORT of an API server`);
  if (token === undefined)
    throw new UserError(`Cannot use --token as a token: it has to be like abcdef.0123456789abcdef ${hint}`);
  if (values['discovery-token-ca-cert-hash'].length === 0)
    throw new UserError(
      `the flag --discovery-token-ca-cert-hash is required: without it nobody knows whose cluster it is`,
    );
  const sharing = runtimesOf(values.runtime).find((name) => runtimeTable[name]?.sharesNetwork === true);
  if (sharing !== undefined)
    throw new UserError(
      `Cannot use the runtime ${sharing} as its pods have no network namespaces: name another with --runtime`,
    );
  try {
    return await joinCluster({
      clock: world.clock,
      address,
      token,
      hashes: values['discovery-token-ca-cert-hash'],
      nodeName: values['node-name'],
      nodeAddress: machineAddress(values['node-ip']),
      via: values.via === '' ? undefined : values.via,
      runtime: values.runtime,
      folder,
      signal,
    });
  } catch (error) {
    if (error instanceof StatusError) throw new UserError(`Cannot join ${address}: ${error.message}`, error);
    throw error;
  }
}

async function hold(world: World, folder: JoinedFolder): Promise<() => Promise<void>> {
  const record = {
    name: 'join',
    pid: process.pid,
    identity: processIdentity(process.pid),
    startedAt: formatTimestamp(world.clock.nowMs()),
  };
  try {
    const held = await holdProcessFile(join(folder.path, 'run', 'join.json'), record);
    return () => held.release();
  } catch (error) {
    if (!(error instanceof HeldError)) throw error;
    throw new UserError(`Cannot use ${folder.path} as process ${error.holder.pid} holds it: stop it first`, error);
  }
}
