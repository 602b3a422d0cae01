/**
 * `up --processes`: each component as a process of its own, with its configuration in `conf/` and its output in `logs/`. Nothing restarts
 * one that ended: `status` shows it, and `up` run again, or its own main with its configuration, starts it anew.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverNodeFlags } from '#cmd/common/node-flags.ts';
import { isAlive, type ProcessRecord, readProcessFile, runningProcesses } from '#cmd/common/process-files.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { componentFields } from '#pkg/cluster/component-flags.ts';
import { identitiesOf } from '#pkg/cluster/components.ts';
import { kubeconfigOf, makeFolder, writeKubeconfig } from '#pkg/cluster/kubeconfig.ts';
import { ensurePki, type Pki } from '#pkg/cluster/pki.ts';
import { contextName, kubernetesServiceIp, nodeNames, processNodesMax } from '#pkg/cluster/settings.ts';
import { checkTables, clusterTables } from '#pkg/cluster/tables.ts';
import { fieldOf } from '#pkg/component/flags.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { retractContext, stopProcesses } from './down.ts';
import { lastWords } from './last-words.ts';
import { type ProcessPlan, processPlans } from './process-names.ts';
import { findFlags, printResult, publishKubeconfig, stepsOf, type UpPlan } from './up.ts';

/** What the processes are made of. */
const tables = clusterTables;
const lookIntervalMs = 25;
/** Longest wait for a process to answer for the first time. */
const startMsMax = 20_000;
const stopMsMax = 30_000;

export async function upProcesses(plan: UpPlan, running: readonly ProcessRecord[]): Promise<number> {
  const { world, folder, settings, values } = plan;
  if (settings.nodes > processNodesMax) {
    throw new UserError(
      `Cannot run ${settings.nodes} nodes as processes, one for each kubelet: at most ${processNodesMax}; one process for all, without --processes, takes more`,
    );
  }
  checkTables(tables);
  const steps = stepsOf(plan);
  const missing = processPlans(settings, tables.components).filter(
    ({ name }) => !running.some((one) => one.name === name),
  );
  if (missing.length === 0) {
    if (values.output === 'json' && plan.before !== undefined) printResult(plan, plan.before);
    else
      world.write(
        `The cluster "${settings.name}" already runs as ${running.length} processes at ${plan.before?.server ?? ''}.\n`,
      );
    return 0;
  }
  try {
    steps.begin('Preparing keys, certificates and configuration', 'Prepared keys, certificates and configuration');
    const hosts = [kubernetesServiceIp(settings.serviceCidr), ...nodeNames(settings)];
    const pki = await ensurePki({ folder: folder.pki, clock: world.clock, nodeNames: nodeNames(settings), hosts });
    const server = `https://127.0.0.1:${settings.apiPort}`;
    await writeConfigurations(plan, pki, server);
    await startProcesses(plan, missing, (doing, done) => steps.begin(doing, done));
    const record = await publishKubeconfig(plan, { server, pki });
    steps.begin('Waiting for the nodes', 'All nodes are ready');
    await nodesReady(plan, pki, server);
    steps.end();
    plan.onReady();
    printResult(plan, record);
  } catch (error) {
    steps.fail();
    const started = (await runningProcesses(folder.run)).filter((one) => missing.some(({ name }) => name === one.name));
    await stopProcesses(world, started, stopMsMax);
    if (running.length === 0) await retractContext(folder);
    throw error;
  }
  if (values.detach || running.length > 0) return 0;
  return stay(plan);
}

/** Waits for Ctrl-C, says which processes end meanwhile, and then stops the rest. */
async function stay(plan: UpPlan): Promise<number> {
  const { world, folder, settings } = plan;
  world.write('Ctrl-C stops all of them; their data stays.\n');
  await runUntilSignal(
    {
      signals: process,
      clock: world.clock,
      forceExit: (code) => process.exit(code),
      onStopping: () => world.writeError('\nStopping …\n'),
      stopMsMax: stopMsMax * 3,
    },
    async (signal) => {
      const told = new Set<string>();
      while (await sleep(world.clock, 500, signal)) {
        const alive = new Set((await runningProcesses(folder.run)).map((one) => one.name));
        if (alive.size === 0) break;
        for (const { name, folder: part } of processPlans(settings, tables.components)) {
          if (alive.has(name)) told.delete(name);
          else if (!told.has(name)) {
            told.add(name);
            world.writeError(
              `${name} has ended (see ${folder.logFile(name)}); start it again with "coxswain up${findFlags(plan)}", or with ${commandLine(plan, { folder: part, name })}\n`,
            );
          }
        }
      }
    },
  );
  await stopProcesses(world, await runningProcesses(folder.run), stopMsMax);
  await retractContext(folder);
  return 0;
}

function commandLine(plan: UpPlan, { folder: part, name }: { readonly folder: string; readonly name: string }): string {
  return `"node cmd/${part}/main.ts --config ${join(plan.folder.conf, `${name}.yaml`)}"`;
}

async function writeConfigurations(plan: UpPlan, pki: Pki, server: string): Promise<void> {
  const { folder, settings, values } = plan;
  await makeFolder(folder.conf);
  await makeFolder(folder.logs);
  for (const { component, name, nodeName = '' } of processPlans(settings, tables.components)) {
    const entry = tables.components[component]!;
    const [identity] = identitiesOf(entry, [nodeName]);
    const kubeconfig = join(folder.conf, `${name}.kubeconfig`);
    if (identity !== undefined) {
      const authority = pki.authority.certificate;
      const client = pki.identities.get(identity)!;
      const connection = { name: contextName(settings), server, authority, client };
      await writeKubeconfig(kubeconfig, kubeconfigOf(connection));
    }
    const flags = {
      ...entry.flags({ settings, folder: folder.path, pki: folder.pki, kubeconfig, nodeName, tables }),
      ...(await componentFields(settings.componentFlags, component, tables)),
      'process-file': folder.processFile(name),
      'log-level': values['log-level'] === 'warn' ? 'info' : values['log-level'],
    };
    const lines = Object.entries(flags).map(([flag, value]) => `${fieldOf(flag)}: ${JSON.stringify(value)}\n`);
    await writeFile(join(folder.conf, `${name}.yaml`), lines.join(''), { mode: 0o600 });
  }
}

/** The API server first, then all others side by side. */
async function startProcesses(
  plan: UpPlan,
  missing: readonly ProcessPlan[],
  onStep: (doing: string, done: string) => void,
): Promise<void> {
  const server = missing.filter(({ name }) => name === 'kube-apiserver');
  const others = missing.filter(({ name }) => name !== 'kube-apiserver');
  for (const group of [server, others]) {
    if (group.length === 0) continue;
    plan.interrupted.throwIfAborted();
    const names = group.map(({ name }) => name).join(', ');
    onStep(`Starting ${names}`, `Started ${names}`);
    const results = await Promise.allSettled(group.map((one) => startProcess(plan, one)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}

/** Starts one process and waits until it says where it answers. */
async function startProcess(plan: UpPlan, { folder: part, name }: ProcessPlan): Promise<void> {
  const { world, folder } = plan;
  const log = await open(folder.logFile(name), 'a', 0o600);
  try {
    const logStart = (await log.stat()).size;
    const main = join(world.rootFolder, 'cmd', part, import.meta.url.endsWith('.ts') ? 'main.ts' : 'main.js');
    const child = spawn(process.execPath, [...serverNodeFlags(), main, '--config', join(folder.conf, `${name}.yaml`)], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const ended = new Promise<void>((resolve) => {
      child.once('exit', resolve);
      child.once('error', () => resolve());
    });
    child.unref();
    try {
      await hasStarted(plan, { name, child, logStart });
    } catch (error) {
      // It may not have said yet that it runs, by which others would find it.
      child.ref();
      child.kill();
      await ended;
      throw error;
    }
  } finally {
    await log.close();
  }
}

/** Resolves once a process says where it answers. */
async function hasStarted(
  { world, folder, interrupted }: UpPlan,
  { name, child, logStart }: { readonly name: string; readonly child: ChildProcess; readonly logStart: number },
): Promise<void> {
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.once('error', () => {
    ended = true;
  });
  const endMs = world.clock.monotonicMs() + startMsMax;
  for (;;) {
    const record = await readProcessFile(folder.processFile(name));
    if (record !== undefined && record.pid === child.pid && record.healthz !== undefined && isAlive(record)) return;
    if (ended) throw new UserError(await lastWords(folder.logFile(name), logStart, name));
    interrupted.throwIfAborted();
    if (world.clock.monotonicMs() >= endMs)
      throw new UserError(`${name} did not start within ${startMsMax / 1000} s: see ${folder.logFile(name)}`);
    await sleep(world.clock, lookIntervalMs, interrupted);
  }
}

async function nodesReady(plan: UpPlan, pki: Pki, server: string): Promise<void> {
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
        const ready = new Set(
          items.filter((node) => isConditionTrue(node.status?.conditions, 'Ready')).map((node) => node.metadata?.name),
        );
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
