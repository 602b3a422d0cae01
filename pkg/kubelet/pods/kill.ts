/** Ending containers: preStop hook, then the runtime's graceful stop, within one grace period. */
import type { Container, LifecycleHandler, Pod } from '#pkg/api/types/core-v1.ts';
import { sleep } from '#pkg/base/async.ts';
import { type ContainerView, containerFieldPath, podDescription } from '../model/pod-view.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { HookError, runHook } from './hooks.ts';
import type { PodContext } from './pod-context.ts';

/** What a container gets to end at least, after a preStop hook that took all of its time. Source: `minimumGracePeriodInSeconds`. */
const stopMsMin = 2_000;

/** Which container is ended, and how fast. */
export interface KillOptions {
  readonly context: PodContext;
  readonly pod: Pod;
  readonly container: Container | undefined;
  readonly view: ContainerView;
  readonly runtime: Runtime;
  readonly podIp: string;
  readonly message: string;
  readonly graceMs: number;
  /** Aborted when the grace period was cut short: ends the preStop hook. */
  readonly hurry: AbortSignal;
}

/** Records `Killing`, runs the hook and stops the container; resolves once it has exited. Throws `KubeletStoppingError`. */
export async function killContainer(options: KillOptions): Promise<void> {
  const { context, pod, view, runtime, graceMs } = options;
  const fieldPath = containerFieldPath(pod, view.name);
  context.recorder.record(pod, { type: 'Normal', reason: 'Killing', message: options.message, fieldPath });
  const startMs = context.clock.monotonicMs();
  const hook = options.container?.lifecycle?.preStop;
  if (hook !== undefined && graceMs > 0) await preStop(options, hook, fieldPath);
  const usedMs = context.clock.monotonicMs() - startMs;
  const leftMs = graceMs === 0 ? 0 : Math.max(graceMs - usedMs, Math.min(graceMs, stopMsMin));
  await runtime.containers.stop(view.id, { graceMs: leftMs });
}

async function preStop(options: KillOptions, hook: LifecycleHandler, fieldPath: string): Promise<void> {
  const { context, pod } = options;
  const done = new AbortController();
  const stop = (): void => done.abort();
  for (const signal of [options.hurry, context.stopping]) signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([
      runHook({ ...options, hook, signal: done.signal }),
      sleep(context.clock, options.graceMs, done.signal),
    ]);
  } catch (error) {
    if (!(error instanceof HookError)) throw error;
    context.log.warn('PreStop hook failed', { pod: podDescription(pod), container: options.view.name, error });
    const message = 'PreStopHook failed';
    context.recorder.record(pod, { type: 'Warning', reason: 'FailedPreStopHook', message, fieldPath });
  } finally {
    for (const signal of [options.hurry, context.stopping]) signal.removeEventListener('abort', stop);
    done.abort();
  }
}
