/** `coxswain status`: what runs of a cluster, where, and whether it is healthy. Exit code 0 when all of it is. */

import { isStopped, type ProcessRecord, runningProcesses } from '#cmd/common/process-files.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { contextName } from '#pkg/cluster/settings.ts';
import { type FlagTable, helpText, parseFlags } from '#pkg/component/flags.ts';
import type { HealthResult } from '#pkg/component/health.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { ask } from './ask.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder, type ClusterRecord } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import { expectedProcesses, supervisorName } from './process-names.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  output: outputFlag,
} satisfies FlagTable;

/** Longest wait for a process to say how it is. */
const healthTimeoutMs = 3_000;

interface ProcessStatus {
  readonly name: string;
  readonly pid?: number;
  /** `paused`: stopped by a signal, as "coxswain pause" does; `stopped`: there is none. */
  readonly health: 'healthy' | 'paused' | 'stopped' | 'unhealthy';
  /** How often it was started again. Only where each component is a process. */
  readonly restarts?: number;
  /** Why it is not healthy. */
  readonly message?: string;
}

/** Runs the command; resolves to 0 when everything runs and is healthy, else 1. Throws `UserError` where there is no such cluster. */
export async function status(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain status --help")`);
  if (parsed.help) {
    world.write(
      helpText(flags, {
        usage: 'coxswain status [flags]',
        summary: 'Show what runs of a cluster and whether it is healthy.',
      }),
    );
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain status --help")`);
  const { values } = parsed;
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  const running = await runningProcesses(folder.run);
  const processes = await processStatuses(
    running,
    record === undefined ? [] : expectedProcesses(record.settings, running),
  );
  const isRunning = running.length > 0;
  const healthy = isRunning && processes.every((one) => one.health === 'healthy');
  const result = {
    name: record?.settings.name ?? values.name,
    running: isRunning,
    paused: processes.some(({ health: how }) => how === 'paused'),
    healthy,
    dataDir: folder.path,
    ...(isRunning && record !== undefined ? whereItIs(record, folder) : {}),
    processes,
  };
  if (values.output !== '') {
    world.write(await formatted(result, values.output));
    return healthy ? 0 : 1;
  }
  if (!isRunning) {
    world.write(
      record === undefined
        ? `There is no cluster in ${folder.path}.\n`
        : `The cluster "${result.name}" does not run. Its data is in ${folder.path}.\n`,
    );
    return 1;
  }
  world.write(
    `Cluster     ${result.name}\nServer      ${record?.server ?? ''}\nNode ports  at ${record?.settings.nodeAddress ?? ''}\nKubeconfig  ${folder.kubeconfig}\nData        ${folder.path}\n\n`,
  );
  const isApart = processes.some(({ restarts }) => restarts !== undefined);
  const rows = processes.map(({ name, pid, health, restarts, message = '' }) => [
    name,
    pid === undefined ? '-' : String(pid),
    health,
    ...(isApart ? [restarts === undefined ? '-' : String(restarts)] : []),
    message,
  ]);
  const head = ['PROCESS', 'PID', 'HEALTH', ...(isApart ? ['RESTARTS'] : []), ''];
  const layout = new TableLayout().render([head, ...rows]);
  world.write(layout.replaceAll(/ +$/gm, ''));
  return healthy ? 0 : 1;
}

function whereItIs(record: ClusterRecord, folder: ClusterFolder) {
  const { server, dashboard, userKubeconfig, settings } = record;
  return {
    server,
    ...(dashboard === undefined ? {} : { dashboard }),
    kubeconfig: folder.kubeconfig,
    mergedInto: userKubeconfig,
    context: contextName(settings),
    nodeAddress: settings.nodeAddress,
  };
}

/** One line per component: a process that holds several reports each of them. */
async function processStatuses(
  running: readonly ProcessRecord[],
  expected: readonly string[],
): Promise<readonly ProcessStatus[]> {
  const found = (await Promise.all(running.map(statusOf))).flat();
  const missing = expected.filter((name) => !found.some((one) => one.name === name));
  const all = [...found, ...missing.map(stopped)];
  const lookedAfter = running.find(({ name }) => name === supervisorName)?.looksAfter;
  if (lookedAfter === undefined) return all;
  return all.map((one) => {
    const { restarts, lastEnd, problem } = lookedAfter[one.name] ?? {};
    if (restarts === undefined) return one;
    const message = one.message ?? problem ?? (restarts > 0 ? `it has ended ${lastEnd} before` : undefined);
    return { ...one, restarts, ...(message === undefined ? {} : { message }) };
  });
}

function stopped(name: string): ProcessStatus {
  if (name !== supervisorName) return { name, health: 'stopped' };
  return { name, health: 'stopped', message: 'nothing starts again what ends: "coxswain up" starts it' };
}

async function statusOf(record: ProcessRecord): Promise<readonly ProcessStatus[]> {
  const whole = (health: ProcessStatus['health'], message?: string): readonly ProcessStatus[] => [
    { name: record.name, pid: record.pid, health, ...(message === undefined ? {} : { message }) },
  ];
  if (isStopped(record.pid)) return whole('paused', '"coxswain unpause" lets it go on');
  if (record.healthz === undefined) return whole('unhealthy', 'it is still starting');
  let results: readonly HealthResult[];
  try {
    const answer = await ask(`${record.healthz}/healthz?format=json`, AbortSignal.timeout(healthTimeoutMs));
    results = JSON.parse(answer) as readonly HealthResult[];
  } catch (error) {
    return whole('unhealthy', `it does not answer: ${errorText(error)}`);
  }
  const one = ({ name, problem }: HealthResult): ProcessStatus => ({
    name,
    pid: record.pid,
    health: problem === undefined ? 'healthy' : 'unhealthy',
    ...(problem === undefined ? {} : { message: problem }),
  });
  if (record.name === 'coxswain') return results.map(one);
  const problem = results.find((result) => result.problem !== undefined)?.problem;
  return problem === undefined ? whole('healthy') : whole('unhealthy', problem);
}
