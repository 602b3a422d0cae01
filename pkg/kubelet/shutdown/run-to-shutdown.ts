/** A kubelet that has time to shut its node down before it stops, with all that it works with. */
import type { Component } from '#pkg/component/component.ts';

/** A kubelet, and the component that it is part of. */
export interface StoppableKubelet {
  readonly kubelet: { shutDown(): Promise<void> };
  readonly component: Component;
}

/** Runs the component until `signal` is aborted and the kubelet has shut down. */
export async function runToShutdown({ kubelet, component }: StoppableKubelet, signal: AbortSignal): Promise<void> {
  const stopping = new AbortController();
  const onAbort = (): void => {
    kubelet.shutDown().then(
      () => stopping.abort(),
      (error: unknown) => stopping.abort(error),
    );
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    await component.run(stopping.signal);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
