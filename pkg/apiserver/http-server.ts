/**
 * Puts an `ApiHandler` on the network: HTTPS with optional client certificates, for the API server and for the kubelet alike.
 *
 * Express is the application, but requests for resources, which are nearly all there are, go past its router straight to the
 * handler: it has no route to find for them and costs more than answering does. Answers leave in one write, so that head and body
 * share a TLS record. Invariant: whatever a client sends or however it leaves, no request ends the process.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import express from 'express';
import type { ApiHandler, ApiRequest, ApiResponse, HttpHeaders, Peer, RequestBody } from '#pkg/apimachinery/http.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { parseTarget } from '#pkg/serving/request-target.ts';
import { bodyBytesMax, bodyTooLarge } from './endpoints/body.ts';
import { sendResponse } from './http-response.ts';
import { errorResponse } from './responses.ts';

/** How long an idle connection stays open: longer than clients keep theirs, so that it is they who close it. */
const keepAliveMs = 180_000;

/** How long answers under way may take to end once the server stops. */
const stopMs = 2_000;

/** Largest request line with headers, as long selectors are part of it. More is refused with 431. Source: Go `DefaultMaxHeaderBytes`. */
const headBytesMax = 1024 * 1024;

/**
 * What is read and thrown away of a body over the limit, as most clients look at the answer only once they have sent everything. Who
 * sends more, or takes longer, finds the connection closed.
 */
const refusedBytesMax = 64 * 1024 * 1024;
const refusedMsMax = 10_000;

export interface HttpsServerOptions {
  readonly handler: ApiHandler;
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** PEM of the authority that signs client certificates; without it certificates of clients are not looked at. */
  readonly clientCa?: string | Buffer;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface HttpsServer {
  /** Binds and resolves with the address; rejects when it is taken. */
  listen(address: { readonly host: string; readonly port: number }): Promise<AddressInfo>;
  /** Serves until `signal` is aborted and all connections are closed. */
  run(signal: AbortSignal): Promise<void>;
}

export function createHttpsServer(options: HttpsServerOptions): HttpsServer {
  const { handler, cert, key, clientCa, clock, log } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const serving: Serving = { handler, clock, log };
  app.use((request, response) => serve(request, response, serving));
  const server = createServer(
    {
      cert,
      key,
      // An authority that is not ours proves nothing: such a client is anonymous rather than refused.
      ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
      keepAliveTimeout: keepAliveMs,
      noDelay: true,
      maxHeaderSize: headBytesMax,
      // Watches have no end, so neither have the requests that carry them.
      requestTimeout: 0,
    },
    (request, response) => {
      if (isResourcePath(request.url)) serve(request, response, serving);
      else app(request, response);
    },
  );
  server.on('clientError', (error, socket) => refuse(error, socket as Socket));
  server.on('tlsClientError', (error) => log.debug('TLS handshake failed', { error }));
  return { listen: (address) => listen(server, address), run: (signal) => run(server, { signal, clock }) };
}

function isResourcePath(url: string | undefined): boolean {
  return url !== undefined && (url.startsWith('/api/v1/') || (url.startsWith('/apis/') && url.length > 6));
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

async function run(server: Server, { signal, clock }: { signal: AbortSignal; clock: Clock }): Promise<void> {
  const stopped = new Promise<void>((resolve) => server.once('close', () => resolve()));
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  server.close();
  server.closeIdleConnections();
  const timer = new AbortController();
  await Promise.race([stopped, sleep(clock, stopMs, timer.signal)]);
  timer.abort();
  server.closeAllConnections();
  await stopped;
}

interface Serving {
  readonly handler: ApiHandler;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Answers one request. Never throws. */
function serve(request: IncomingMessage, response: ServerResponse, serving: Serving): void {
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  if (!hasBody || request.headers['content-length'] === '0') {
    answer(request, response, serving, undefined);
    return;
  }
  readBytes(request, (bytes) => {
    if (bytes === undefined) {
      send(response, request, errorResponse(bodyTooLarge()), serving.log);
      discardRest(request, serving.clock);
    } else {
      answer(request, response, serving, { kind: 'bytes', bytes });
    }
  });
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { handler, log }: Serving,
  body: RequestBody | undefined,
): void {
  handler(new NodeRequest(request, response, body)).then(
    (result) => send(response, request, result, log),
    (error: unknown) => send(response, request, errorResponse(error), log),
  );
}

function send(response: ServerResponse, request: IncomingMessage, result: ApiResponse, log: Logger): void {
  sendResponse(response, request, result).catch((error: unknown) => {
    log.debug('Answer ended early', { path: request.url, error });
    response.destroy();
  });
}

/** Collects a body; undefined when it is longer than the limit, of which the rest is not read. */
function readBytes(request: IncomingMessage, done: (bytes: Uint8Array | undefined) => void): void {
  const chunks: Buffer[] = [];
  let length = Number(request.headers['content-length'] ?? 0);
  if (length > bodyBytesMax) {
    done(undefined);
    return;
  }
  length = 0;
  const onData = (chunk: Buffer): void => {
    length += chunk.length;
    if (length > bodyBytesMax) {
      request.removeListener('data', onData);
      request.removeListener('end', onEnd);
      done(undefined);
    } else {
      chunks.push(chunk);
    }
  };
  const onEnd = (): void => done(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length));
  request.on('data', onData);
  request.on('end', onEnd);
  // The client is gone: there is nobody to answer, and `close` follows.
  request.on('error', () => request.destroy());
}

/** Reads what still comes of a body that nobody wants, within bounds. */
function discardRest(request: IncomingMessage, clock: Clock): void {
  const over = new AbortController();
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > refusedBytesMax) request.destroy();
  });
  request.once('close', () => over.abort());
  void sleep(clock, refusedMsMax, over.signal).then((isLate) => {
    if (isLate) request.destroy();
  });
}

/** A request from the network. The signal is made only when it is asked for: most answers are sent before anybody could leave. */
class NodeRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: HttpHeaders;
  readonly body?: RequestBody;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #abort: AbortController | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, body: RequestBody | undefined) {
    const { path, query } = parseTarget(request.url);
    this.method = request.method ?? 'GET';
    this.path = path;
    this.query = query;
    this.headers = request.headers as HttpHeaders;
    if (body !== undefined) this.body = body;
    this.#request = request;
    this.#response = response;
  }

  get peer(): Peer {
    return peerOf(this.#request.socket as TLSSocket);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.#response.destroyed) abort.abort();
      else this.#response.once('close', () => abort.abort());
    }
    return this.#abort.signal;
  }
}

const peers = new WeakMap<TLSSocket, Peer>();

/** Who is at the other end of a connection, worked out once for it. */
function peerOf(socket: TLSSocket): Peer {
  let peer = peers.get(socket);
  if (peer === undefined) {
    peer = describePeer(socket);
    peers.set(socket, peer);
  }
  return peer;
}

function describePeer(socket: TLSSocket): Peer {
  const address = socket.remoteAddress ?? '';
  if (!socket.authorized) return { address };
  const presented = socket.getPeerCertificate();
  const subject = presented.subject as unknown as Record<string, string | string[] | undefined> | undefined;
  if (subject === undefined) return { address };
  const { CN = '', O: organization = [] } = subject;
  const commonName = Array.isArray(CN) ? CN[0]! : CN;
  const organizations = Array.isArray(organization) ? organization : [organization];
  const sha256 = presented.fingerprint256.replaceAll(':', '').toLowerCase();
  return { address, certificate: { commonName, organizations, sha256 } };
}

/** What is not HTTP gets one line and the end of its connection. Source: Go `net/http` `server.go`. */
function refuse(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const line = `${status} ${STATUS_CODES[status]}`;
  socket.end(`HTTP/1.1 ${line}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${line}`);
}
