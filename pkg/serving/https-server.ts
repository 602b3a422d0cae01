/**
 * Puts an `ApiHandler` on the network: HTTPS (HTTP/2 for clients that ask for it) with optional client certificates, for the API server and for the kubelet alike. Requests go from
 * the connections of `node:https` straight to the handler, without a router between, as the request path has nothing to spend: those in the plain form
 * without Node's parser either.
 *
 * Invariants: whatever a client sends or however it leaves, no request ends the process; a body is not read before its handler asks for it;
 * every wait has a limit of `ServingLimits`.
 * Upstream counterpart: apiserver `server/secure_serving.go`, over Go's `net/http`.
 */

import type { Server } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { trusting } from '#pkg/pki/trust.ts';
import { answerExchange, type Serving } from './answer-exchange.ts';
import { BodyBudget } from './body-budget.ts';
import { Connections } from './connections.ts';
import { readDirectly } from './direct/direct-connection.ts';
import { Exchange } from './exchange.ts';
import { beginSession } from './http2-session.ts';
import { defaultLimits, type ServingLimits } from './limits.ts';
import { type NetworkServer, nodeOptions, takeCharge } from './node-server.ts';
import { Outbox } from './outbox.ts';
import { answerUpgrade, upgradeOf } from './upgrade.ts';
import { WatchRounds } from './watch-rounds.ts';

/** A handler and what its server needs. */
export interface HttpsServerOptions {
  readonly handler: ApiHandler;
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** PEM of the authority that signs client certificates; without it certificates of clients are not looked at. */
  readonly clientCa?: string | Buffer;
  readonly clock: Clock;
  readonly log: Logger;
  /** What differs from `defaultLimits`. */
  readonly limits?: Partial<ServingLimits>;
  /** Called before answers leave, once for all that leave together. Must not throw. Default: nothing is done. */
  beforeAnswers?(): void;
  /** Whether requests in the plain form pass Node's parser by (`direct/`). Default true; false is for comparing the two. */
  readonly isDirect?: boolean;
}

/** A server that can listen, and that whoever made it closes. */
export type HttpsServer = NetworkServer;

/** Makes a server, which neither listens nor runs yet. Throws when certificate and key do not go together. */
export function createHttpsServer(options: HttpsServerOptions): HttpsServer {
  const { handler, cert, key, clientCa, clock, log } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const server = createServer({
    cert,
    key,
    // A certificate that proves nothing is the handler's to refuse, in words: without TLS's own alert, as upstream does.
    ...(clientCa === undefined ? {} : { ...trusting(clientCa), requestCert: true, rejectUnauthorized: false }),
    ...nodeOptions(limits),
    ALPNProtocols: limits.streamsMax > 0 ? ['h2', 'http/1.1'] : ['http/1.1'],
    shouldUpgradeCallback: (request) => upgradeOf(request) !== undefined,
  });
  const budget = new BodyBudget(limits);
  const connections = new Connections({ limits, clock, log, onSweep: (nowMs) => budget.sweep(nowMs) });
  const { beforeAnswers } = options;
  const outbox = new Outbox({ clock, log, beforeAnswers });
  const rounds = new WatchRounds({ clock, log, outbox });
  const room = { budget, limits, clock };
  const serving: Serving = {
    handler,
    clock,
    log,
    limits,
    connections,
    outbox,
    rounds,
    room,
    holdsAnswers: beforeAnswers !== undefined,
  };
  takeConnections(server, serving, options.isDirect ?? true);
  return takeCharge(server, {
    connections,
    limits,
    clock,
    log,
    isTls: true,
    onRequest: (request, response, { connection, waitsForContinue }) =>
      void answerExchange(new Exchange(request, response, serving.room, { connection, waitsForContinue }), serving),
    onUpgrade: (request, socket, { connection, head }) => answerUpgrade({ request, socket, connection, head }, serving),
  });
}

/** Takes connections from Node's server: those that chose HTTP/2, of which it knows nothing, and others until they ask for what is not in the plain form. */
function takeConnections(server: Server, serving: Serving, isDirect: boolean): void {
  const begin = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    const giveToNode = (): void => {
      for (const listener of begin) Reflect.apply(listener, server, [socket]);
    };
    const connection = serving.connections.of(socket);
    if (connection === undefined) return;
    if (socket.alpnProtocol === 'h2') beginSession(socket, connection, serving);
    else if (isDirect) readDirectly({ socket, connection, serving, giveToNode });
    else giveToNode();
  });
}
