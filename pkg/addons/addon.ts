/**
 * What an addon is: objects that are put into a cluster by one command and taken away by another. Contract only; `table.ts` lists the addons and
 * `install.ts` puts them in and takes them out.
 *
 * Laws:
 * 1. An addon is its objects: what `objects` gives for a cluster is all that enabling it makes, in the order in which it is made, and the same for the
 *    same cluster. What its programs make while they run is owned by one of these or by an object of a kind that one of these defines.
 * 2. Enabling twice is enabling once. An interrupted one is finished by the next, and disabling takes away what a half of it has made.
 * 3. Nothing that is not the addon's is changed: an object that was there before it and is not its own is refused before anything is written.
 * 4. Disabling leaves nothing, kinds of its own with their objects included, and needs nothing but the cluster: which objects were made is kept in it.
 * 5. `problem` is asked first, and of the cluster alone: what cannot run there is refused with one line and nothing is made.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';

/** What an addon is told of the cluster that it is for. */
export interface AddonCluster {
  readonly name: string;
  /** Names of the nodes' runtimes; the first is for pods without a RuntimeClass. */
  readonly runtimes: readonly string[];
  /** Name of the pod network. */
  readonly network: string;
  /** Folder of the machine that has the cluster's data. */
  readonly dataDir: string;
  /** The words by which this machine runs `coxswain`. */
  readonly command: readonly string[];
  /** Where this machine has a program of that name; undefined where it has none. */
  programPath(name: string): string | undefined;
}

/** An addon, once it is loaded. */
export interface AddonParts {
  /** Why it cannot be in such a cluster, as the end of a sentence that begins with "as"; undefined when it can. */
  problem(cluster: AddonCluster): string | undefined;
  objects(cluster: AddonCluster): readonly KubeObject[];
  /** What a person does next, one line each. */
  readonly hints: readonly string[];
}

/** One line of the table. */
export interface Addon {
  /** One sentence. */
  readonly summary: string;
  /** Loads the addon; nothing of it is loaded before. */
  load(): Promise<AddonParts>;
}

/** Something that every cluster has, or has by its flags, and that people look for among addons. */
export interface BuiltInPart {
  readonly summary: string;
  /** How a cluster comes to have it. */
  readonly how: string;
}

/** Addons by name. */
export type AddonTable = Readonly<Record<string, Addon>>;

/** Loads the addon of a name that the table has. */
export function addonNamed(table: AddonTable, name: string): Promise<AddonParts> {
  const addon = table[name];
  if (addon === undefined) throw new Error(`Cannot load the addon ${name} as the table has none of this name`);
  return addon.load();
}
