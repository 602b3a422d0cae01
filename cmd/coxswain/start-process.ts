/** Starts one process of a cluster whose components run apart: in a session of its own, with its output in its log. */
import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serverNodeFlags } from '#cmd/common/node-flags.js';
import { isAlive, type ProcessRecord, readProcessFile, stateOf } from '#cmd/common/process-files.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ClusterFolder } from './folder.ts';
import { lastWords } from './last-words.ts';
import type { ProcessPlan } from './process-names.ts';
import type { Running } from './supervisor.ts';
import type { World } from './world.ts';

const lookIntervalMs = 25;
/** Between two looks at a process that somebody else has started, whose end nobody tells. */
const watchIntervalMs = 500;
/** Longest wait for a process to answer for the first time: one that hangs. On a processor that is emulated one takes half a minute. */
const startMsMax = 60_000;

/** Where it starts. */
export interface StartPlace {
  readonly world: Pick<World, 'clock' | 'rootFolder'>;
  readonly folder: ClusterFolder;
}

/** Starts it, unless somebody has already, and resolves once it says where it answers. When it does not, or `signal` is aborted before, nothing is left. */
export async function startProcess(place: StartPlace, plan: ProcessPlan, signal: AbortSignal): Promise<Running> {
  const { world, folder } = place;
  const { name } = plan;
  const there = await readProcessFile(folder.processFile(name));
  if (there?.healthz !== undefined && isAlive(there)) return foundProcess(world.clock, there);
  const log = await open(folder.logFile(name), 'a', 0o600);
  try {
    const logStart = (await log.stat()).size;
    const main = join(world.rootFolder, 'cmd', plan.folder, import.meta.url.endsWith('.ts') ? 'main.ts' : 'main.js');
    const runner = fileURLToPath(new URL('../common/run-process.js', import.meta.url));
    const args = [runner, main, '--config', join(folder.conf, `${name}.yaml`)];
    const child = spawn(process.execPath, [...serverNodeFlags(), ...args], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const ended = endOf(child);
    try {
      await hasStarted(place, { name, child, logStart, signal });
    } catch (error) {
      // It may not have said yet that it runs, by which others would find it.
      child.kill();
      await ended;
      throw error;
    }
    return { name, ended };
  } finally {
    await log.close();
  }
}

/** A process that was started by somebody else. */
export function foundProcess(clock: Clock, record: ProcessRecord): Running {
  const ended = (async () => {
    while (stateOf(record) !== 'gone') await sleep(clock, watchIntervalMs);
    return 'in a way that nobody saw';
  })();
  return { name: record.name, ended };
}

/** How it ended, in words. Never rejects. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (code, killer) =>
      resolve(killer === null ? `with exit code ${code}` : `by the signal ${killer}`),
    );
    child.once('error', (error) => resolve(`before it began: ${error.message}`));
  });
}

interface Starting {
  readonly name: string;
  readonly child: ChildProcess;
  readonly logStart: number;
  readonly signal: AbortSignal;
}

/** Resolves once the process says where it answers. */
async function hasStarted({ world, folder }: StartPlace, { name, child, logStart, signal }: Starting): Promise<void> {
  let ended = false;
  for (const event of ['exit', 'error'] as const)
    child.once(event, () => {
      ended = true;
    });
  const endMs = world.clock.monotonicMs() + startMsMax;
  for (;;) {
    const record = await readProcessFile(folder.processFile(name));
    if (record !== undefined && record.pid === child.pid && record.healthz !== undefined && isAlive(record)) return;
    if (ended) throw new UserError(await lastWords(folder.logFile(name), logStart, name));
    signal.throwIfAborted();
    if (world.clock.monotonicMs() >= endMs)
      throw new UserError(`${name} did not start within ${startMsMax / 1000} s: see ${folder.logFile(name)}`);
    await sleep(world.clock, lookIntervalMs, signal);
  }
}
