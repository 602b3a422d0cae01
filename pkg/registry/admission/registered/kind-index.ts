/**
 * Which of the registered hooks may be about requests of one kind: an operation on a resource in a version. Looked up once for each kind, so that a request
 * costs one look however many hooks there are, and those of other kinds cost nothing. Names, namespaces and selectors differ from request to request and
 * are looked at then.
 */
import type { AdmissionAttributes } from '#pkg/apiserver/strategy.ts';

/** Kinds that are kept. There are as many as resources with their operations; beyond that all are looked up again. */
const kindsMax = 4_096;

/** What was found for each kind, until the hooks change. */
export class KindIndex<T> {
  readonly #found = new Map<string, T>();

  /** What `find` says of the kind of a request, which it must say of every request of that kind. */
  of(request: AdmissionAttributes, find: (request: AdmissionAttributes) => T): T {
    const { operation, group, version, resource, subresource } = request;
    const kind = `${operation} ${group}/${version}/${resource}/${subresource}`;
    let found = this.#found.get(kind);
    if (found === undefined) {
      found = find(request);
      if (this.#found.size >= kindsMax) this.#found.clear();
      this.#found.set(kind, found);
    }
    return found;
  }

  /** The hooks are others now. */
  clear(): void {
    this.#found.clear();
  }
}
