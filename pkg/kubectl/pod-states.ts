/** Waits for a pod to be in a state, by looking at it again and again. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';
import { type Mapping, pathOf } from './discovery.ts';

/** Interval between two looks. */
const lookIntervalMs = 100;

/** Resolves to the pod when it is as it should be. Throws `UserError` when the time is over, and what the API answers. */
export async function podWhen(
  context: KubectlContext,
  { mapping, namespace, name }: { readonly mapping: Mapping; readonly namespace: string; readonly name: string },
  { holds, timeoutMs }: { holds(pod: JsonObject): boolean; readonly timeoutMs: number },
): Promise<JsonObject> {
  const endMs = context.clock.monotonicMs() + timeoutMs;
  for (;;) {
    const { object } = await context.api.call({ method: 'GET', path: pathOf(mapping, namespace, name) });
    if (holds(object)) return object;
    if (context.clock.monotonicMs() >= endMs || !(await sleep(context.clock, lookIntervalMs, context.signal)))
      throw new UserError('error: timed out waiting for the condition');
  }
}
