/** `coxswain token create|list|delete`: the tokens by which other machines join a cluster. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectionOf } from '#cmd/common/connection.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import type { Client } from '#pkg/client/client.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { authorityHash } from '#pkg/cluster/joining/discovery.ts';
import { ensureJoinObjects } from '#pkg/cluster/joining/join-objects.ts';
import {
  createJoinToken,
  deleteJoinToken,
  joinTokenOf,
  listJoinTokens,
  parseJoinToken,
} from '#pkg/cluster/joining/join-token.ts';
import { networkTable } from '#pkg/cluster/networks.ts';
import { apiServerHost } from '#pkg/cluster/settings.ts';
import {
  commandOverview,
  duration,
  type FlagTable,
  type FlagValues,
  helpText,
  parseFlags,
} from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder, type ClusterRecord } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import { checkName, dataFolder, type World } from './world.ts';

const dayMs = 86_400_000;

const flags = {
  ...clusterFlags,
  ttl: duration({ help: 'How long a new token counts; 0s for good.', fallback: dayMs }),
  output: outputFlag,
} satisfies FlagTable;

const commands = {
  create: { summary: 'Make a token, and print the command by which a machine joins with it.' },
  list: { summary: 'List the tokens that there are.' },
  delete: { summary: 'Delete a token: nobody joins with it any more.' },
} as const;

interface Running {
  readonly client: Client;
  readonly folder: ClusterFolder;
  readonly record: ClusterRecord;
  readonly values: FlagValues<typeof flags>;
}

/** Runs the command; resolves to its exit code. Throws `UserError`, also for what the server refuses. */
export async function token(world: World, args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  if (name === '' || name === '--help' || name === '-h' || name === 'help') {
    const summary = 'Tokens by which other machines join a cluster.';
    world.write(commandOverview({ summary, usage: 'coxswain token <command> [flags]', commands }));
    return name === '' ? 1 : 0;
  }
  if (!Object.hasOwn(commands, name))
    throw new UserError(`unknown command "token ${name}": "coxswain token --help" lists them`);
  const hint = `(see "coxswain token ${name} --help")`;
  const parsed = parseFlags(flags, rest);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const usage = `coxswain token ${name}${name === 'delete' ? ' TOKEN' : ''} [flags]`;
    world.write(helpText(flags, { usage, summary: 'Tokens by which other machines join a cluster.' }));
    return 0;
  }
  const [tokenText, ...more] = parsed.rest;
  if (name === 'delete' && tokenText === undefined) throw new UserError(`say TOKEN, whole or its first part ${hint}`);
  const surplus = name === 'delete' ? more[0] : tokenText;
  if (surplus !== undefined) throw new UserError(`unexpected argument: ${surplus} ${hint}`);
  return withCluster(world, parsed.values, async (running) => {
    if (name === 'create') await create(world, running);
    else if (name === 'list') await list(world, running);
    else await deleteJoinToken(running.client, tokenText ?? '');
  });
}

async function withCluster(
  world: World,
  values: FlagValues<typeof flags>,
  work: (running: Running) => Promise<void>,
): Promise<number> {
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  if (record === undefined)
    throw new UserError(`Cannot find a cluster in ${folder.path}: start one with "coxswain up"`);
  const transport = await connectionOf(folder.kubeconfig);
  try {
    await work({ client: createClient({ transport, userAgent: 'coxswain' }), folder, record, values });
    return 0;
  } catch (error) {
    if (error instanceof StatusError) throw new UserError(error.message, error);
    throw error;
  } finally {
    await transport.close();
  }
}

async function create(world: World, { client, folder, record, values }: Running): Promise<void> {
  const { settings } = record;
  if (networkTable[settings.network]?.kernel === undefined)
    throw new UserError(
      `Cannot let other machines join as the network ${settings.network} is of this machine alone: a cluster with --network bridge takes them`,
    );
  const authority = await readFile(join(folder.pki, 'ca.crt'), 'utf8');
  const server = `https://${apiServerHost(settings)}:${settings.apiPort}`;
  await ensureJoinObjects(client, { kubeconfig: clusterInfo(server, authority), settings });
  // Unlike chance of simulations, nobody is to guess it.
  const made = joinTokenOf(crypto.getRandomValues(new Uint8Array(22)));
  const parts = parseJoinToken(made);
  if (parts === undefined) throw new Error(`Cannot use ${made} as a token`);
  await createJoinToken(client, { token: parts, ttlMs: values.ttl, clock: world.clock });
  const hash = authorityHash(authority);
  const address = `${apiServerHost(settings)}:${settings.apiPort}`;
  if (values.output !== '') {
    const result = { token: made, address, discoveryTokenCaCertHash: hash };
    world.write(await formatted(result, values.output));
    return;
  }
  world.write(
    `On the other machine, as root, with this machine's address there as VIA:\n\n  coxswain join ${address} --token ${made} --discovery-token-ca-cert-hash ${hash} --via VIA\n`,
  );
}

async function list(world: World, { client, values }: Running): Promise<void> {
  const tokens = await listJoinTokens(client);
  if (values.output !== '') {
    world.write(await formatted(tokens, values.output));
    return;
  }
  const rows = tokens.map((one) => [one.token, one.expires ?? '<forever>', one.usages.join(','), one.groups]);
  const table = [['TOKEN', 'EXPIRES', 'USAGES', 'EXTRA GROUPS'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table)
    world.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd()}\n`,
    );
}

/** A kubeconfig without anybody's credentials, as kubeadm writes it. */
function clusterInfo(server: string, authority: string): string {
  const cluster = { 'certificate-authority-data': Buffer.from(authority).toString('base64'), server };
  return yamlText({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: '', cluster }],
    contexts: [],
    'current-context': '',
    preferences: {},
    users: [],
  });
}
