/** `coxswain down`: stops what runs of a cluster, in the order that lets each part finish. Its data stays unless asked otherwise. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isStopped, type ProcessRecord, recordedProcesses, stateOf } from '#cmd/common/process-files.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { contextFields, readKubeconfig, removeFromKubeconfig, useContext } from '#pkg/cluster/kubeconfig.ts';
import { runtimesOf, runtimeTable } from '#pkg/cluster/runtimes.ts';
import { type ClusterSettings, contextName, nodeNames, storeOf } from '#pkg/cluster/settings.ts';
import { duration, type FlagTable, helpText, parseFlags, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { StoreUnavailableError } from '#pkg/storage/store.ts';
import { clusterFlags } from './cluster-flags.ts';
import { clusterRegistry } from './cluster-registry.ts';
import { ClusterFolder } from './folder.ts';
import { supervisorName } from './process-names.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  'delete-data': toggle({ help: 'Remove the data folder too: the cluster is gone for good.' }),
  purge: toggle({ help: 'The same as --delete-data.' }),
  timeout: duration({ help: 'Longest wait for each process to end by itself.', fallback: 30_000 }),
} satisfies FlagTable;

/** Who would start the others again stops first; parts that talk to the API server before it. */
const stopOrder = [
  supervisorName,
  'kubelet',
  'kube-proxy',
  'cluster-dns',
  'kube-scheduler',
  'kube-controller-manager',
  'kube-apiserver',
  'coxswain',
];
const lookIntervalMs = 20;
/** Longest wait for the system to take back what a killed process held. */
const killMsMax = 5_000;

/** Runs the command; resolves to its exit code, 0 also where nothing ran. Throws `UserError` for what cannot be stopped or removed. */
export async function down(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain down --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain down [flags]', summary: 'Stop a cluster; its data stays.' }));
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain down --help")`);
  const { values } = parsed;
  const deletes = values['delete-data'] || values.purge;
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const running = (await recordedProcesses(folder.run)).filter((one) => stateOf(one) !== 'gone');
  // What is stopped by a signal hears of no other.
  if (running.some(({ pid }) => isStopped(pid)))
    await (await import('./cluster-processes.ts')).continueAll({
      world,
      folder,
      record: await folder.read().catch(() => undefined),
      running,
    });
  // Whatever became of the record, what runs is stopped.
  await stopProcesses(world, running, values.timeout);
  // What cannot be read any more can still be removed.
  const record = await folder.read().catch((error) => {
    if (!deletes || !(error instanceof UserError)) throw error;
    world.writeError(`${error.message}\n`);
    return undefined;
  });
  const name = record?.settings.name ?? values.name;
  if (record !== undefined) await retractContext(folder);
  const existed = await folder.exists();
  if (deletes && record !== undefined) await emptyStore(world, folder, record.settings);
  // The code of containers and images is only loaded by who has any.
  const hasContainers = runtimesOf(record?.settings.runtime ?? '').some((one) => runtimeTable[one]?.mountsVolumes);
  if (record === undefined ? deletes : hasContainers)
    await (await import('./end-containers.ts')).endLeftContainers(world, folder.path);
  if (deletes && (await folder.entries())?.includes('docker'))
    await (await import('./docker-socket.ts')).removeDocker(world, folder.path);
  if ((deletes || hasContainers) && (await folder.entries())?.includes('images')) {
    const { releaseLeftRoots, releaseRoots } = await import('./image/release-roots.ts');
    await (deletes ? releaseRoots : releaseLeftRoots)(world, folder.path);
  }
  if (deletes && record !== undefined) await removeNetwork(record.settings);
  if (deletes) await (await clusterRegistry(world)).remove(folder.path);
  const others = deletes ? await folder.remove() : [];
  const did =
    running.length > 0 ? 'Stopped the cluster' : existed ? 'Nothing ran of the cluster' : 'There is no cluster';
  const kept =
    record?.settings.store === 'memory'
      ? `Its objects were in memory and are gone; its keys and addresses stay in ${folder.path}.`
      : `Its data stays in ${folder.path}.`;
  const data =
    deletes && existed
      ? ` Its data in ${folder.path} was removed${others.length === 0 ? '' : `; what else is there stays (${others.slice(0, 3).join(', ')})`}.`
      : existed
        ? ` ${kept}`
        : '';
  world.write(`${did} "${name}".${data}\n`);
  return 0;
}

/** Takes away what the machine's kernel has of the cluster. */
async function removeNetwork(settings: ClusterSettings): Promise<void> {
  const { networkTable } = await import('#pkg/cluster/networks.ts');
  await networkTable[settings.network]?.kernel?.remove(settings, nodeNames(settings));
}

/** Takes the cluster out of a store that is not in its folder. One that does not answer keeps what it has, which is said. */
async function emptyStore(world: World, folder: ClusterFolder, settings: ClusterSettings): Promise<void> {
  const { store } = settings;
  const { isSharedStore, removeFromSharedStore } = await import('#pkg/cluster/store.ts');
  if (!isSharedStore(store)) return;
  const { silentLogger } = await import('#pkg/base/logger.ts');
  const { clock, random } = world;
  try {
    await removeFromSharedStore({ ...storeOf(settings), folder: folder.path, clock, random, log: silentLogger });
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    world.writeError(`What the cluster has in ${store} stays there: ${error.message}\n`);
  }
}

/** Asks processes to end, one kind after the other, and kills those that do not within `timeoutMs`. */
export async function stopProcesses(world: World, running: readonly ProcessRecord[], timeoutMs: number): Promise<void> {
  const rank = (record: ProcessRecord): number => {
    const index = stopOrder.findIndex((name) => record.name === name || record.name.startsWith(`${name}-`));
    return index < 0 ? stopOrder.length : index;
  };
  for (let order = 0; order <= stopOrder.length; order++) {
    const group = running.filter((record) => rank(record) === order);
    await Promise.all(group.map((record) => stopProcess(world, record, timeoutMs)));
  }
}

async function stopProcess(world: World, record: ProcessRecord, timeoutMs: number): Promise<void> {
  send(record, 'SIGTERM');
  let endMs = world.clock.monotonicMs() + timeoutMs;
  let killed = false;
  while (stateOf(record) !== 'gone') {
    if (world.clock.monotonicMs() >= endMs) {
      world.writeError(`${record.name} (process ${record.pid}) did not end within ${timeoutMs / 1000} s: killing it\n`);
      send(record, 'SIGKILL');
      endMs += killMsMax;
      if (killed) break;
      killed = true;
    }
    await sleep(world.clock, lookIntervalMs);
  }
}

function send(record: ProcessRecord, signal: NodeJS.Signals): void {
  try {
    process.kill(record.pid, signal);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ESRCH') return;
    throw new UserError(
      `Cannot stop ${record.name} (process ${record.pid}): ${code === 'EPERM' ? 'it belongs to another user' : String(code)}`,
      error,
    );
  }
}

/** Takes the cluster's context out of the kubeconfig it was merged into and makes the one before it current again. */
export async function retractContext(folder: ClusterFolder): Promise<void> {
  const record = await folder.read();
  if (record?.userKubeconfig === undefined) return;
  const name = contextName(record.settings);
  const config = (await readKubeconfig(record.userKubeconfig)) ?? {};
  const wasCurrent = config['current-context'] === name;
  const authority = await readFile(join(folder.pki, 'ca.crt'), 'utf8').catch(() => undefined);
  const removed = await removeFromKubeconfig(record.userKubeconfig, name, {
    ...(authority === undefined ? {} : { authority }),
    removeEmpty: record.madeKubeconfig === true,
  });
  if (removed && wasCurrent && record.previousContext !== undefined)
    await useContext(record.userKubeconfig, record.previousContext);
  // What the person added to the context comes back with the next start.
  const context = removed ? contextFields(config, name) : (record.context ?? {});
  const { settings, file } = record;
  await folder.write({
    settings,
    ...(file === undefined ? {} : { file }),
    ...(Object.keys(context).length === 0 ? {} : { context }),
  });
}
