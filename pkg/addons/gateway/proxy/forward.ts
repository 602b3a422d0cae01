/**
 * Passes requests on to backends and their answers back, as streams that are read as fast as the other side takes them. What goes wrong on the way is
 * answered while that can be, and else ends both sides. Nothing is tried twice.
 */
import { type Agent, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import type { Clock } from '#pkg/base/clock.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Backend, CompiledMatch, Endpoint, Mirror } from '../model/table.ts';
import { oneOf } from './choose.ts';
import { editPath, endToEnd, type HeaderMap, headerEdits, toNode } from './edits.ts';

/** What forwarding works with. */
export interface ForwardDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Keeps connections to backends. */
  readonly agent: Agent;
}

/** A request that was decided about. */
export interface Forwarding {
  readonly match: CompiledMatch;
  readonly backend: Backend;
  readonly endpoint: Endpoint;
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  readonly host: string;
  readonly scheme: 'http' | 'https';
}

/** Of a mirrored body so much may wait for a backend that is slow; then the copy is given up. */
const mirrorBytesMax = 1 << 20;

/** Answers with one line of text. */
export function answer(response: ServerResponse, status: number, why: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  // Whoever is told so has perhaps not sent all of a body.
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(`${why}\n`);
}

/** Sends a request to its backend, and the answer to the client. */
export function forward(
  deps: ForwardDeps,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  forwarding: Forwarding,
): void {
  const { match, backend, endpoint } = forwarding;
  const headers = requestHeaders(request, forwarding);
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (!hasBody && !['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'].includes(request.method ?? ''))
    headers.set('content-length', ['0']);
  const outgoing = send({ ...target(request, { headers, endpoint, forwarding }), agent: deps.agent });
  const timers = [match.rule.requestTimeoutMs, match.rule.backendTimeoutMs]
    .filter((ms) => ms > 0)
    .map((ms) =>
      deps.clock.setTimeout(() => {
        answer(response, 504, 'the backend has not answered in time');
        outgoing.destroy();
      }, ms),
    );
  response.once('close', () => {
    for (const timer of timers) timer.cancel();
    outgoing.destroy();
  });
  outgoing.on('error', (error) => answer(response, 502, `the backend cannot be reached (${errorCode(error)})`));
  outgoing.on('response', (incoming) => {
    const answered = endToEnd(incoming.headersDistinct);
    headerEdits('responseHeaders', match.rule.filters, backend.filters)(answered);
    response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage, toNode(answered));
    pipeline(incoming, response, () => {});
  });
  mirror(deps, request, {
    mirrors: [...(match.rule.filters.mirrors ?? []), ...(backend.filters.mirrors ?? [])],
    headers,
    forwarding,
  });
  if (hasBody) pipeline(request, outgoing, () => {});
  else outgoing.end();
}

/** Opens an upgraded connection, such as a WebSocket, to the backend and joins both. */
export function forwardUpgrade(
  { request, socket, head }: { readonly request: IncomingMessage; readonly socket: Socket; readonly head: Buffer },
  forwarding: Forwarding,
): void {
  const { match, backend, endpoint } = forwarding;
  const headers = requestHeaders(request, forwarding);
  headers.set('connection', ['Upgrade']).set('upgrade', [request.headers.upgrade ?? '']);
  // A connection of its own: it is the client's from now on.
  const outgoing = send({ ...target(request, { headers, endpoint, forwarding }), agent: false });
  socket.once('close', () => outgoing.destroy());
  outgoing.on('error', (error) => refuseUpgrade(socket, 502, `the backend cannot be reached (${errorCode(error)})`));
  const head101 = (incoming: IncomingMessage): string => {
    const answered = endToEnd(incoming.headersDistinct);
    headerEdits('responseHeaders', match.rule.filters, backend.filters)(answered);
    answered.set('connection', ['Upgrade']).set('upgrade', [incoming.headers.upgrade ?? '']);
    return headText(101, 'Switching Protocols', answered);
  };
  outgoing.on('upgrade', (incoming, other: Socket, first) => {
    socket.write(head101(incoming));
    if (first.length > 0) socket.write(first);
    if (head.length > 0) other.write(head);
    pipeline(socket, other, socket, () => {});
  });
  outgoing.on('response', (incoming) => {
    const answered = endToEnd(incoming.headersDistinct);
    headerEdits('responseHeaders', match.rule.filters, backend.filters)(answered);
    answered.set('connection', ['close']);
    socket.write(headText(incoming.statusCode ?? 502, incoming.statusMessage ?? '', answered));
    pipeline(incoming, socket, () => {});
  });
  outgoing.end();
}

/** Refuses an upgrade with one line. */
export function refuseUpgrade(socket: Socket, status: number, why: string): void {
  if (socket.destroyed) return;
  const headers: HeaderMap = new Map([
    ['content-type', ['text/plain; charset=utf-8']],
    ['content-length', [String(Buffer.byteLength(why) + 1)]],
    ['connection', ['close']],
  ]);
  socket.end(`${headText(status, 'Refused', headers)}${why}\n`);
}

function headText(status: number, reason: string, headers: HeaderMap): string {
  const lines = [...headers].flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
  return [`HTTP/1.1 ${status} ${reason}`, ...lines, '', ''].join('\r\n');
}

/** The client's headers with what the rule changes, and who asked. */
function requestHeaders(request: IncomingMessage, { match, backend, host, scheme }: Forwarding): HeaderMap {
  const headers = endToEnd(request.headersDistinct);
  const { hostname } = match.rule.filters.rewrite ?? {};
  const from = [...(headers.get('x-forwarded-for') ?? []), request.socket.remoteAddress ?? ''];
  headers.set('x-forwarded-for', [from.join(', ')]).set('x-forwarded-proto', [scheme]);
  headers.set('x-forwarded-host', [request.headers.host ?? host]);
  if (hostname !== undefined) headers.set('host', [hostname]);
  headerEdits('requestHeaders', match.rule.filters, backend.filters)(headers);
  return headers;
}

function target(
  { method = 'GET' }: IncomingMessage,
  {
    headers,
    endpoint,
    forwarding,
  }: { readonly headers: HeaderMap; readonly endpoint: Endpoint; readonly forwarding: Forwarding },
) {
  const { match, path, query } = forwarding;
  return {
    host: endpoint.address,
    port: endpoint.port,
    method,
    path: `${editPath(path, match, match.rule.filters.rewrite?.path)}${query}`,
    headers: toNode(headers),
    setHost: false,
  };
}

/** Sends copies, whose answers nobody waits for. */
function mirror(
  deps: ForwardDeps,
  request: IncomingMessage,
  {
    mirrors,
    headers,
    forwarding,
  }: { readonly mirrors: readonly Mirror[]; readonly headers: HeaderMap; readonly forwarding: Forwarding },
): void {
  for (const { endpoints, share, of } of mirrors) {
    if (share < of && deps.random.next() * of >= share) continue;
    const endpoint = oneOf(endpoints, deps.random);
    if (endpoint === undefined) continue;
    const copy = send({ ...target(request, { headers, endpoint, forwarding }), agent: deps.agent });
    copy.on('error', () => {}).on('response', (incoming) => incoming.resume());
    request.on('data', (chunk: Buffer) => {
      if (!copy.destroyed && !copy.write(chunk) && copy.writableLength > mirrorBytesMax) copy.destroy();
    });
    request.once('end', () => copy.end());
    request.once('close', () => void (request.complete || copy.destroy()));
  }
}
