/**
 * Makes the plugins of a table over the API: each is given the listers that it asks for, and what it reads becomes cluster events where a plugin
 * waits for them. Nothing else does I/O for plugins.
 */
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { EventHandler } from '#pkg/client/informer.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import { type ChoiceOptions, choicesByPoint, chosenEntries } from './config/choose-plugins.ts';
import type { ProfileSpec } from './config/configuration.ts';
import type { ClusterEvent } from './framework/events.ts';
import type { AnyPlugin } from './framework/plugin.ts';
import { nameOf, type PluginContext, type PluginEntry } from './framework/plugin-context.ts';
import { type Profile, profileOf } from './framework/profile.ts';

type Wake = (events: readonly ClusterEvent[]) => void;

/** What the scheduler itself tells of (`event-handlers.ts`), whatever plugins read. */
const builtInEvents: readonly string[] = ['AssignedPod', 'Namespace', 'Node', 'TargetPod'];

/** What the plugins are made of. */
export interface SourcesOptions extends ChoiceOptions {
  readonly profiles: readonly ProfileSpec[];
}

/** The plugins of all profiles, and what they read. */
export interface PluginSources {
  /** By the name under which pods choose it. */
  readonly profiles: ReadonlyMap<string, Profile>;
  /** Calls `wake` with the events of what plugins read and wait for. */
  listen(wake: Wake): void;
}

/** Throws `UserError` for what is no profile, and an error for a plugin that waits for what nobody reads. */
export function pluginSources(deps: ComponentDeps, options: SourcesOptions): PluginSources {
  const { informers } = deps;
  const read = new Map<string, ResourceRef<KubeObject>>();
  const awaited = new Set<string>();
  const profiles = new Map<string, Profile>();
  const plugins: AnyPlugin[] = [];
  for (const spec of options.profiles) {
    const made = chosenEntries(spec, options).map((entry) => {
      const own = new Map<string, ResourceRef<KubeObject>>();
      const context = contextOf(deps, { read: own, options });
      const plugin = 'plugin' in entry ? entry.plugin : entry.create(context, argsOf(spec, entry), spec.check);
      for (const [kind, ref] of own) read.set(kind, ref);
      // Who names no events waits for all that it reads.
      for (const kind of plugin.events?.map(({ resource }) => resource) ?? own.keys()) awaited.add(kind);
      return entry.weight === undefined ? { plugin } : { plugin, weight: entry.weight };
    });
    plugins.push(...made.map(({ plugin }) => plugin));
    profiles.set(spec.schedulerName, profileOf(made, choicesByPoint(spec, made, options)));
  }
  checkEvents(plugins, new Set([...builtInEvents, ...read.keys()]));
  return {
    profiles,
    listen(wake) {
      for (const [kind, ref] of read)
        if (awaited.has(kind) && !builtInEvents.includes(kind))
          informers.informer(ref).addHandler(wakingHandler(kind, wake));
    },
  };
}

function argsOf({ pluginConfig = [] }: ProfileSpec, entry: PluginEntry): JsonObject | undefined {
  return pluginConfig.find(({ name }) => name === nameOf(entry))?.args;
}

interface ContextOptions {
  /** Where it is noted what the plugin asks for, by kind. */
  readonly read: Map<string, ResourceRef<KubeObject>>;
  readonly options: ChoiceOptions;
}

/** What one plugin is made with. */
function contextOf({ client, random, informers }: ComponentDeps, { read, options }: ContextOptions): PluginContext {
  const { scheduling, hasTaintRules = false } = options;
  return {
    client,
    random,
    scheduling,
    hasTaintRules,
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
