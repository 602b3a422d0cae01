/** `coxswain down`: stops what runs of a cluster, in the order that lets each part finish. Its data stays unless asked otherwise. */

import { UserError } from '#cmd/common/errors.ts';
import { isAlive, type ProcessRecord, runningProcesses } from '#cmd/common/process-files.ts';
import { sleep } from '#pkg/base/async.ts';
import { readKubeconfig, removeFromKubeconfig, useContext } from '#pkg/cluster/kubeconfig.ts';
import { contextName } from '#pkg/cluster/settings.ts';
import { duration, type FlagTable, helpText, parseFlags, toggle } from '#pkg/component/flags.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  'delete-data': toggle({ help: 'Remove the data folder too: the cluster is gone for good.' }),
  timeout: duration({ help: 'Longest wait for each process to end by itself.', fallback: 30_000 }),
} satisfies FlagTable;

/** Parts that talk to the API server stop before it. */
const stopOrder = ['kubelet', 'kube-proxy', 'kube-scheduler', 'kube-controller-manager', 'kube-apiserver', 'coxswain'];
const lookIntervalMs = 20;

export async function down(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain down --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain down [flags]', summary: 'Stop a cluster; its data stays.' }));
    return 0;
  }
  const { values } = parsed;
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const running = await runningProcesses(folder.run);
  const name = (await folder.read())?.settings.name ?? values.name;
  await stopProcesses(world, running, values.timeout);
  await retractContext(folder);
  const existed = await folder.exists();
  if (values['delete-data']) await folder.remove();
  const did =
    running.length > 0 ? 'Stopped the cluster' : existed ? 'Nothing ran of the cluster' : 'There is no cluster';
  const data =
    values['delete-data'] && existed
      ? ` Its data in ${folder.path} was removed.`
      : existed
        ? ` Its data stays in ${folder.path}.`
        : '';
  world.write(`${did} "${name}".${data}\n`);
  return 0;
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
  const endMs = world.clock.monotonicMs() + timeoutMs;
  while (isAlive(record)) {
    if (world.clock.monotonicMs() >= endMs) {
      world.writeError(`${record.name} (process ${record.pid}) did not end within ${timeoutMs / 1000} s: killing it\n`);
      send(record, 'SIGKILL');
      break;
    }
    await sleep(world.clock, lookIntervalMs);
  }
}

function send(record: ProcessRecord, signal: NodeJS.Signals): void {
  try {
    process.kill(record.pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
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
  const wasCurrent = (await readKubeconfig(record.userKubeconfig))?.['current-context'] === name;
  await removeFromKubeconfig(record.userKubeconfig, name);
  if (wasCurrent && record.previousContext !== undefined)
    await useContext(record.userKubeconfig, record.previousContext);
  await folder.write({ settings: record.settings });
}
