/**
 * How many watches are told of a change of one object: those of its resource, of its namespace and of itself. Watches of one value of an
 * indexed field are told of few, and are not to be added. Selectors are not looked at: they have to be asked for each event.
 * Upstream counterpart: apiserver `util/flowcontrol/watch_tracker.go`.
 */
import type { RequestInfo } from '../request-info.ts';

/** Watches of one resource. Only places that are watched have an entry. */
interface OfResource {
  readonly group: string;
  /** By `<namespace>/<name>`, either of which may be empty. */
  readonly places: Map<string, number>;
}

/** The watches that go on at one server. */
export class WatchCounts {
  /** By resource, then by group: a name is seldom of two. */
  readonly #resources = new Map<string, OfResource[]>();

  /** A watch has begun; what is returned ends it, once. */
  add(info: RequestInfo): () => void {
    const { places } = this.#of(info) ?? this.#make(info);
    const place = `${info.namespace}/${info.name}`;
    places.set(place, (places.get(place) ?? 0) + 1);
    return () => {
      const left = (places.get(place) ?? 0) - 1;
      if (left > 0) places.set(place, left);
      else places.delete(place);
    };
  }

  /** How many are told of what a request changes. */
  interestedIn(info: RequestInfo): number {
    const places = this.#of(info)?.places;
    if (places === undefined || places.size === 0) return 0;
    const { namespace, name } = info;
    let count = places.get('/') ?? 0;
    if (namespace !== '') count += places.get(`${namespace}/`) ?? 0;
    if (name !== '') count += places.get(`${namespace}/${name}`) ?? 0;
    return count;
  }

  #of({ group, resource }: RequestInfo): OfResource | undefined {
    const all = this.#resources.get(resource);
    if (all === undefined) return undefined;
    for (const one of all) if (one.group === group) return one;
    return undefined;
  }

  #make({ group, resource }: RequestInfo): OfResource {
    const made = { group, places: new Map<string, number>() };
    const all = this.#resources.get(resource);
    if (all === undefined) this.#resources.set(resource, [made]);
    else all.push(made);
    return made;
  }
}
