/**
 * Runs a process's parts until it is told to stop. The first SIGINT, SIGTERM or SIGHUP aborts the signal that everything runs under and
 * waits for it to end; a second SIGINT or SIGTERM, or the passing of the limit, ends the process at once. A second SIGHUP says nothing new: a
 * terminal that closes sends one, and so does the shell in it.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Component } from './component.ts';

/** The signals that ask a process to stop. */
export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type StopSignal = (typeof stopSignals)[number];

/** What of a process this needs; `process` itself fits. */
export interface SignalSource {
  on(event: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(event: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

/** What the run is told by, and how it ends. */
export interface RunOptions {
  readonly signals: SignalSource;
  readonly clock: Clock;
  /** Called on the first signal. */
  readonly onStopping?: () => void;
  /** Ends the process now, without more waiting. */
  readonly forceExit: (code: number) => void;
  /** Longest wait for the parts to stop. Default 30 s, as a pod's grace. */
  readonly stopMsMax?: number;
}

const stopMsMaxDefault = 30_000;

/** Resolves when `run` has ended; rejects as it rejects. */
export async function runUntilSignal(options: RunOptions, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  let limit: { cancel(): void } | undefined;
  const onSignal = (signal: StopSignal): void => {
    if (controller.signal.aborted) {
      if (signal !== 'SIGHUP') options.forceExit(130);
      return;
    }
    options.onStopping?.();
    limit = options.clock.setTimeout(() => options.forceExit(1), options.stopMsMax ?? stopMsMaxDefault);
    controller.abort();
  };
  for (const signal of stopSignals) options.signals.on(signal, onSignal);
  try {
    await run(controller.signal);
  } finally {
    limit?.cancel();
    for (const signal of stopSignals) options.signals.off(signal, onSignal);
  }
}

/**
 * Runs parts side by side until `signal` is aborted. When one of them ends or fails before that, the others are stopped too. Resolves after all
 * have stopped, or rejects with the first failure.
 */
export async function runTogether(parts: readonly Component[], signal: AbortSignal): Promise<void> {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    const results = await Promise.allSettled(
      parts.map(async (part) => {
        try {
          await part.run(controller.signal);
        } finally {
          controller.abort();
        }
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
