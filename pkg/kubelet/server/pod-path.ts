/** The pod and container that a path of the kubelet's API names. Pure. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { PodWorker } from '../pods/pod-worker.ts';

/** A plain text answer. */
export function text(status: number, message: string): ApiResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: { kind: 'bytes', bytes: new TextEncoder().encode(message) },
  };
}

/** The parts of a path; none of one that is not well encoded. */
export function decodedParts(path: string): readonly string[] {
  try {
    return path.split('/').map(decodeURIComponent);
  } catch {
    return [];
  }
}

/** The worker of a pod: the newest of its name, and of its uid where that is given. */
export function workerOf(
  workers: readonly PodWorker[],
  { namespace, name, uid }: { readonly namespace: string; readonly name: string; readonly uid?: string | undefined },
): PodWorker | undefined {
  return workers
    .filter(({ pod: { metadata } }) => metadata?.namespace === namespace && metadata.name === name)
    .filter(({ pod }) => uid === undefined || pod.metadata?.uid === uid)
    .at(-1);
}
