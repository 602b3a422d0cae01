/**
 * How many watches are told of a change of one object: those of its resource, of its namespace and of itself. Watches of one value of an
 * indexed field are told of few, and are not to be added. Selectors are not looked at: they have to be asked for each event.
 * Upstream counterpart: apiserver `util/flowcontrol/watch_tracker.go`.
 */
import type { RequestInfo } from '../request-info.ts';

/** Watches of one resource. Only places that are watched have an entry. */
interface OfResource {
  readonly group: string;
  /** By namespace and then by name, either of which may be empty: each write looks, and puts no text together. */
  readonly places: Map<string, Map<string, number>>;
}

/** The watches that go on at one server. */
export class WatchCounts {
  /** By resource, then by group: a name is seldom of two. */
  readonly #resources = new Map<string, OfResource[]>();

  /** A watch has begun; what is returned ends it, once. */
  add(info: RequestInfo): () => void {
    const { places } = this.#of(info) ?? this.#make(info);
    const { namespace, name } = info;
    const names = places.get(namespace) ?? new Map<string, number>();
    places.set(namespace, names);
    names.set(name, (names.get(name) ?? 0) + 1);
    return () => {
      const left = (names.get(name) ?? 0) - 1;
      if (left > 0) names.set(name, left);
      else names.delete(name);
      if (names.size === 0 && places.get(namespace) === names) places.delete(namespace);
    };
  }

  /** How many are told of what a request changes. */
  interestedIn(info: RequestInfo): number {
    const places = this.#of(info)?.places;
    if (places === undefined || places.size === 0) return 0;
    const { namespace, name } = info;
    const ofAll = places.get('');
    const ofNamespace = namespace === '' ? undefined : places.get(namespace);
    let count = (ofAll?.get('') ?? 0) + (ofNamespace?.get('') ?? 0);
    if (name !== '') count += (namespace === '' ? ofAll : ofNamespace)?.get(name) ?? 0;
    return count;
  }

  #of({ group, resource }: RequestInfo): OfResource | undefined {
    const all = this.#resources.get(resource);
    if (all === undefined) return undefined;
    for (const one of all) if (one.group === group) return one;
    return undefined;
  }

  #make({ group, resource }: RequestInfo): OfResource {
    const made: OfResource = { group, places: new Map() };
    const all = this.#resources.get(resource);
    if (all === undefined) this.#resources.set(resource, [made]);
    else all.push(made);
    return made;
  }
}
