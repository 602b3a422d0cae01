/** What plugins are made with: they see the API through listers, and send what they have to through the client that they are given. */
import type { JsonObject, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { AnyPlugin } from './plugin.ts';

/** What a plugin's factory is given. */
export interface PluginContext {
  readonly client: Client;
  readonly random: Random;
  /** By which way of scheduling the arguments that a plugin is not given have their defaults. */
  readonly scheduling: Scheduling;
  /** Whether the API has DeviceTaintRules, which are served only where they are switched on. */
  readonly hasTaintRules?: boolean;
  /**
   * What there is of a resource, complete before the first pod is scheduled. Its changes are cluster events under the name of its kind, for which
   * plugins register (`EventRegistration`).
   */
  lister<T extends KubeObject>(ref: ResourceRef<T>): Lister<T>;
}

/** Ways of scheduling that a cluster is started with: onto few nodes, or over many as upstream does. */
export type Scheduling = 'packing' | 'spreading';

/** Says what is wrong with arguments by a JSON Schema; whoever reads configurations has one, as it costs the start of all others something. */
export type ArgsCheck = (schema: JsonObject, args: unknown) => readonly string[];

/** How a plugin is made of the API and of its arguments. */
interface PluginFactory {
  /** Name of the plugin, by which configurations know it before it is made. Default: it is made to be asked. */
  readonly name?: string;
  /** What is wrong with arguments, each with the path of its field below them; none where they are right. Absent: the plugin takes none. */
  argsProblems?(args: JsonObject, check: ArgsCheck): readonly string[];
  /** `args`: what a configuration says, which was found right, and what it was checked with. */
  create(context: PluginContext, args?: JsonObject, check?: ArgsCheck): AnyPlugin;
}

/** One line of the table of plugins: one that needs nothing of the API, or how one is made of it. */
export type PluginEntry = {
  /** Weight of the plugin's score, default 1. */
  readonly weight?: number;
  /** Under which way of scheduling it takes part where no configuration says otherwise; `none` for neither. Default: under both. */
  readonly scheduling?: Scheduling | 'none';
  /** What it reads that upstream's scheduler may not: lines such as `get,list,watch core configmaps`. */
  readonly rights?: readonly string[];
} & ({ readonly plugin: AnyPlugin } | PluginFactory);

/** The lines of a table that take part in a way of scheduling where no configuration says otherwise. */
export function takingPart(table: readonly PluginEntry[], way: Scheduling): readonly PluginEntry[] {
  return table.filter(({ scheduling = way }) => scheduling === way);
}

/** The name of a line's plugin; undefined for one that says it only once it is made. */
export function nameOf(entry: PluginEntry): string | undefined {
  return 'plugin' in entry ? entry.plugin.name : entry.name;
}
