/**
 * The transport over HTTP/1.1 and TLS, on undici: kept-alive connections, bodies encoded as JSON, answers as bytes, watches and
 * logs as streams that are read only as fast as their consumer asks. undici is loaded with the first request, so that what runs in one process never pays for it.
 */

import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import type { Pool } from 'undici';
import type { ApiRequest, ApiResponse, HttpHeaders, ResponseBody } from '#pkg/apimachinery/http.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { trusting } from '#pkg/pki/trust.ts';
import type { Transport } from './client.ts';
import { requestSignal } from './request-signals.ts';

/** The server and the credentials. */
export interface NetworkTransportOptions {
  /** `https://host:port`, with a path if the server is behind one. */
  readonly server: string;
  /** PEM of the authority that signed the server's certificate. Default: the system's authorities. */
  readonly ca?: string;
  /** PEM of the client certificate and its key. */
  readonly cert?: string;
  readonly key?: string;
  /** Bearer token; a function is asked at every request, for tokens that are renewed. */
  readonly token?: string | (() => string | undefined);
  /** Accepts any server certificate. */
  readonly insecure?: boolean;
  /** Name to verify the server's certificate against, if not the host of `server`. */
  readonly tlsServerName?: string;
}

/** A transport with connections of its own, which whoever made it closes. */
export interface NetworkTransport extends Transport {
  /** Closes idle connections and ends the others. */
  close(): Promise<void>;
}

/** Connections of one client: its watches hold one each, so this bounds them and the calls in flight; more wait in line. */
const connectionsMax = 256;
/** A server that sends no headers for this long has gone. Watches and logs send theirs at once. */
const headersTimeoutMs = 65_000;
const connectTimeoutMs = 10_000;
/** Shorter than the 5 s after which Node's servers close an idle connection, so that a request does not meet the closing. */
const keepAliveMs = 4_000;

/** A transport to one server. */
export function networkTransport(options: NetworkTransportOptions): NetworkTransport {
  const url = new URL(options.server);
  const basePath = url.pathname.replace(/\/$/, '');
  let pool: Promise<Pool> | undefined;
  return {
    async request(request) {
      pool ??= openPool(options, url);
      return send(await pool, { request, path: `${basePath}${request.path}`, token: tokenOf(options) });
    },
    async close() {
      if (pool !== undefined) await (await pool).destroy();
    },
  };
}

function tokenOf(options: NetworkTransportOptions): string | undefined {
  return typeof options.token === 'function' ? options.token() : options.token;
}

async function openPool(options: NetworkTransportOptions, url: URL): Promise<Pool> {
  const [undici, { createSecureContext }] = await Promise.all([import('undici'), import('node:tls')]);
  const { ca, cert, key } = options;
  const trusted = { ...trusting(ca), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // TLS sends no server name for an IP address; the certificate's address entries are checked instead.
  const servername = options.tlsServerName ?? (isIP(host) ? undefined : host);
  return new undici.Pool(url.origin, {
    connections: connectionsMax,
    pipelining: 1,
    keepAliveTimeout: keepAliveMs,
    headersTimeout: headersTimeoutMs,
    bodyTimeout: 0,
    // Else the server would choose HTTP/2, in which a request that is given up while its body leaves can hang the process in Node's own code.
    allowH2: false,
    connect: {
      timeout: connectTimeoutMs,
      rejectUnauthorized: options.insecure !== true,
      // One for all connections: to read certificates and key anew is half of what opening one costs.
      ...(url.protocol === 'https:' ? { secureContext: createSecureContext(trusted) } : {}),
      ...(servername === undefined ? {} : { servername }),
    },
  });
}

interface Outgoing {
  readonly request: ApiRequest;
  readonly path: string;
  readonly token: string | undefined;
}

async function send(pool: Pool, outgoing: Outgoing): Promise<ApiResponse> {
  const { request, path, token } = outgoing;
  const body = encode(request);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers[name] = value;
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const isEndless = request.signal === neverAborted;
  const own = isEndless || streams(request) ? undefined : requestSignal(request.signal);
  const signal = own?.signal ?? (isEndless ? undefined : request.signal);
  try {
    const response = await pool.request({
      method: request.method,
      path: request.query === '' ? path : `${path}?${request.query}`,
      headers,
      body: body ?? null,
      ...(signal === undefined ? {} : { signal }),
    });
    const isStream = response.statusCode < 300 && streams(request);
    const responseBody: ResponseBody = isStream
      ? { kind: 'stream', chunks: guarded(response.body, request.signal) }
      : { kind: 'bytes', bytes: new Uint8Array(await response.body.arrayBuffer()) };
    return { status: response.statusCode, headers: flatHeaders(response.headers), body: responseBody };
  } catch (error) {
    throw lost(error, request.signal);
  } finally {
    own?.leave();
  }
}

/** Whether the answer to a request comes bit by bit. */
function streams(request: ApiRequest): boolean {
  return request.method === 'GET' && /(?:^|&)(?:watch|follow)=(?:true|1)(?:&|$)/.test(request.query);
}

function encode({ body }: ApiRequest): Uint8Array | string | Readable | undefined {
  if (body === undefined) return undefined;
  if (body.kind === 'unread') return Readable.from(body.chunks());
  return body.kind === 'bytes' ? body.bytes : jsonText(body.object);
}

function flatHeaders(headers: Record<string, string | string[] | undefined>): HttpHeaders {
  const flat: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(headers)) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  return flat;
}

/** The chunks, with what ends them early as a `StatusError` or the signal's reason. */
async function* guarded(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    if (signal.aborted) return;
    throw lost(error, signal);
  }
}

/** What to throw for a request that got no answer. */
function lost(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const why = errorText(error);
  return serviceUnavailable(`the server is currently unable to handle the request: ${why}`, error);
}
