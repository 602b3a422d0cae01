/**
 * `coxswain pause` and `coxswain unpause`: a cluster that stands still and goes on where it was. The system stops all of its processes with the programs of its
 * pods, so that it takes no processor, while memory, ports and open connections stay as they are.
 *
 * Laws:
 * 1. Once `pause` has returned nothing of the cluster runs, and once `unpause` has, all of it does. Done again they change nothing.
 * 2. Nobody takes a cluster that is paused for one that is broken: `status` and `list` say what it is, `up` refuses it, `down` lets it go on to end it.
 * 3. Time goes on meanwhile. What was due is done at once afterwards, and a lease that only a paused process renews has run out for those outside; nodes are not
 *    said to be silent for it (`pkg/controllers/nodelifecycle`).
 */
import { type ProcessRecord, runningProcesses } from '#cmd/common/process-files.ts';
import { runtimesOf } from '#pkg/cluster/runtimes.ts';
import { type FlagTable, helpText, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { type ClusterProcesses, continueAll, isPaused, stopAll } from './cluster-processes.ts';
import { ClusterFolder, type ClusterRecord } from './folder.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = { ...clusterFlags } satisfies FlagTable;

/** Stops all processes of a cluster; resolves to its exit code. Throws `UserError` where none runs, or some cannot be stopped. */
export function pause(world: World, args: readonly string[]): Promise<number> {
  return change(world, args, {
    verb: 'pause',
    summary: 'Stop all processes of a cluster where they are.',
    async act(processes, name) {
      const was = isPaused(processes.running);
      checkPausable(processes.record, processes.running);
      await stopAll(processes);
      world.write(
        was
          ? `The cluster "${name}" is paused.\n`
          : `Paused the cluster "${name}": "coxswain unpause" lets it go on.\n`,
      );
    },
  });
}

/** Lets all of them go on; resolves to its exit code. Throws `UserError` where none runs. */
export function unpause(world: World, args: readonly string[]): Promise<number> {
  return change(world, args, {
    verb: 'unpause',
    summary: 'Let a cluster that is paused go on.',
    async act(processes, name) {
      const was = isPaused(processes.running);
      await continueAll(processes);
      world.write(was ? `The cluster "${name}" goes on.\n` : `The cluster "${name}" is not paused.\n`);
    },
  });
}

interface Change {
  readonly verb: 'pause' | 'unpause';
  readonly summary: string;
  act(processes: ClusterProcesses, name: string): Promise<void>;
}

async function change(world: World, args: readonly string[], { verb, summary, act }: Change): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain ${verb} --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: `coxswain ${verb} [flags]`, summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} (see "coxswain ${verb} --help")`);
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  const running = await runningProcesses(folder.run);
  const name = record?.settings.name ?? values.name;
  if (running.length === 0) throw new UserError(`Cannot ${verb} the cluster "${name}" as it does not run`);
  await act({ world, folder, record, running }, name);
  return 0;
}

/** Refuses what would be stopped half. */
function checkPausable(record: ClusterRecord | undefined, running: readonly ProcessRecord[]): void {
  const starting = running.find(({ healthz }) => healthz === undefined);
  if (starting !== undefined)
    throw new UserError(
      `Cannot pause the cluster as ${starting.name} is still starting: wait until "coxswain status" says that it is healthy`,
    );
  if (runtimesOf(record?.settings.runtime ?? '').includes('cri'))
    throw new UserError(
      'Cannot pause the cluster as its containers are those of another container runtime, which goes on',
    );
}
