/**
 * Plain HTTP for the pages of components: health, metrics, health checks of Services. The same deadlines and refusals as for HTTPS, and few
 * connections, as probes and scrapers are few. Invariant: whatever the listener does, no request ends the process.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { Connections } from './connections.ts';
import { defaultLimits, type ServingLimits } from './limits.ts';
import { createServer } from './node-http.ts';
import { type NetworkServer, nodeOptions, takeCharge } from './node-server.ts';

/** Connections of one such server; those of a dozen probes and scrapers that keep theirs. */
const connectionsMax = 64;

/** A page's request has no body worth reading; what more there is ends the connection. */
const pageLimits: ServingLimits = {
  ...defaultLimits,
  connectionsMax,
  unknownMax: connectionsMax,
  headBytesMax: 64 * 1024,
  idleMs: 60_000,
};

/** A listener and what its server needs. */
export interface HttpServerOptions {
  /** Answers a request, at once or later. What it throws is answered with 500. */
  listener(request: IncomingMessage, response: ServerResponse): Promise<void> | void;
  readonly clock: Clock;
  readonly log: Logger;
  /** What differs from the limits of pages. */
  readonly limits?: Partial<ServingLimits>;
}

/** Makes a server, which neither listens nor runs yet. */
export function createHttpServer(options: HttpServerOptions): NetworkServer {
  const { listener, clock, log } = options;
  const limits = { ...pageLimits, ...options.limits };
  const connections = new Connections({ limits, clock, log });
  return takeCharge(createServer(nodeOptions(limits)), {
    connections,
    limits,
    clock,
    log,
    isTls: false,
    async onRequest(request, response, { waitsForContinue }) {
      try {
        // Nobody reads what comes with a page's request.
        if (waitsForContinue) response.setHeader('connection', 'close');
        else request.resume();
        await listener(request, response);
      } catch (error) {
        log.error('Request failed unexpectedly', { path: request.url, error });
        if (response.headersSent) response.destroy();
        else response.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error\n');
      }
    },
  });
}
