/**
 * `up --processes`: each component as a process of its own, with its configuration in `conf/` and its output in `logs/`. The process of `up`, or
 * with `--detach` one behind the terminal, starts again what ends (`supervisor.ts`) and stops everything when it is told to; `up` run again
 * while it lives waits for what is missing, and takes its place where it was killed.
 */

import { explain } from '#cmd/common/errors.ts';
import { serveHealth } from '#cmd/common/health-server.ts';
import { type HeldFile, type ProcessRecord, runningProcesses } from '#cmd/common/process-files.ts';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { aborted, childSignal, sleep } from '#pkg/base/async.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { ensurePki, type Pki } from '#pkg/cluster/pki.ts';
import { apiServerHost, kubernetesServiceIp, nodeNames, processNodesMax } from '#pkg/cluster/settings.ts';
import { checkTables, clusterTables } from '#pkg/cluster/tables.ts';
import { HealthChecks } from '#pkg/component/health.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { retractContext, stopProcesses } from './down.ts';
import type { ClusterRecord } from './folder.ts';
import { tellParent } from './parent-report.ts';
import { writeConfigurations } from './process-conf.ts';
import { type ProcessPlan, processPlans, supervisorName } from './process-names.ts';
import { runHeld } from './run-held.ts';
import { foundProcess, startProcess } from './start-process.ts';
import { type Running, Supervisor } from './supervisor.ts';
import { addonsBeside, enableAddons, printResult, publishKubeconfig, stepsOf, type UpPlan } from './up.ts';

/** What the processes are made of. */
const tables = clusterTables;
const lookIntervalMs = 25;
const stopMsMax = 30_000;

/**
 * Starts what does not run yet; resolves to the exit code, with `--detach` once the nodes are Ready, else once everything has stopped. Throws
 * `UserError` for more nodes than there can be processes.
 */
export async function upProcesses(plan: UpPlan, running: readonly ProcessRecord[]): Promise<number> {
  const { settings } = plan;
  if (settings.nodes > processNodesMax) {
    throw new UserError(
      `Cannot run ${settings.nodes} nodes as processes, one for each kubelet: at most ${processNodesMax}; one process for all, without --processes, takes more`,
    );
  }
  checkTables(tables);
  const supervisor = running.find(({ name }) => name === supervisorName);
  if (supervisor !== undefined) return joinSupervised(plan, supervisor, running);
  try {
    return await superviseHere(plan, running);
  } catch (error) {
    if (plan.values['report-to-parent']) await tellParent({ type: 'failed', message: explain(error) });
    throw error;
  }
}

/** What is missing of a cluster that somebody looks after is started by them, at once; this waits for it. */
async function joinSupervised(
  plan: UpPlan,
  supervisor: ProcessRecord,
  running: readonly ProcessRecord[],
): Promise<number> {
  const { world, folder, settings, values, before } = plan;
  const plans = processPlans(settings, tables.components);
  const missing = plans.filter(({ name }) => !running.some((one) => one.name === name));
  if (missing.length === 0 || before?.server === undefined) {
    if (values.output === 'json' && before !== undefined) printResult(plan, before);
    else
      world.write(
        `The cluster "${settings.name}" already runs as ${running.length} processes at ${before?.server ?? ''}.\n`,
      );
    return 0;
  }
  const steps = stepsOf(plan);
  const names = missing.map(({ name }) => name).join(', ');
  const anew = kubeletsAnew(plan, missing);
  steps.begin(`Starting ${names}`, `Started ${names}`);
  process.kill(supervisor.pid, 'SIGUSR2');
  const endMs = world.clock.monotonicMs() + values.wait;
  for (;;) {
    const alive = await runningProcesses(folder.run);
    const waiting = missing.filter(({ name }) => !alive.some((one) => one.name === name && one.healthz !== undefined));
    if (waiting.length === 0) break;
    if (world.clock.monotonicMs() >= endMs) {
      const [{ name }] = waiting as [ProcessPlan];
      const why = alive.find((one) => one.name === supervisorName)?.looksAfter?.[name]?.problem;
      steps.fail();
      throw new UserError(
        `Cannot start ${name} within ${values.wait / 1000} s: ${why ?? `see ${folder.logFile(name)}`}`,
      );
    }
    plan.interrupted.throwIfAborted();
    await sleep(world.clock, lookIntervalMs, plan.interrupted);
  }
  steps.begin('Waiting for the nodes', 'All nodes are ready');
  const hosts = [kubernetesServiceIp(settings.serviceCidr), apiServerHost(settings), ...nodeNames(settings)];
  const pki = await ensurePki({ folder: folder.pki, clock: world.clock, nodeNames: nodeNames(settings), hosts });
  await nodesReady(plan, { pki, server: before.server, anew });
  steps.end();
  plan.onReady();
  printResult(plan, before);
  await enableAddons(plan);
  return 0;
}

/** Starts what is missing, and looks after all of it until this process is told to stop; then everything stops. */
async function superviseHere(plan: UpPlan, running: readonly ProcessRecord[]): Promise<number> {
  return runHeld(plan, {
    name: supervisorName,
    stopMsMax: stopMsMax * 3,
    run: (supervised, held, signal) => startAndKeep(supervised, { running, held, signal }),
  });
}

interface Keeping {
  /** What runs already. */
  readonly running: readonly ProcessRecord[];
  readonly held: HeldFile;
  readonly signal: AbortSignal;
}

async function startAndKeep(plan: UpPlan, { running, held, signal }: Keeping): Promise<void> {
  const { world, folder, settings, values } = plan;
  const plans = processPlans(settings, tables.components);
  const missing = plans.filter(({ name }) => !running.some((one) => one.name === name));
  const { controller: keeping, dispose } = childSignal(signal);
  const supervisor = supervisorOf(plan, held);
  const again = (): void => supervisor.again();
  process.on('SIGUSR2', again);
  const checks = new HealthChecks();
  checks.set(supervisorName, () => supervisor.problem);
  const health = await serveHealth(checks, 0);
  let kept = Promise.resolve();
  let isReady = false;
  try {
    const { step, end } = stepsFor(plan);
    try {
      step('Preparing keys, certificates and configuration', 'Prepared keys, certificates and configuration');
      const hosts = [kubernetesServiceIp(settings.serviceCidr), apiServerHost(settings), ...nodeNames(settings)];
      const pki = await ensurePki({ folder: folder.pki, clock: world.clock, nodeNames: nodeNames(settings), hosts });
      const server = `https://${apiServerHost(settings)}:${settings.apiPort}`;
      const logLevel = values['log-level'] === 'warn' ? 'info' : values['log-level'];
      await tables.networks[settings.network]?.kernel?.prepare(settings);
      await writeConfigurations({ folder, settings, logLevel, pki, server, tables });
      const anew = kubeletsAnew(plan, missing);
      const started = await startProcesses(plan, missing, step);
      const found = running.map((record) => foundProcess(world.clock, record));
      kept = supervisor.run([...found, ...started], keeping.signal);
      const record = await publishKubeconfig(plan, { server, pki });
      step('Waiting for the nodes', 'All nodes are ready');
      await nodesReady(plan, { pki, server, anew });
      // Those who look for the cluster take it for started from here on.
      await held.update({ healthz: health.url });
      isReady = true;
      end(true);
      await announce(plan, record);
    } catch (error) {
      end(false);
      throw error;
    }
    await aborted(signal);
  } finally {
    keeping.abort();
    await kept;
    dispose();
    process.off('SIGUSR2', again);
    await health.close();
    const left = (await runningProcesses(folder.run)).filter(({ name }) => name !== supervisorName);
    const own = isReady ? left : left.filter((one) => missing.some(({ name }) => name === one.name));
    await stopProcesses(world, own, stopMsMax);
    if (isReady || running.length === 0) await retractContext(folder);
  }
}

/** Tells who waits for the cluster, and prints what it is. */
async function announce(plan: UpPlan, record: ClusterRecord): Promise<void> {
  plan.onReady();
  if (plan.values['report-to-parent']) {
    void tellParent({ type: 'ready' });
    return;
  }
  printResult(plan, record);
  plan.world.write('Ctrl-C stops all of them; their data stays.\n');
  await addonsBeside(plan);
}

/** Steps for the terminal, or for the process that waits behind it. */
function stepsFor(plan: UpPlan) {
  const steps = stepsOf(plan);
  return {
    step(doing: string, done: string): void {
      steps.begin(doing, done);
      if (plan.values['report-to-parent']) void tellParent({ type: 'step', doing, done });
    },
    end(succeeded: boolean): void {
      if (succeeded) steps.end();
      else steps.fail();
    },
  };
}

function supervisorOf(plan: UpPlan, held: HeldFile): Supervisor {
  const { world, settings, values } = plan;
  const { clock } = world;
  // In a log a line has its time.
  const prefix = (): string => (values['report-to-parent'] ? `${formatTimestamp(clock.nowMs())} ` : '');
  const byName = new Map(processPlans(settings, tables.components).map((one) => [one.name, one]));
  return new Supervisor({
    clock,
    start: (name, signal) => startProcess(plan, byName.get(name)!, signal),
    say: (line) => world.writeError(`${prefix()}${line}\n`),
    onChange: (looksAfter) => {
      // A disk that is full must not end this.
      held.update({ looksAfter: { ...looksAfter } }).catch(() => {});
    },
  });
}

/** The API server first, then all others side by side. */
async function startProcesses(
  plan: UpPlan,
  missing: readonly ProcessPlan[],
  onStep: (doing: string, done: string) => void,
): Promise<readonly Running[]> {
  const running: Running[] = [];
  const server = missing.filter(({ component }) => component === 'kube-apiserver');
  const others = missing.filter(({ component }) => component !== 'kube-apiserver');
  for (const group of [server, others]) {
    if (group.length === 0) continue;
    plan.interrupted.throwIfAborted();
    const names = group.map(({ name }) => name).join(', ');
    onStep(`Starting ${names}`, `Started ${names}`);
    const results = await Promise.allSettled(group.map((one) => startProcess(plan, one, plan.interrupted)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    for (const result of results) if (result.status === 'fulfilled') running.push(result.value);
  }
  return running;
}

/** The kubelets that are started from now on. */
interface KubeletsAnew {
  readonly nodeNames: ReadonlySet<string | undefined>;
  /** In RFC 3339, whole seconds. */
  readonly since: string;
}

function kubeletsAnew({ world }: UpPlan, missing: readonly ProcessPlan[]): KubeletsAnew {
  return {
    nodeNames: new Set(missing.map(({ nodeName }) => nodeName)),
    since: formatTimestamp(world.clock.nowMs()),
  };
}

interface NodesWanted {
  readonly pki: Pki;
  readonly server: string;
  readonly anew: KubeletsAnew;
}

/** Waits until every node is Ready, and its kubelet has said so itself: what one before it has said may still be there, and the port where that one listened. */
async function nodesReady(plan: UpPlan, { pki, server, anew }: NodesWanted): Promise<void> {
  const { world, settings, values } = plan;
  const admin = pki.identities.get('admin')!;
  const transport = networkTransport({
    server,
    ca: pki.authority.certificate,
    cert: admin.certificate,
    key: admin.key,
  });
  try {
    const client = createClient({ transport, userAgent: 'coxswain' }).resource(nodes);
    const endMs = world.clock.monotonicMs() + values.wait;
    for (;;) {
      let waiting = nodeNames(settings);
      try {
        const { items } = await client.list();
        const ready = new Set(items.filter((node) => isReadyNow(node, anew)).map((node) => node.metadata?.name));
        waiting = waiting.filter((name) => !ready.has(name));
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
      }
      if (waiting.length === 0) return;
      plan.interrupted.throwIfAborted();
      if (world.clock.monotonicMs() >= endMs)
        throw new UserError(
          `Cannot bring up the cluster as ${waiting.join(', ')} did not become ready within ${values.wait / 1000} s`,
        );
      await sleep(world.clock, lookIntervalMs, plan.interrupted);
    }
  } finally {
    await transport.close();
  }
}

function isReadyNow({ metadata, status }: Node, { nodeNames, since }: KubeletsAnew): boolean {
  const ready = findCondition(status?.conditions, 'Ready');
  if (ready?.status !== 'True') return false;
  return !nodeNames.has(metadata?.name) || (ready.lastHeartbeatTime ?? '') >= since;
}
