/**
 * A request to an API and its answer, without a socket: the API server and the kubelet's own API are functions from the one to
 * the other. An HTTPS adapter fills these from the network; components in one process pass them directly, with objects in
 * place of bytes so that nothing is encoded only to be decoded again.
 *
 * Laws: objects in requests and answers are shared and must not be changed by either side. A handler never throws: what goes
 * wrong is an answer with a `Status`. A body of kind `stream` or `watch` ends when the request's signal is aborted.
 */
import type { KubeObject } from './object.ts';

/** Lower-case header names; a header that came several times is joined by `, `. */
export type HttpHeaders = Readonly<Record<string, string | undefined>>;

/** Who is at the other end, as the transport itself vouches for it. */
export interface Peer {
  /** Subject of the verified client certificate, if one was presented, and its SHA-256 in hex. In-process callers state theirs. */
  readonly certificate?: {
    readonly commonName: string;
    readonly organizations: readonly string[];
    readonly sha256?: string;
  };
  /** The client's IP address, `''` in the same process. */
  readonly address: string;
}

/** A body that is already decoded (in-process), or bytes with a content type in the headers. */
export type RequestBody =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'object'; readonly object: unknown };

export interface ApiRequest {
  /** Upper case. */
  readonly method: string;
  /** As on the wire: percent-encoded, with its leading slash, without the query. */
  readonly path: string;
  /** As on the wire, without the question mark; `''` when there is none. */
  readonly query: string;
  readonly headers: HttpHeaders;
  readonly body?: RequestBody;
  readonly peer: Peer;
  /** Aborted when the caller has gone or no longer wants the answer. */
  readonly signal: AbortSignal;
}

/** The type of a watch event. `ERROR` carries a Status, `BOOKMARK` an object with nothing but its resourceVersion. */
export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

/** One watch event as decoded object and, on demand, as its encoded line (JSON and a newline), made once for all watchers. */
export interface WatchFrame {
  readonly type: WatchEventType;
  readonly object: KubeObject;
  bytes(): Uint8Array;
}

export type ResponseBody =
  | { readonly kind: 'empty' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** One object; `bytes()` gives its encoding, kept where it was encoded before. */
  | { readonly kind: 'object'; readonly object: unknown; bytes(): Uint8Array }
  /** Bytes as they come, such as a log that is followed. */
  | { readonly kind: 'stream'; readonly chunks: AsyncIterable<Uint8Array> }
  /** Watch events in order, those that are ready at one time in one batch. */
  | { readonly kind: 'watch'; readonly batches: AsyncIterable<readonly WatchFrame[]> };

export interface ApiResponse {
  readonly status: number;
  /** Includes `content-type` unless the body is empty. */
  readonly headers: HttpHeaders;
  readonly body: ResponseBody;
}

/** An API as a function. */
export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>;
