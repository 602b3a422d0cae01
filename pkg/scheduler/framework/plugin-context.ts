/** What plugins are made with: they see the API through listers, and send what they have to through the client that they are given. */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { AnyPlugin } from './plugin.ts';

/** What a plugin's factory is given. */
export interface PluginContext {
  readonly client: Client;
  readonly random: Random;
  /**
   * What there is of a resource, complete before the first pod is scheduled. Its changes are cluster events under the name of its kind, for which
   * plugins register (`EventRegistration`).
   */
  lister<T extends KubeObject>(ref: ResourceRef<T>): Lister<T>;
}

/** One line of the table of plugins: one that needs nothing of the API, or how one is made of it. */
export type PluginEntry = {
  /** Weight of the plugin's score, default 1. */
  readonly weight?: number;
  /** What it reads that upstream's scheduler may not: lines such as `get,list,watch core configmaps`. */
  readonly rights?: readonly string[];
} & ({ readonly plugin: AnyPlugin } | { create(context: PluginContext): AnyPlugin });
