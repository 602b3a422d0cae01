/** Lifecycle hooks: exec, HTTP and sleep; others fail with a clear error. Source: kubelet `lifecycle/handlers.go`. */

import type { Container, LifecycleHandler } from '#pkg/api/types/core-v1.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { ContainerView } from '../model/pod-view.ts';
import { httpProbeRequest } from '../probes/probe-request.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { PodContext } from './pod-context.ts';

/** A hook failed. Its message is for the log: what a hook says may be secret, so events do not carry it. */
export class HookError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'HookError';
  }
}

/** For which container a hook runs. */
export interface HookOptions {
  readonly context: PodContext;
  readonly container: Container | undefined;
  readonly view: ContainerView;
  readonly runtime: Runtime;
  readonly podIp: string;
  readonly hook: LifecycleHandler;
  readonly signal: AbortSignal;
}

/** An HTTP hook that has no answer after this time has failed. Upstream sets no limit but the grace period. */
const httpTimeoutMs = 30_000;

/** Runs one hook. Throws `HookError` when it fails. */
export async function runHook(options: HookOptions): Promise<void> {
  const { context, hook, runtime, view, signal } = options;
  if (hook.sleep !== undefined) {
    await sleep(context.clock, doubleOf(hook.sleep.seconds) * 1000, signal);
    return;
  }
  if (hook.exec !== undefined) {
    const command = hook.exec.command ?? [];
    const result = await runtime.inspection.exec(view.id, { command, signal }).catch((error: unknown) => {
      if (error instanceof KubeletStoppingError) throw error;
      throw new HookError(errorText(error));
    });
    if (result.exitCode !== 0) {
      throw new HookError(`command '${command.join(' ')}' exited with ${result.exitCode}: ${result.stderr}`);
    }
    return;
  }
  if (hook.httpGet !== undefined) {
    const transport = runtime.probes ?? context.probes;
    if (transport === undefined) throw new HookError('HTTP hooks are not possible without a network');
    const request = httpProbeRequest(hook.httpGet, { container: options.container, podIp: options.podIp });
    if (typeof request === 'string') throw new HookError(request);
    const answer = await transport.http(
      { ...request, timeoutMs: httpTimeoutMs, signal },
      { containerId: view.id, kind: 'startup' },
    );
    // Whatever the answer says, the hook was heard.
    if (answer.statusCode === undefined && !answer.ok) throw new HookError(answer.message);
    return;
  }
  throw new HookError('this kind of lifecycle hook is not supported: use exec, httpGet or sleep');
}
