/**
 * What the proxy works by: for each port that it listens on, hostnames and what becomes of requests for them. Pure data, made anew from the objects of the
 * cluster at each change and exchanged as a whole, so that a request is answered by one state from its begin to its end.
 */

/** Everything that the proxy listens on. */
export interface RoutingTable {
  /** By the port of the proxy's own pod. */
  readonly ports: ReadonlyMap<number, PortTable>;
}

/** One port. */
export interface PortTable {
  readonly protocol: 'HTTP' | 'HTTPS';
  /** The port at which clients come, which redirects say. */
  readonly clientPort: number;
  readonly listeners: readonly ListenerTable[];
}

/** One listener: requests for its hostname are its alone, whatever less specific ones there are. */
export interface ListenerTable {
  /** `''` for every hostname, `*.example.com` for all below one. */
  readonly hostname: string;
  /** With HTTPS: the first is shown where no other fits the name that is asked for. */
  readonly certificates: readonly CertificatePair[];
  /** In order of precedence: the first that matches a request has it. */
  readonly matches: readonly CompiledMatch[];
}

/** PEM. */
export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
  /** Hostnames for which it is taken before others; empty where the listener's hostname says all. */
  readonly hosts: readonly string[];
}

/** One set of conditions. */
export interface CompiledMatch {
  /** As in `ListenerTable`. */
  readonly hostname: string;
  readonly path: { readonly type: 'Exact' | 'PathPrefix'; readonly value: string };
  readonly method: string | undefined;
  /** Names in lower case. */
  readonly headers: readonly Pair[];
  readonly query: readonly Pair[];
  readonly rule: CompiledRule;
}

/** A name and a value. */
export interface Pair {
  readonly name: string;
  readonly value: string;
}

/** What becomes of a request. */
export interface CompiledRule {
  /** Of whose object it is, for logs. */
  readonly owner: string;
  readonly filters: Filters;
  /** One is chosen by weight. None: 500, as nothing is there that could answer; `redirect` comes before. */
  readonly backends: readonly Backend[];
  /** 0: none. */
  readonly requestTimeoutMs: number;
  readonly backendTimeoutMs: number;
}

/** Where a request may go. */
export interface Backend {
  readonly weight: number;
  /** Undefined for a reference that leads nowhere: 500. Without endpoints: 503. */
  readonly endpoints: readonly Endpoint[] | undefined;
  readonly filters: Filters;
}

/** An address that answers. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** What is done to requests and answers; each absent where nothing is. */
export interface Filters {
  readonly requestHeaders?: HeaderEdit;
  readonly responseHeaders?: HeaderEdit;
  readonly redirect?: Redirect;
  readonly rewrite?: { readonly hostname?: string; readonly path?: PathEdit };
  readonly mirrors?: readonly Mirror[];
}

/** Names in lower case. */
export interface HeaderEdit {
  readonly set: readonly Pair[];
  readonly add: readonly Pair[];
  readonly remove: readonly string[];
}

/** What takes the place of a path, or of the part of it that matched. */
export type PathEdit = { readonly full: string } | { readonly prefix: string };

/** Where a client is sent. */
export interface Redirect {
  readonly scheme?: string;
  readonly hostname?: string;
  readonly port?: number;
  readonly path?: PathEdit;
  readonly status: number;
}

/** A backend that is sent a copy, of so many requests in `of`. */
export interface Mirror {
  readonly endpoints: readonly Endpoint[];
  readonly share: number;
  readonly of: number;
}
