/** The objects that exist from the start, as the rules of their resources say. Existing ones are left as they are, unless those rules say otherwise. */
import { deepClone } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { writeUnset } from '#pkg/apimachinery/write-unset.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { ServedResource } from './catalog.ts';
import type { ServerCore } from './endpoints/scope.ts';
import type { Strategy } from './strategy.ts';

/** Makes what is missing, all at once: a store that syncs its writes does so for all of them together. */
export async function bootstrap(core: ServerCore, strategies: readonly Strategy[]): Promise<void> {
  const makings = strategies.flatMap((strategy) => {
    const served = core.catalog.findAny(strategy);
    if (served === undefined) return [];
    return (strategy.bootstrap ?? []).map((draft) => make(core, served, deepClone(draft)));
  });
  await Promise.all(makings);
}

async function make(core: ServerCore, served: ServedResource, draft: JsonObject): Promise<void> {
  const { metadata = {} }: KubeObject = draft;
  const key = served.store.key(metadata.namespace ?? '', metadata.name ?? '');
  const there = await served.store.get(key);
  if (there !== undefined) {
    const changed = served.strategy.reconcileBootstrap?.(served.view.object(there), draft);
    // Whoever changes it at the same time wins: the next start looks again.
    if (changed !== undefined) await served.store.put(key, served.view.toStored(changed), there.modRevision);
    return;
  }
  const creationTimestamp = timestamp(core.clock);
  const stamped: JsonObject = {
    ...draft,
    kind: served.info.kind,
    apiVersion: served.apiVersion,
    metadata: {
      ...metadata,
      uid: core.random.uuid(),
      creationTimestamp,
      ...(served.tracksGeneration ? { generation: 1 } : {}),
    },
  };
  served.strategy.setDefaults?.(stamped);
  served.strategy.completeBootstrap?.(stamped, creationTimestamp);
  writeUnset(stamped, served.schema);
  // Another server may make it at the same time: then it is there, which is all that is wanted.
  await served.store.put(key, served.view.toStored(stamped), 0);
}
