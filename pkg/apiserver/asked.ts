/**
 * What requests are for. Components in this process ask for the same again and again, a lease every ten seconds, so what was read of their
 * request lines is kept; those of the network are read each time, as the texts would have to be compared anyway.
 *
 * Invariant: what is kept is what reading anew would give, as it goes with the catalog it was read by.
 */
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import type { Catalog, ServedResource } from './catalog.ts';
import { parseRequestInfo, type RequestInfo } from './request-info.ts';

/** Request lines that are kept; with one more all are forgotten, and those that still come are read again. */
const linesMax = 4_096;

/** What a request is for; `served` is undefined where there is no such resource. */
export interface Asked {
  readonly info: RequestInfo;
  readonly served: ServedResource | undefined;
  /** Whether it is one that lasts: a watch, or a connection. */
  readonly lasts: boolean;
}

/** Reads what requests are for. */
export class AskedReader {
  readonly #catalog: Catalog;
  readonly #byMethod = new Map<string, Map<string, Asked>>();
  #count = 0;
  #generation = 0;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Throws BadRequest for a path that does not decode. */
  read(request: ApiRequest): Asked {
    const { method, path, query, peer } = request;
    if (peer.address !== '' || query !== '') return this.#read(request);
    if (this.#generation !== this.#catalog.generation || this.#count >= linesMax) this.#forget();
    let byPath = this.#byMethod.get(method);
    if (byPath === undefined) {
      byPath = new Map();
      this.#byMethod.set(method, byPath);
    }
    let asked = byPath.get(path);
    if (asked === undefined) {
      asked = this.#read(request);
      byPath.set(path, asked);
      this.#count++;
    }
    return asked;
  }

  #forget(): void {
    this.#byMethod.clear();
    this.#count = 0;
    this.#generation = this.#catalog.generation;
  }

  #read({ method, path, query }: ApiRequest): Asked {
    const info = parseRequestInfo(method, path, query);
    const served = info.isResource ? this.#catalog.find(info) : undefined;
    return { info, served, lasts: isLongRunning(info, served) };
  }
}

function isLongRunning(info: RequestInfo, served: ServedResource | undefined): boolean {
  if (info.verb === 'watch') return true;
  if (info.subresource === '') return false;
  return served?.subresources.get(info.subresource)?.connect !== undefined;
}
