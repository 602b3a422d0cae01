/**
 * The dashboard's server: the page, what it asks for, and its WebSocket, at one port of this machine alone. It has no rights of its own: everything is asked of the API
 * server with the credentials of whoever signed in, which stay in this process. `refusalOf` (`../access/guard.ts`) decides before anything else whether
 * a request is answered at all.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { UpgradeBody } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { STATUS_CODES } from '#pkg/serving/node-http.ts';
import { parseTarget } from '#pkg/serving/request-target.ts';
import { webSocketAnswer } from '#pkg/serving/websocket/handshake.ts';
import { cookieOf } from '../access/cookie.ts';
import { type Refusal, refusalOf } from '../access/guard.ts';
import { securityHeaders } from '../access/headers.ts';
import { Sessions, sessionEnds } from '../access/sessions.ts';
import { SignInCode } from '../access/sign-in-code.ts';
import { Identities, type Identity } from './identities.ts';
import { dashboardAddress, dashboardHost, listenForDashboard, portOf } from './listen.ts';
import type { DashboardOptions } from './options.ts';
import { servePage } from './page-socket.ts';
import { createRoutes } from './routes.ts';

/** A server that listens. */
export interface Dashboard {
  /** `http://127.0.0.1:port/`. */
  readonly address: string;
  /** Ends all sessions and connections. */
  close(): Promise<void>;
}

/** Starts it; resolves once it listens. Rejects where the port is taken. */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { clock } = options;
  const sessions = new Sessions<Identity>({
    ...options.sessionLimits,
    clock,
    onEnd: (identity) => identities.release(identity),
  });
  const identities: Identities = new Identities(clock, (identity) => sessions.endAll(identity, sessionEnds.refused));
  const server = typeof options.port === 'number' ? await listenForDashboard(options.port) : options.port;
  const port = portOf(server);
  const hosts = [`${dashboardHost}:${port}`, `localhost:${port}`];
  const code = new SignInCode(options.onCode);
  const routes = await createRoutes({ ...options, port, sessions, identities, code });
  server.on('request', (request, response) => {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    const refusal = refusalOf(headOf(request), hosts);
    if (refusal === undefined) routes(request, response);
    else answer(response, refusal.status, refusal.reason);
  });
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request, socket, head) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    upgrade({ request, socket, head, hosts, port, sessions, clock });
  });
  return {
    address: dashboardAddress(server),
    close: async () => {
      sessions.close();
      for (const socket of sockets) socket.destroy();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await identities.settled();
    },
  };
}

function headOf({ method = '', url = '', headers }: IncomingMessage) {
  return { method, url, headers };
}

function answer(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify({ message: reason }));
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly hosts: readonly string[];
  readonly port: number;
  readonly sessions: Sessions<Identity>;
  readonly clock: Clock;
}

function upgrade(asked: Upgrade): void {
  const { request, socket, head, hosts } = asked;
  const refusal = refusalOf({ ...headOf(request), isUpgrade: true }, hosts);
  const answer = refusal ?? openSocket(asked);
  if ('reason' in answer) {
    refuse(socket, answer);
    return;
  }
  if (head.length > 0) socket.unshift(head);
  void answer.accept(socket).finally(() => socket.destroy());
}

/** Tells the page that it has its WebSocket, or says why not. */
function openSocket({ request, socket, port, sessions, clock }: Upgrade): Refusal | UpgradeBody {
  const { path, query } = parseTarget(request.url);
  const name = cookieOf(port, request.headers.cookie);
  const session = sessions.find(name);
  if (path !== '/socket') return { status: 404, reason: 'there is no such WebSocket' };
  if (session === undefined) return { status: 401, reason: 'sign in first' };
  const headers: Record<string, string> = {};
  for (const [key, value] of Object.entries(request.headers)) headers[key] = String(value);
  const answer = webSocketAnswer(
    { method: 'GET', path, query, headers, peer: { address: '' }, signal: session.signal },
    {
      choose: () => '',
      accept: (connection) => servePage(connection, { session, clock, onUse: () => void sessions.find(name) }),
    },
  );
  if (answer.body.kind !== 'upgrade') return { status: answer.status, reason: 'this is no request for a WebSocket' };
  const lines = Object.entries(answer.headers).map(([key, value]) => `${key}: ${value}\r\n`);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n${lines.join('')}\r\n`);
  return answer.body;
}

function refuse(socket: Duplex, { status, reason }: Refusal): void {
  const body = JSON.stringify({ message: reason });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
