/**
 * Makes the plugins of a table over the API: each is given the listers that it asks for, and what it reads becomes cluster events where a plugin
 * waits for them. Nothing else does I/O for plugins.
 */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { EventHandler } from '#pkg/client/informer.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { ClusterEvent } from './framework/events.ts';
import type { AnyPlugin } from './framework/plugin.ts';
import type { PluginContext, PluginEntry } from './framework/plugin-context.ts';
import { type Profile, profileOf } from './framework/profile.ts';

type Wake = (events: readonly ClusterEvent[]) => void;

/** What the scheduler itself tells of (`event-handlers.ts`), whatever plugins read. */
const builtInEvents: readonly string[] = ['AssignedPod', 'Namespace', 'Node', 'TargetPod'];

/** The plugins of a profile, and what they read. */
export interface PluginSources {
  readonly profile: Profile;
  /** Calls `wake` with the events of what plugins read and wait for. */
  listen(wake: Wake): void;
}

/** Throws for a table that is no profile, and for a plugin that waits for what nobody reads. */
export function pluginSources(deps: ComponentDeps, table: readonly PluginEntry[]): PluginSources {
  const { informers } = deps;
  const read = new Map<string, ResourceRef<KubeObject>>();
  const awaited = new Set<string>();
  const entries = table.map((entry) => {
    const own = new Map<string, ResourceRef<KubeObject>>();
    const plugin = 'plugin' in entry ? entry.plugin : entry.create(contextOf(deps, own));
    for (const [kind, ref] of own) read.set(kind, ref);
    // Who names no events waits for all that it reads.
    for (const kind of plugin.events?.map(({ resource }) => resource) ?? own.keys()) awaited.add(kind);
    return entry.weight === undefined ? { plugin } : { plugin, weight: entry.weight };
  });
  checkEvents(
    entries.map(({ plugin }) => plugin),
    new Set([...builtInEvents, ...read.keys()]),
  );
  return {
    profile: profileOf(entries),
    listen(wake) {
      for (const [kind, ref] of read)
        if (awaited.has(kind) && !builtInEvents.includes(kind))
          informers.informer(ref).addHandler(wakingHandler(kind, wake));
    },
  };
}

/** What one plugin is made with; notes in `read` what it asks for, by kind. */
function contextOf(
  { client, random, informers }: ComponentDeps,
  read: Map<string, ResourceRef<KubeObject>>,
): PluginContext {
  return {
    client,
    random,
    lister: (ref) => {
      read.set(ref.kind, ref as ResourceRef<KubeObject>);
      return informers.informer(ref).lister;
    },
  };
}

function checkEvents(plugins: readonly AnyPlugin[], known: ReadonlySet<string>): void {
  for (const { name, events = [] } of plugins) {
    const unknown = events.find(({ resource }) => !known.has(resource));
    if (unknown === undefined) continue;
    throw new Error(
      `Cannot use the scheduler plugin ${name} as it waits for events of ${unknown.resource}, which no plugin reads`,
    );
  }
}

/** Wakes pods that wait for objects of a kind; the objects themselves are read from the lister when they are needed. */
function wakingHandler(resource: string, wake: Wake): EventHandler<KubeObject> {
  return {
    added: (object) => wake([{ resource, action: 'Add', object }]),
    updated: (previous, object) => wake([{ resource, action: 'Update', previous, object }]),
    deleted: (previous) => wake([{ resource, action: 'Delete', previous }]),
  };
}
