/**
 * A transport for what is passed on and not understood: any method, headers and bodies as they are, answers as they come, upgrades taken through. What
 * the API server reaches kubelets, pods and Services by. Invariants: nothing of a body is kept but what is on its way; when who asked goes, so does
 * the connection; headers that concern one connection alone stay with it.
 * Upstream counterpart: `net/http/httputil` `ReverseProxy`, apimachinery `util/proxy/upgradeaware.go`.
 */

import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hopHeaders } from '#pkg/apimachinery/hop-headers.ts';
import type { ApiRequest, ApiResponse, HttpHeaders, ResponseBody, UpgradedConnection } from '#pkg/apimachinery/http.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { trusting } from '#pkg/pki/trust.ts';
import type { Transport } from './client.ts';

/** A server, and how it is spoken to. */
export interface ForwardTarget {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** PEM of the authority of its certificate; absent: any certificate is taken, unless `verifies` says otherwise. */
  readonly ca?: string;
  /** Whether its certificate has to be good; without `ca` to the authorities of the system. Default: where there is `ca`. */
  readonly verifies?: boolean;
  /** What it is shown, PEM. */
  readonly cert?: string;
  readonly key?: string;
  /** Name to verify its certificate against, if not the host. */
  readonly serverName?: string;
  /** Whether connections are used again. Default true. */
  readonly keepsConnections?: boolean;
  /** How long one that nobody uses is kept, in milliseconds. Default: `keepAliveMs`. */
  readonly keepsIdleMs?: number;
}

/** Headers beside those of a request; one with several values is sent as often. */
export type MoreHeaders = Readonly<Record<string, string | readonly string[]>>;

/** A transport with connections of its own, which whoever made it closes. */
export interface ForwardTransport extends Transport {
  /** `request` with more headers. */
  send(request: ApiRequest, more: MoreHeaders): Promise<ApiResponse>;
  /** Ends all connections. */
  close(): void;
}

/** Connections to one target at a time, upgraded ones apart; more requests wait. */
const connectionsMax = 256;
/** Idle connections that are kept. */
const idleConnectionsMax = 8;
/** Shorter than the 5 s after which Node's servers close an idle connection, so that a request does not meet the closing. */
const keepAliveMs = 4_000;
/** How long a target may take to accept a connection. Source: apimachinery `util/net` dial timeout. */
const connectMs = 30_000;

/** Passes requests on to one target. */
export function forwardTransport(target: ForwardTarget): ForwardTransport {
  const isTls = target.scheme === 'https';
  const settings = { keepAlive: true, maxFreeSockets: idleConnectionsMax, timeout: 0 };
  const agent = isTls
    ? new HttpsAgent({ ...settings, maxSockets: connectionsMax })
    : new HttpAgent({ ...settings, maxSockets: connectionsMax });
  // The agent ends a free one whose time is over.
  agent.on('free', (socket: Socket) => void socket.setTimeout(target.keepsIdleMs ?? keepAliveMs));
  const send = isTls ? requestHttps : requestHttp;
  const tls = isTls ? tlsOptions(target) : {};
  const exchange: ForwardTransport['send'] = (request, more) =>
    new Promise((resolve, reject) => {
      const { signal, upgrade, method } = request;
      const outgoing = send({
        host: target.host,
        port: target.port,
        method,
        path: request.query === '' ? request.path : `${request.path}?${request.query}`,
        headers: headersFor(request, target, more),
        // An upgraded connection is nobody else's.
        agent: upgrade === undefined && target.keepsConnections !== false ? agent : false,
        setHost: false,
        ...tls,
      });
      const leave = (): void => void outgoing.destroy();
      if (signal.aborted) leave();
      signal.addEventListener('abort', leave, { once: true });
      outgoing.on('socket', (socket) => {
        if (!socket.connecting) return void socket.setTimeout(0);
        const giveUp = (): void => void outgoing.destroy(new Error(`no connection after ${connectMs / 1000} s`));
        socket.setTimeout(connectMs, giveUp);
        socket.once('connect', () => socket.setTimeout(0, giveUp));
      });
      outgoing.on('error', (error) => reject(signal.aborted ? signal.reason : unreachable(error)));
      outgoing.on('response', (incoming) => {
        incoming.on('close', () => signal.removeEventListener('abort', leave));
        resolve({
          status: incoming.statusCode ?? 502,
          headers: headersOf(incoming),
          body: bodyOf(incoming, method),
        });
      });
      outgoing.on('upgrade', (incoming, socket, head) => {
        if (upgrade !== undefined) return resolve(upgraded(incoming, socket, head, signal));
        socket.destroy();
        reject(unreachable(new Error('it switched to a protocol that nobody asked for')));
      });
      sendBody(request, outgoing).catch((error: unknown) => {
        outgoing.destroy();
        reject(error);
      });
    });
  return {
    request: (request) => exchange(request, noHeaders),
    send: exchange,
    close: () => agent.destroy(),
  };
}

const noHeaders: MoreHeaders = {};

function tlsOptions({ ca, cert, key, serverName, verifies = ca !== undefined }: ForwardTarget) {
  return {
    rejectUnauthorized: verifies,
    ...trusting(ca),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function unreachable(error: unknown): unknown {
  return serviceUnavailable(`error trying to reach service: ${errorText(error)}`, error);
}

function headersFor(
  { headers, upgrade, body }: ApiRequest,
  { host, port }: ForwardTarget,
  more: MoreHeaders,
): Record<string, string | string[]> {
  const sent: Record<string, string | string[]> = { host: headers.host ?? `${host}:${port}` };
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !hopHeaders.has(name)) sent[name] = value;
  }
  for (const [name, value] of Object.entries(more)) sent[name] = typeof value === 'string' ? value : [...value];
  if (upgrade !== undefined) {
    sent.connection = 'Upgrade';
    sent.upgrade = headers.upgrade ?? upgrade;
  }
  if (body?.kind === 'bytes') sent['content-length'] = String(body.bytes.length);
  else if (body !== undefined && sent['content-length'] === undefined) sent['transfer-encoding'] = 'chunked';
  return sent;
}

interface Outgoing {
  write(bytes: Uint8Array): boolean;
  end(bytes?: Uint8Array | string): unknown;
  once(event: 'close' | 'drain', listener: () => void): unknown;
  readonly destroyed: boolean;
}

async function sendBody({ body }: ApiRequest, outgoing: Outgoing): Promise<void> {
  if (body === undefined) outgoing.end();
  else if (body.kind === 'bytes') outgoing.end(body.bytes);
  else if (body.kind === 'object') outgoing.end(jsonText(body.object));
  else {
    for await (const chunk of body.chunks()) {
      if (outgoing.destroyed) return;
      if (outgoing.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        outgoing.once('drain', resolve);
        outgoing.once('close', resolve);
      });
    }
    outgoing.end();
  }
}

function headersOf({ headers }: IncomingMessage): HttpHeaders {
  const kept: Record<string, string> = {};
  const named = (headers.connection ?? '').toLowerCase().split(',');
  const ofConnection = new Set(named.map((name) => name.trim()));
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || hopHeaders.has(name) || ofConnection.has(name)) continue;
    kept[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return kept;
}

function bodyOf(incoming: IncomingMessage, method: string): ResponseBody {
  const { statusCode = 0 } = incoming;
  if (method !== 'HEAD' && statusCode !== 204 && statusCode !== 304) return { kind: 'stream', chunks: incoming };
  incoming.resume();
  return { kind: 'empty' };
}

function upgraded(incoming: IncomingMessage, socket: Duplex, head: Buffer, signal: AbortSignal): ApiResponse {
  socket.on('error', () => socket.destroy());
  if (head.length > 0) socket.unshift(head);
  const leave = (): void => void socket.destroy();
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', leave));
  const { upgrade } = incoming.headers;
  return {
    status: incoming.statusCode ?? 101,
    headers: { ...headersOf(incoming), ...(upgrade === undefined ? {} : { upgrade }) },
    body: { kind: 'upgrade', accept: (connection) => join(connection, socket) },
  };
}

/** Carries bytes both ways, each at the pace of who takes them; an end is one of that direction. Resolves when the target has gone. */
async function join(client: UpgradedConnection, target: Duplex): Promise<void> {
  const over = new Promise<void>((resolve) => target.once('close', resolve));
  client.on('close', () => target.destroy());
  client.on('error', () => target.destroy());
  carry(client, target);
  carry(target, client);
  await over;
}

function carry(from: UpgradedConnection, to: UpgradedConnection): void {
  from.on('data', (bytes) => {
    if (!to.write(bytes)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
}
