/** `up --detach`: starts this program again behind the terminal, shows its progress and returns once it is ready. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { stopSignals } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { takeAhead } from './ahead.js';
import { lastWords } from './last-words.ts';
import type { ChildReport } from './parent-report.ts';
import { enableAddons, printResult, stepsOf, type UpPlan } from './up.ts';

/** Resolves to the exit code once the cluster is ready behind the terminal, or has said why it cannot be; its output goes to a log in the folder. */
export async function upDetached(plan: UpPlan): Promise<number> {
  const { folder } = plan;
  const steps = stepsOf(plan);
  await makeFolder(folder.logs);
  const logPath = folder.logFile('coxswain');
  const log = await open(logPath, 'a', 0o600);
  const logStart = (await log.stat()).size;
  let outcome: ChildReport;
  try {
    outcome = await startChild(plan, logPath, (report) => steps.begin(report.doing, report.done));
  } finally {
    await log.close();
  }
  if (outcome.type === 'failed') {
    steps.fail();
    throw new UserError(outcome.message === '' ? await lastWords(logPath, logStart, 'coxswain') : outcome.message);
  }
  plan.onReady();
  steps.end();
  const record = await folder.read();
  if (record === undefined)
    throw new UserError(`The cluster has no record in ${join(folder.path, 'cluster.json')}: see ${logPath}`);
  printResult(plan, record);
  await enableAddons(plan);
  return 0;
}

function startChild(
  plan: UpPlan,
  logPath: string,
  onStep: (step: Extract<ChildReport, { type: 'step' }>) => void,
): Promise<ChildReport> {
  plan.interrupted.throwIfAborted();
  // In JavaScript, other than the main module of a checkout: no types have to be taken out before it can look for the bundle.
  const child = takeAhead(join(plan.world.rootFolder, 'cmd/coxswain/bin.js'), plan.args);
  // Started ahead, it may be one that was not to be, or is no more.
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    throw new UserError(`Cannot start ${process.execPath}: it did not run, or ended at once`);
  child.send({ log: logPath }, () => {});
  return new Promise((resolve) => {
    let interrupted = false;
    let failed: ChildReport | undefined;
    const interrupt = (): void => {
      interrupted = true;
      child.kill('SIGTERM');
    };
    const settle = (report: ChildReport): void => {
      for (const signal of stopSignals) process.off(signal, interrupt);
      resolve(report);
    };
    for (const signal of stopSignals) process.on(signal, interrupt);
    child.on('message', (message: ChildReport) => {
      if (message.type === 'step') onStep(message);
      else if (message.type === 'ready') {
        if (interrupted) return;
        child.disconnect();
        child.unref();
        settle(message);
      } else {
        // It has stopped what it began, and ends: nothing of it is left when this resolves.
        failed = message;
        if (child.connected) child.disconnect();
      }
    });
    child.on('error', (error) =>
      settle({ type: 'failed', message: `Cannot start ${process.execPath}: ${error.message}` }),
    );
    child.on('exit', () =>
      settle(failed ?? { type: 'failed', message: interrupted ? 'Stopped before the cluster was ready' : '' }),
    );
  });
}
