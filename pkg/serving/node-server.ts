/**
 * What HTTP and HTTPS servers have in common: their connections are counted and have deadlines, what is no request is refused, and they end.
 * Invariants: nothing that a client sends, or how it leaves, throws past here; running out of descriptors is a line in the log; after `run` no
 * connection is left.
 */
import type { Server as HttpServer, IncomingMessage, ServerOptions, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { aborted, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Connection, Connections } from './connections.ts';
import type { ServingLimits } from './limits.ts';
import { lingerOn } from './linger.ts';
import { parseRefusal, refusalOf, writePlainRefusal, writeRefusal } from './refusals.ts';
import { Turns, takeAtPace } from './turns.ts';

/** Where a server listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** Of a socket that listens there already, such as one in another network namespace; the server closes it. */
  readonly descriptor?: number | undefined;
}

/** A server on the network. */
export interface NetworkServer {
  /** Binds and resolves with the address; rejects when it is taken. */
  listen(address: ListenAddress): Promise<AddressInfo>;
  /** Serves until `signal` is aborted and all connections are closed. */
  run(signal: AbortSignal): Promise<void>;
  /** How many connections there are. */
  readonly connectionCount: number;
}

/** What a request comes with. */
export interface Arrival {
  readonly connection: Connection;
  /** The client sends its body only when it is told to. */
  readonly waitsForContinue: boolean;
}

/** What is done with what comes. */
export interface NodeServerOptions {
  readonly connections: Connections;
  readonly limits: ServingLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Answers a request. Must not throw. */
  onRequest(request: IncomingMessage, response: ServerResponse, arrival: Arrival): void;
  /** Answers a request that asks for another protocol, on a connection that HTTP has let go of. Must not throw. */
  onUpgrade?(request: IncomingMessage, socket: Socket, upgrade: { connection: Connection; head: Buffer }): void;
}

/** What every server of Node is made with. Deadlines are `Connections`' matter; watches have no end, so neither have requests. */
export function nodeOptions(limits: ServingLimits): ServerOptions {
  return {
    keepAliveTimeout: limits.idleMs,
    noDelay: true,
    maxHeaderSize: limits.headBytesMax,
    headersTimeout: 0,
    requestTimeout: 0,
  };
}

/** Takes charge of a server that was made with `nodeOptions`. */
export function takeCharge(
  server: HttpServer,
  options: NodeServerOptions & { readonly isTls: boolean },
): NetworkServer {
  const { connections, clock, log, limits } = options;
  watchConnections(server, options);
  watchRequests(server, options);
  return {
    listen: ({ host, port, descriptor }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(descriptor === undefined ? { port, host } : { fd: descriptor }, () => {
          server.removeListener('error', reject);
          // Such as a connection that there is no descriptor for.
          server.on('error', (error) => connections.warn('Cannot accept a connection', { error }));
          resolve(server.address() as AddressInfo);
        });
      }),
    run: (signal) => run(server, connections, { signal, clock, limits, log }),
    get connectionCount() {
      return connections.size;
    },
  };
}

function watchConnections(
  server: HttpServer,
  { connections, isTls, log, limits, clock }: NodeServerOptions & { readonly isTls: boolean },
): void {
  server.on('connection', (raw: Socket) => {
    const isTaken = connections.add(raw) !== undefined;
    if (isTaken && !isTls) connections.open(raw, raw);
  });
  if (!isTls) return;
  server.prependListener('secureConnection', (socket: Socket) => connections.open(rawOf(socket) ?? socket, socket));
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    log.debug('TLS handshake failed', { error });
    const raw = rawOf(socket);
    if (error.code !== 'ERR_SSL_HTTP_REQUEST' || raw === undefined || !raw.writable) {
      socket.destroy();
      raw?.destroy();
      return;
    }
    writePlainRefusal(raw);
    raw.resume();
    lingerOn(raw, connections, clock.monotonicMs() + limits.lingerMs);
  });
}

/** The socket below a TLS socket. Node has no public name for it; a test holds that it is there. */
function rawOf(socket: Socket): Socket | undefined {
  return (socket as Socket & { readonly _parent?: Socket })._parent;
}

function watchRequests(server: HttpServer, options: NodeServerOptions): void {
  const { connections, onRequest, onUpgrade, clock, limits } = options;
  const turns = new Turns();
  const refuse = (socket: Socket, line: string): void => {
    writeRefusal(socket, line);
    lingerOn(socket, connections, clock.monotonicMs() + limits.lingerMs);
  };
  const arrive = (request: IncomingMessage, response: ServerResponse, waitsForContinue: boolean): void => {
    // What came along with what was refused.
    if (request.socket.writableEnded) return;
    takeAtPace(request.socket);
    const connection = connections.of(request.socket);
    const refusal = refusalOf(request);
    if (connection === undefined) request.socket.destroy();
    else if (refusal !== undefined) refuse(request.socket, refusal);
    else {
      connection.response = response;
      connection.cameSoFar();
      connections.asked(connection);
      turns.take(request.socket, response, () => onRequest(request, response, { connection, waitsForContinue }));
    }
  };
  server.on('request', (request, response) => arrive(request, response, false));
  server.on('checkContinue', (request, response) => arrive(request, response, true));
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket;
    // What follows the refusal is thrown away.
    if (socket.writableEnded) return;
    const response = connections.of(socket)?.response;
    const isAnswering = response?.headersSent === true && !response.writableFinished;
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) socket.destroy();
    else refuse(socket, parseRefusal(error));
  });
  if (onUpgrade === undefined) return;
  server.on('upgrade', (request: IncomingMessage, stream, head: Buffer) => {
    const socket = stream as Socket;
    socket.on('error', () => socket.destroy());
    const connection = connections.of(socket);
    const refusal = refusalOf(request);
    if (connection === undefined) socket.destroy();
    else if (refusal !== undefined) refuse(socket, refusal);
    else onUpgrade(request, socket, { connection, head });
  });
}

async function run(
  server: HttpServer,
  connections: Connections,
  {
    signal,
    clock,
    limits,
    log,
  }: Pick<NodeServerOptions, 'clock' | 'limits' | 'log'> & { readonly signal: AbortSignal },
): Promise<void> {
  await aborted(signal);
  const stopped = new Promise<void>((resolve) => {
    server.close((error) => {
      if (error !== undefined) log.debug('The server was not listening', { error });
      resolve();
    });
  });
  connections.leave();
  const timer = new AbortController();
  await Promise.race([stopped, sleep(clock, limits.stopMs, timer.signal)]);
  timer.abort();
  connections.destroyAll();
  await stopped;
}
