/**
 * A request to an API and its answer, without a socket: the API server and the kubelet's own API are functions from the one to
 * the other. An HTTPS adapter fills these from the network; components in one process pass them directly, with objects in
 * place of bytes so that nothing is encoded only to be decoded again.
 *
 * Laws: objects in requests and answers are shared and must not be changed by either side. A handler never throws: what goes
 * wrong is an answer with a `Status`. A body of kind `stream` or `watch` ends when the request's signal is aborted. `pkg/serving` has the
 * adapter for the network and the suite that holds these laws (`conformance.ts`).
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
    /** Milliseconds since the epoch at which it ends: a connection may last longer. Absent: never. */
    readonly notAfterMs?: number;
    /** The certificate itself (DER). Absent for callers of this process. */
    readonly raw?: Uint8Array;
    /** The certificates that vouch for it (DER), the last one that of a trusted authority; empty where the transport no longer has them. */
    readonly chain?: () => readonly Uint8Array[];
  };
  /** A client certificate was presented that proves nothing: of another authority, expired, not valid yet, or not for clients. */
  readonly certificateRefused?: boolean;
  /** The client's IP address, `''` in the same process. */
  readonly address: string;
  /**
   * To be called by the handler once it knows who asks, before it reads a body, and never for the anonymous: connections that have not
   * been vouched for so are the first to go when there are too many, and what clients use at once is shared out by these names.
   */
  identified?(userName: string): void;
}

/** Where the reading of a body ends. */
export interface BodyLimit {
  /** Largest body, in bytes, that the handler takes. */
  readonly limitBytes: number;
}

/**
 * A body that is still with its client. Laws:
 * - nothing of it is read before `read` or `chunks` is called, but for the little that comes along with the head (64 KiB at most), and it is
 *   read at most once: a second call throws;
 * - it is the handler that reads it, after authentication and authorization, and before it takes a place that others need;
 * - what goes wrong rejects with a `StatusError`: 413 over the limit, 408 when it does not arrive in time, 429 when there is no room for it
 *   among the bodies of other requests, 400 when its client has gone;
 * - a body that nobody read is not read: the answer says that the connection ends with it.
 */
export interface UnreadBody {
  readonly kind: 'unread';
  /** As announced by the client; absent for one in chunks. */
  readonly lengthBytes?: number;
  /** All of the body, once there is room for it. */
  read(limit: BodyLimit): Promise<Uint8Array>;
  /** The body as it comes, at the pace of its consumer, without limit or deadline; it may go on while an answer is sent whose end is not known yet. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** A body that is there: decoded (in-process), or bytes with a content type in the headers. */
export type ReadBody =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'object'; readonly object: unknown };

/** A body that is there already, or one that comes from the network when it is asked for. */
export type RequestBody = ReadBody | UnreadBody;

/** One request, by whoever makes it. */
export interface ApiRequest {
  /** Upper case. */
  readonly method: string;
  /** As on the wire: percent-encoded, with its leading slash, without the query. */
  readonly path: string;
  /** As on the wire, without the question mark; `''` when there is none. */
  readonly query: string;
  readonly headers: HttpHeaders;
  readonly body?: RequestBody;
  /** The protocol that the caller wants to go on with, in lower case, such as `websocket`; absent when it asks for none that is known. */
  readonly upgrade?: string;
  readonly peer: Peer;
  /** Aborted when the caller has gone or no longer wants the answer. */
  readonly signal: AbortSignal;
  /** The answer leaves with others, after what the server does before any of them does. Default: as soon as the handler has it. */
  readonly isHeld?: boolean;
}

/** The type of a watch event. `ERROR` carries a Status, `BOOKMARK` an object with nothing but its resourceVersion. */
export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

/** One watch event as decoded object and, on demand, as its encoded line (JSON and a newline), made once for all watchers. */
export interface WatchFrame {
  readonly type: WatchEventType;
  readonly object: KubeObject;
  bytes(): Uint8Array;
  /** The line as a chunk of HTTP's chunked coding, where one is kept for all watchers of the event. */
  readonly chunk?: Uint8Array | undefined;
}

/** Frames that can be taken as soon as they are there, without a promise for each event. */
export interface ReadyFrames {
  /** No frames come after those that `take` gives. */
  readonly isEnded: boolean;
  /** What has come since the last call, in order; empty when nothing has. Watchers that are told the same are given the same array. */
  take(): readonly WatchFrame[];
  /**
   * Calls `listener` synchronously when there are frames or the end has come. It must not throw or write to the store. It may take them later, but
   * not when told `atOnce`: then as many wait that the watch ends unless they are taken.
   */
  onReady(listener: (atOnce: boolean) => void): void;
  /** Ends the watch. */
  close(): void;
}

/** Gives memory for a slice, whose contents are anything: as many bytes as asked for, or more. */
export type TakeSlice = (bytes: number) => Uint8Array;

/** A long encoding in slices, of which one at a time is made, encrypted and written. */
export interface SlicedBytes {
  /** Of all of it, in bytes. */
  readonly length: number;
  /** Each slice begins the memory that was taken for it. Next to nothing is held by whoever stops in the middle. */
  slices(take: TakeSlice): Iterable<Uint8Array>;
}

/**
 * A connection that was taken over, after the head of the answer. Node's `Duplex` is one. What the client sent right after its request comes
 * first. Laws: `write` returns false when the other side should be waited for (`drain`); after `close` nothing is heard and writes are lost.
 */
export interface UpgradedConnection extends AsyncIterable<Uint8Array> {
  readonly destroyed: boolean;
  /** Bytes that were written and have not left; absent where nobody counts them. */
  readonly writableLength?: number;
  /** What is written between the two leaves as one; absent where each write leaves by itself. */
  cork?(): void;
  uncork?(): void;
  write(bytes: Uint8Array): boolean;
  /** No more is written; the other side may still write. */
  end(): unknown;
  /** Ends both directions at once. */
  destroy(): unknown;
  pause(): unknown;
  resume(): unknown;
  /** Called while bytes are given, says that the memory of those before them may be used again; absent where each have their own. */
  reuse?(): void;
  on(event: 'data', listener: (bytes: Uint8Array) => void): unknown;
  on(event: 'close' | 'drain' | 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/**
 * The answer that takes the connection over, with status 101 and the headers of the protocol chosen (`upgrade`, `sec-websocket-accept`, …;
 * `connection: Upgrade` is added). Only to a request that has `upgrade`. `accept` resolves when the protocol is over; the connection is then
 * ended, as it is when `accept` rejects or the server stops. Any other answer to such a request is a plain one and the end of its connection.
 */
export interface UpgradeBody {
  readonly kind: 'upgrade';
  accept(connection: UpgradedConnection): Promise<void>;
}

/** What an answer carries; each form is written to a socket in its own way. */
export type ResponseBody =
  | { readonly kind: 'empty' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** One object; `bytes()` gives its encoding, kept where it was encoded before, and `sliced()`, where it is long, the same in slices. */
  | { readonly kind: 'object'; readonly object: unknown; bytes(): Uint8Array; sliced?(): SlicedBytes }
  /** Bytes as they come, such as a log that is followed. */
  | { readonly kind: 'stream'; readonly chunks: AsyncIterable<Uint8Array> }
  /**
   * Watch events in order, those that are ready at one time in one batch. `ready` is another way to read the same frames, for whoever would
   * rather be called than wait; a body is read in one of the two ways.
   */
  | {
      readonly kind: 'watch';
      readonly batches: AsyncIterable<readonly WatchFrame[]>;
      readonly ready?: ReadyFrames;
    }
  | UpgradeBody;

/** One answer. Headers have lower-case names. */
export interface ApiResponse {
  readonly status: number;
  /** Includes `content-type` unless the body is empty. */
  readonly headers: HttpHeaders;
  readonly body: ResponseBody;
  /** Told the number of bytes of a body whose length is known when it is sent. */
  readonly sizes?: { observe(bytes: number): void };
}

/** An API as a function. */
export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>;
