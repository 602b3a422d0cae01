/**
 * `coxswain snapshot save|restore|diff`: all that a cluster's API server keeps, in one file (`pkg/storage/snapshot/snapshot-format.ts`). Saving needs nothing of
 * the servers and stops nobody; restoring makes a new store, and notes in the cluster's folder where it is. What differs between two is `snapshot-diff.ts`.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { runningProcesses } from '#cmd/common/process-files.ts';
import { bytesText } from '#pkg/base/bytes-text.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { type EtcdFiles, etcdFilesOf } from '#pkg/cluster/etcd-files.ts';
import { type ClusterSettings, storeOf } from '#pkg/cluster/settings.ts';
import { openSnapshot, restoreSnapshot, saveSnapshot } from '#pkg/cluster/snapshot.ts';
import { type StorePlace, storeDriverOf, storeNames } from '#pkg/cluster/stores.ts';
import { commandOverview, type FlagTable, type FlagValues, helpText, parseFlags, text } from '#pkg/component/flags.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { SnapshotFile } from '#pkg/storage/snapshot/snapshot-reader.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { movedAddresses, savedSettings, settingsOnStore } from './snapshot-settings.ts';
import { upFlags } from './up-flags.ts';
import { lockOrRefuse } from './up-lock.ts';
import { checkName, dataFolder, type World } from './world.ts';

const saveFlags = { ...clusterFlags } satisfies FlagTable;

const restoreFlags = {
  ...clusterFlags,
  store: text({
    help: 'Where the cluster is to keep its data from now on. Default: where it did.',
    placeholder: storeNames(),
    problem: (store) =>
      storeDriverOf(store) === undefined
        ? 'must be lmdb or addresses of etcd members with commas between them'
        : undefined,
  }),
  'etcd-cafile': upFlags['etcd-cafile'],
  'etcd-certfile': upFlags['etcd-certfile'],
  'etcd-keyfile': upFlags['etcd-keyfile'],
  'etcd-username': upFlags['etcd-username'],
  'etcd-password-file': upFlags['etcd-password-file'],
} satisfies FlagTable;

const commands = {
  save: { summary: 'Save the store of a cluster, which may run, to a file.' },
  restore: { summary: 'Restore a file into an empty store of a cluster that is stopped, or of a new one.' },
  diff: { summary: 'Show what differs between two snapshots, or between one and a cluster, which may run.' },
} as const;

/** Runs the command; resolves to its exit code. Throws `UserError`, and what the system says. */
export async function snapshot(world: World, args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === 'save') return save(world, rest);
  if (name === 'restore') return restore(world, rest);
  if (name === 'diff') return (await import('./snapshot-diff.ts')).snapshotDiff(world, rest, commands.diff.summary);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    world.write(
      commandOverview({
        summary: 'A cluster’s data in one file.',
        usage: 'coxswain snapshot <command> FILE',
        commands,
      }),
    );
    return name === undefined ? 1 : 0;
  }
  throw new UserError(`unknown command "snapshot ${name}": "coxswain snapshot --help" lists them`);
}

interface Arguments<T extends FlagTable> {
  readonly values: FlagValues<T>;
  readonly given: ReadonlySet<string>;
  readonly file: string;
}

/** The flags and the file; undefined where help was asked for and given. */
function argumentsOf<T extends FlagTable & typeof clusterFlags>(
  world: World,
  of: { readonly name: keyof typeof commands; readonly flags: T; readonly args: readonly string[] },
): Arguments<T> | undefined {
  const { name, flags, args } = of;
  const parsed = parseFlags(flags, args);
  const hint = `(see "coxswain snapshot ${name} --help")`;
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const usage = `coxswain snapshot ${name} FILE [flags]`;
    world.write(helpText(flags, { usage, summary: commands[name].summary }));
    return undefined;
  }
  const [file, unexpected] = parsed.rest;
  if (file === undefined) throw new UserError(`name the file of the snapshot ${hint}`);
  if (unexpected !== undefined) throw new UserError(`unexpected argument: ${unexpected} ${hint}`);
  return { values: parsed.values, given: parsed.given, file: resolve(file) };
}

async function save(world: World, args: readonly string[]): Promise<number> {
  const given = argumentsOf(world, { name: 'save', flags: saveFlags, args });
  if (given === undefined) return 0;
  const { values, file } = given;
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  if (record === undefined) throw new UserError(`Cannot save a snapshot as there is no cluster in ${folder.path}`);
  const { settings } = record;
  const { records, bytes, revision } = await saveSnapshot(file, {
    ...placeOf(world, folder, settings),
    settings: { ...settings },
  });
  world.write(
    `Saved ${records} keys of the cluster "${settings.name}" at revision ${revision} to ${file} (${bytesText(bytes)}).\n`,
  );
  return 0;
}

async function restore(world: World, args: readonly string[]): Promise<number> {
  const given = argumentsOf(world, { name: 'restore', flags: restoreFlags, args });
  if (given === undefined) return 0;
  checkName(given.values.name);
  const file = await openSnapshot(given.file);
  try {
    return await restoreFrom(file, world, given);
  } finally {
    await file.close();
  }
}

async function restoreFrom(
  file: SnapshotFile,
  world: World,
  { values, given, file: path }: Arguments<typeof restoreFlags>,
): Promise<number> {
  const saved = savedSettings(file.header, path);
  const name = given.has('name') ? values.name : saved.name;
  const folder = new ClusterFolder(dataFolder(world, { name, dataDir: values['data-dir'] }));
  await folder.checkOwner();
  using _lock = await lockOrRefuse(folder, 'restore into');
  const before = await folder.read();
  if ((await runningProcesses(folder.run)).length > 0) {
    throw new UserError(
      `Cannot restore into ${folder.path} as the cluster "${before?.settings.name ?? name}" runs there: stop it with "coxswain down" first`,
    );
  }
  const settings = settingsOnStore(before?.settings ?? saved, values.store, etcdFilesOf(filesOf(values)));
  if (settings.name !== name && given.has('name')) {
    throw new UserError(
      `Cannot restore as "${name}" as the cluster's nodes are those of "${settings.name}": leave --name out, or name the folder with --data-dir`,
    );
  }
  const made = await makeFolder(folder.path);
  const count = await restoreSnapshot(file, placeOf(world, folder, settings)).catch(async (error: unknown) => {
    if (made !== undefined) await folder.remove();
    throw error;
  });
  await folder.write({ ...before, ...movedAddresses(saved, settings), settings });
  const where = storeDriverOf(settings.store)?.where({ store: settings.store, folder: folder.path });
  const keys = join(folder.path, 'pki');
  const signs = await readFile(join(keys, 'sa.key')).then(
    () => `Tokens count that were signed with the key in ${keys}`,
    () => `Keys are made anew in ${keys}`,
  );
  world.write(
    `Restored ${count} keys of revision ${file.header.revision} into ${where}: "coxswain up --data-dir ${folder.path}" starts the cluster.\n${signs}: those of another folder are none here, nor are its certificates, unless its pki/ is put there.\n`,
  );
  return 0;
}

function placeOf({ clock, random }: World, folder: ClusterFolder, settings: ClusterSettings): StorePlace {
  return { ...storeOf(settings), folder: folder.path, clock, random, log: silentLogger };
}

function filesOf(values: FlagValues<typeof restoreFlags>): EtcdFiles {
  return {
    etcdCafile: values['etcd-cafile'],
    etcdCertfile: values['etcd-certfile'],
    etcdKeyfile: values['etcd-keyfile'],
    etcdUsername: values['etcd-username'],
    etcdPasswordFile: values['etcd-password-file'],
  };
}
