/**
 * Lets ended pods of a job go, once the job has counted them. Invariant: a pod that was let go and whose change has not come back through the
 * watch is remembered, so that it is not counted again. Upstream counterpart: `tracking_utils.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods as podsRef } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import { forEachLimited, requestsInFlightMax } from '../common/concurrency.ts';
import { isTracked, trackingFinalizer } from './job-pods.ts';

const none: ReadonlySet<string> = new Set();

/** Uids of pods by the key of their job. Bounded by the pods let go and not yet seen again. */
export class ReleasedPods {
  readonly #byJob = new Map<string, Set<string>>();

  of(key: string): ReadonlySet<string> {
    return this.#byJob.get(key) ?? none;
  }

  expect(key: string, uids: readonly string[]): void {
    const known = this.#byJob.get(key);
    if (known === undefined) this.#byJob.set(key, new Set(uids));
    else for (const uid of uids) known.add(uid);
  }

  /** The change was seen, or will not come. */
  observed(key: string, uid: string): void {
    const known = this.#byJob.get(key);
    known?.delete(uid);
    if (known?.size === 0) this.#byJob.delete(key);
  }

  forget(key: string): void {
    this.#byJob.delete(key);
  }
}

/** Takes the finalizer from a pod; one that has gone needs nothing more. */
export async function letGo(client: Client, pod: Pod): Promise<void> {
  if (!isTracked(pod)) return;
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  const patch = { metadata: { uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
  try {
    await client.resource(podsRef).patch(name, patch, { namespace, type: 'strategic' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Lets pods of a job go. Those of which that failed stay out of `done`; the first error is in `failed`. */
export async function letAllGo(
  work: { readonly client: Client; readonly key: string; readonly released: ReleasedPods },
  pods: readonly Pod[],
): Promise<{ readonly done: ReadonlySet<string>; readonly failed: { readonly error: unknown } | undefined }> {
  const { client, key, released } = work;
  const done = new Set<string>();
  let failed: { readonly error: unknown } | undefined;
  const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';
  released.expect(key, pods.map(uidOf));
  await forEachLimited(pods, requestsInFlightMax, async (pod) => {
    try {
      await letGo(client, pod);
      done.add(uidOf(pod));
    } catch (error) {
      released.observed(key, uidOf(pod));
      failed ??= { error };
    }
  });
  return { done, failed };
}
