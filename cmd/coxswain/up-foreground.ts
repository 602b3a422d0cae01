/** `up` in this very process: the cluster lives as long as it does. */

import { descriptorLimit } from '#cmd/common/descriptors.ts';
import { explain } from '#cmd/common/errors.ts';
import { type HealthServer, serveHealth } from '#cmd/common/health-server.ts';
import { heapLimit } from '#cmd/common/heap-limit.ts';
import { storeCompiledCode } from '#cmd/common/load-code.js';
import { returningMemory } from '#cmd/common/memory.ts';
import type { HeldFile } from '#cmd/common/process-files.ts';
import { processMetrics } from '#cmd/common/process-metrics.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { startCluster } from '#pkg/cluster/cluster.ts';
import { componentValues } from '#pkg/cluster/component-flags.ts';
import { addressPort, heldAddresses, kubernetesServiceIp } from '#pkg/cluster/settings.ts';
import { stopMsMaxOf } from '#pkg/cluster/shutdown-flags.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import { HealthChecks } from '#pkg/component/health.ts';
import { createLogger, type LogLevel } from '#pkg/component/logger.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { connectionLimits } from '#pkg/serving/limits.ts';
import { clusterRegistry } from './cluster-registry.ts';
import { openDashboardDoor } from './dashboard-door.ts';
import { retractContext } from './down.ts';
import type { ClusterRecord } from './folder.ts';
import { type ChildReport, tellParent } from './parent-report.ts';
import { runHeld } from './run-held.ts';
import { addonsBeside, printResult, publishKubeconfig, stepsOf, type UpPlan } from './up.ts';

/** Resolves to the exit code once the cluster has stopped: by a signal, or because a part of it failed. */
export async function upForeground(plan: UpPlan): Promise<number> {
  try {
    const kubelet = await componentValues(plan.settings.componentFlags, 'kubelet', clusterTables);
    return await runHeld(plan, {
      name: 'coxswain',
      stopMsMax: stopMsMaxOf(kubelet),
      run: (running, held, signal) =>
        returningMemory({ clock: plan.world.clock, signal }, () => serve(running, held, signal)),
    });
  } catch (error) {
    if (plan.values['report-to-parent']) await tellParent({ type: 'failed', message: explain(error) });
    throw error;
  }
}

async function serve(plan: UpPlan, held: HeldFile, signal: AbortSignal): Promise<void> {
  const { world, values, folder, settings } = plan;
  const steps = stepsOf(plan);
  const report = (message: ChildReport): void => void (values['report-to-parent'] && tellParent(message));
  const trace = (what: string): void => {
    if (values['trace-startup'])
      world.writeError(`${Math.round(world.clock.monotonicMs())} ms since the process began: ${what}\n`);
  };
  const log = createLogger({ write: world.writeError, clock: world.clock, level: values['log-level'] as LogLevel });
  trace('loaded');
  const starting = new HealthChecks();
  starting.set('coxswain', () => 'it is still starting');
  let checks = starting;
  const metrics = new Metrics();
  const health = await holdAddresses(plan, { run: () => checks.run() }, metrics);
  const door = await openDashboardDoor(world, { folder, name: settings.name, onCode: codeTeller(plan) });
  let publishing: Promise<ClusterRecord> | undefined;
  try {
    const cluster = await startCluster({
      metrics,
      processMetrics,
      settings,
      folder: folder.path,
      clock: world.clock,
      random: world.random,
      log,
      signal,
      trace,
      servingLimits: connectionLimits(descriptorLimit()),
      onStep: (doing, done) => {
        steps.begin(doing, done);
        report({ type: 'step', doing, done });
      },
      // While the rest starts.
      onServing: (at) => {
        publishing = publishKubeconfig(plan, { ...at, dashboard: door.address });
        publishing.catch(() => {});
      },
    });
    checks = cluster.health;
    try {
      const record = await publishing;
      await cluster.nodesReady(values.wait, signal);
      // Those who look for the cluster take it for started from here on.
      await held.update({ healthz: health.url });
      trace('nodes ready');
      steps.end();
      if (!signal.aborted) await announce(plan, record, report);
      // Those who wait were told; what takes a moment comes after that.
      storeCompiledCode();
      heapLimit.set();
      await cluster.stopped;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  } catch (error) {
    steps.fail();
    throw error;
  } finally {
    if (await isDone(publishing)) await retractContext(folder);
    await door.close();
    await health.close();
  }
}

/** Who looks at the terminal sees each code of the dashboard, as with `coxswain dashboard`. */
function codeTeller({ world, values }: UpPlan): (code: string) => void {
  if (values['report-to-parent'] || values.output === 'json') return () => {};
  return (code) => world.write(`Code to sign in to the dashboard with your kubeconfig: ${code}\n`);
}

/** Tells who waits for the cluster, and prints what it is. */
async function announce(
  plan: UpPlan,
  record: ClusterRecord | undefined,
  report: (message: ChildReport) => void,
): Promise<void> {
  plan.onReady();
  report({ type: 'ready' });
  if (plan.values['report-to-parent'] || record === undefined) return;
  printResult(plan, record);
  if (plan.values.output !== 'json') plan.world.write('Ctrl-C stops it; its data stays.\n');
  await addonsBeside(plan);
}

/** Whether something was begun and has not failed. */
function isDone(work: Promise<unknown> | undefined): Promise<boolean> {
  return work === undefined
    ? Promise.resolve(false)
    : work.then(
        () => true,
        () => false,
      );
}

/** Answers `/healthz` at the port by which the cluster's addresses are held: another cluster with the same ones cannot start. */
async function holdAddresses(plan: UpPlan, checks: Pick<HealthChecks, 'run'>, metrics: Metrics): Promise<HealthServer> {
  const { settings, folder } = plan;
  try {
    return await serveHealth(checks, addressPort, kubernetesServiceIp(heldAddresses(settings).serviceCidr), {
      metrics,
    });
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    const other = await addressHolder(plan);
    throw new UserError(
      `Cannot use the addresses ${settings.serviceCidr} and ${settings.podCidr} as ${other ?? 'another cluster on this machine'} has them: stop that one first, or give this one others with "coxswain up --renumber --data-dir ${folder.path}"`,
      error,
    );
  }
}

/** The cluster that runs with these addresses, in words; undefined when it is not one of this user. */
async function addressHolder({ world, folder, settings }: UpPlan): Promise<string | undefined> {
  const clusters = await (await clusterRegistry(world)).clusters();
  const other = clusters.find((one) => one.settings.serviceCidr === settings.serviceCidr && one.folder !== folder.path);
  return other === undefined ? undefined : `the cluster "${other.settings.name}" in ${other.folder}`;
}
