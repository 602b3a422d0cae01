/**
 * `coxswain snapshot diff BEFORE [AFTER]`: what differs between two snapshots, or a snapshot and a cluster, which may run. Exit codes are those of diff: 0 for no
 * difference, 1 for some, 2 for trouble.
 */
import { resolve } from 'node:path';
import { explain } from '#cmd/common/errors.ts';
import type { FieldDifference } from '#pkg/apimachinery/field-differences.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { storeOf } from '#pkg/cluster/settings.ts';
import { openSnapshot, openState } from '#pkg/cluster/snapshot.ts';
import {
  type ChangedObject,
  type NamedObject,
  type ObjectsOfState,
  type StateDifference,
  stateDifference,
} from '#pkg/cluster/snapshot-difference.ts';
import { type FlagTable, type FlagValues, helpText, parseFlags, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import { checkName, dataFolder, exitCodes, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  all: toggle({
    help: 'Also events, leases, heartbeats of nodes and managed fields, which differ wherever a cluster has run.',
  }),
  output: outputFlag,
} satisfies FlagTable;

/** Most characters of a value that are shown to people. */
const shownMax = 80;

/** What is compared. */
interface State extends ObjectsOfState {
  /** Where it is from, for people. */
  readonly label: string;
  readonly revision: number;
  readonly clusterId: string;
  close(): Promise<void>;
}

/** Runs the command; resolves to its exit code, also for what goes wrong. */
export async function snapshotDiff(world: World, args: readonly string[], summary: string): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (parsed.ok && parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain snapshot diff BEFORE [AFTER] [flags]', summary }));
    return exitCodes.done.code;
  }
  try {
    const hint = '(see "coxswain snapshot diff --help")';
    if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
    const [before, after, unexpected] = parsed.rest;
    if (before === undefined) throw new UserError(`name the file of a snapshot ${hint}`);
    if (unexpected !== undefined) throw new UserError(`unexpected argument: ${unexpected} ${hint}`);
    return await compare(world, parsed.values, { before, after });
  } catch (error) {
    world.writeError(`coxswain: ${explain(error)}\n`);
    return exitCodes.trouble.code;
  }
}

async function compare(
  world: World,
  values: FlagValues<typeof flags>,
  paths: { readonly before: string; readonly after: string | undefined },
): Promise<number> {
  await using before = disposable(await ofFile(paths.before));
  await using after = disposable(
    paths.after === undefined ? await ofCluster(world, values) : await ofFile(paths.after),
  );
  const difference = await stateDifference(before.state, after.state, { all: values.all });
  const { added, removed, changed } = difference;
  const isSame = added.length + removed.length + changed.length === 0;
  if (values.output !== '') {
    const [from, to] = [before.state, after.state].map(({ label, revision, clusterId }) => ({
      state: label,
      revision,
      clusterId,
    }));
    world.write(await formatted(withTexts({ from, to, ...difference }), values.output));
  } else if (!isSame) world.write(textOf(difference, before.state, after.state));
  return exitCodes[isSame ? 'done' : 'failed'].code;
}

function disposable(state: State): AsyncDisposable & { readonly state: State } {
  return { state, [Symbol.asyncDispose]: () => state.close() };
}

async function ofFile(path: string): Promise<State> {
  const file = await openSnapshot(resolve(path), 'compare');
  const { revision, clusterId, savedAt } = file.header;
  return {
    label: `${path} (revision ${revision}, ${savedAt})`,
    revision,
    clusterId,
    items: () => file.items(),
    close: () => file.close(),
  };
}

async function ofCluster(world: World, values: FlagValues<typeof flags>): Promise<State> {
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  if (record === undefined)
    throw new UserError(`Cannot compare with a cluster as there is none in ${folder.path}: name two snapshots`);
  const { clock, random } = world;
  const { settings } = record;
  const state = await openState({ ...storeOf(settings), folder: folder.path, clock, random, log: silentLogger });
  const { revision, clusterId } = state;
  return {
    label: `cluster ${settings.name} (revision ${revision})`,
    revision,
    clusterId,
    items: () => state.items(),
    close: () => state.close(),
  };
}

/** Integers that JSON's numbers cannot hold are texts there. */
function withTexts(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)));
}

function textOf({ added, removed, changed }: StateDifference, before: State, after: State): string {
  const lines = [
    ...removed.map((one) => ({ key: one.key, text: `- ${objectText(one)}\n` })),
    ...added.map((one) => ({ key: one.key, text: `+ ${objectText(one)}\n` })),
    ...changed.map((one) => ({ key: one.key, text: changeText(one) })),
  ].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const others = before.clusterId === after.clusterId ? '' : 'They are of different clusters.\n';
  const counts = `${added.length} added, ${removed.length} removed, ${changed.length} changed\n`;
  return `--- ${before.label}\n+++ ${after.label}\n${others}${lines.map(({ text }) => text).join('')}${counts}`;
}

/** As `apps/v1 Deployment shop/web`. */
function objectText({ apiVersion, kind, namespace, name, key }: NamedObject): string {
  if (apiVersion === undefined || kind === undefined || name === undefined) return key;
  return `${apiVersion} ${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

function changeText(object: ChangedObject): string {
  const why = object.isEncrypted ? ': encrypted, so what of it differs cannot be told' : '';
  const fields = object.fields.map((field) =>
    field.isHidden
      ? `    ${field.path}\n`
      : `    ${field.path}: ${shown(field, 'before')} -> ${shown(field, 'after')}\n`,
  );
  return `~ ${objectText(object)}${why}\n${fields.join('')}`;
}

function shown(field: FieldDifference, side: 'after' | 'before'): string {
  if (!Object.hasOwn(field, side)) return '(none)';
  const text = jsonText(field[side]);
  return text.length <= shownMax ? text : `${text.slice(0, shownMax)}… (${text.length} characters)`;
}
