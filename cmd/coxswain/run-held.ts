/**
 * A cluster that this process runs, or whose processes it looks after: its folder is held as long, so that nobody else does, and a signal ends it.
 */
import process from 'node:process';
import { HeldError, type HeldFile, holdProcessFile, processIdentity } from '#cmd/common/process-files.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { UpPlan } from './up.ts';

/** What runs while the folder is held: `run` settles once all of it has stopped, and is told to stop by its signal. */
export interface HeldRun {
  /** The process's name in the folder. */
  readonly name: string;
  /** Longest wait for everything to stop, in milliseconds. Default: that of `runUntilSignal`. */
  readonly stopMsMax?: number;
  run(plan: UpPlan, held: HeldFile, signal: AbortSignal): Promise<void>;
}

/** Resolves to the exit code. Throws what `run` does, and when it was interrupted before it was ready, or the folder is another's. */
export async function runHeld(plan: UpPlan, { name, stopMsMax, run }: HeldRun): Promise<number> {
  const { world, values } = plan;
  const held = await hold(plan, name);
  let ports: { readonly close: () => Promise<void> } | undefined;
  let wasReady = false;
  const onReady = (): void => {
    wasReady = true;
    plan.onReady();
  };
  try {
    plan.interrupted.throwIfAborted();
    ports = await portMappingsOf(plan);
    await runUntilSignal(
      {
        signals: process,
        clock: world.clock,
        forceExit: (code) => process.exit(code),
        onStopping: () => world.writeError(values['report-to-parent'] ? '' : '\nStopping …\n'),
        ...(stopMsMax === undefined ? {} : { stopMsMax }),
      },
      (signal) => run({ ...plan, onReady }, held, signal),
    );
  } finally {
    await ports?.close();
    await held.release();
  }
  if (!wasReady) plan.interrupted.throwIfAborted();
  return 0;
}

/** Undefined where no port is mapped. */
async function portMappingsOf({ world, settings }: UpPlan) {
  if (settings.nodeSpecs?.some(({ extraPortMappings = [] }) => extraPortMappings.length > 0) !== true) return undefined;
  return (await import('./port-mappings.ts')).openPortMappings(settings, world.clock);
}

async function hold({ world, folder }: UpPlan, name: string): Promise<HeldFile> {
  const record = {
    name,
    pid: process.pid,
    identity: processIdentity(process.pid),
    startedAt: formatTimestamp(world.clock.nowMs()),
  };
  try {
    return await holdProcessFile(folder.processFile(name), record);
  } catch (error) {
    if (!(error instanceof HeldError)) throw error;
    throw new UserError(
      `Cannot use ${folder.path} as process ${error.holder.pid} holds it: stop it, or name another folder with --data-dir`,
      error,
    );
  }
}
