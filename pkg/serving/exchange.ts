/**
 * One request from the network and the way to answer it. The signal is made only when it is asked for: most answers are sent before anybody could
 * leave.
 */
import type { ApiRequest, HttpHeaders, Peer } from '#pkg/apimachinery/http.ts';
import type { Connection } from './connections.ts';
import { type BodyCarrier, type BodyRoom, IncomingBody } from './incoming-body.ts';
import type { Incoming, Outgoing } from './message.ts';
import { parseTarget } from './request-target.ts';

/** What Node says of a request besides the request. */
export interface ExchangeOptions {
  readonly connection: Connection;
  /** The client sends its body only when it is told to. */
  readonly waitsForContinue: boolean;
  /** The protocol that the connection may go on with. */
  readonly upgrade?: string;
  /** What the request comes by where that is not all of the connection. */
  readonly stream?: StreamCarrier;
}

/** A stream of a connection of HTTP/2. */
export interface StreamCarrier extends BodyCarrier {
  /** The request is its head alone. */
  readonly isBodiless: boolean;
}

/** A request as handlers see it, with the response that its answer is written to. */
export class Exchange implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: HttpHeaders;
  readonly body?: IncomingBody;
  readonly upgrade?: string;
  readonly request: Incoming;
  readonly response: Outgoing;
  readonly connection: Connection;
  readonly carrier: BodyCarrier;
  isHeld = false;
  #abort: AbortController | undefined;

  constructor(request: Incoming, response: Outgoing, room: BodyRoom, options: ExchangeOptions) {
    const { path, query } = parseTarget(request.url);
    this.method = request.method ?? 'GET';
    this.path = path;
    this.query = query;
    this.headers = request.headers as HttpHeaders;
    this.request = request;
    this.response = response;
    this.connection = options.connection;
    this.carrier = options.stream ?? options.connection;
    if (hasBody(this.headers, options.stream)) this.body = new IncomingBody(this, room, options);
    if (options.upgrade !== undefined) this.upgrade = options.upgrade;
  }

  get peer(): Peer {
    return this.connection.peer;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.response.destroyed || this.response.writableEnded) abort.abort();
      else this.response.once('close', () => abort.abort());
    }
    return this.#abort.signal;
  }

  /** The client still sends what nobody has read, so that the connection cannot be used again. */
  get isUnread(): boolean {
    return this.body !== undefined && !this.request.complete;
  }
}

function hasBody(headers: HttpHeaders, stream: StreamCarrier | undefined): boolean {
  const length = headers['content-length'];
  if (stream !== undefined) return !stream.isBodiless && length !== '0';
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
}
