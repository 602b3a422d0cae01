/**
 * The proxy: listens on the ports of a routing table and answers by it. A new table is taken up between two requests: what is under way ends by the one
 * that it began with, connections stay, and a port that is in both tables is never closed. A port that has gone takes no new connections, and the
 * ones that it has end with their requests.
 */
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { hostMatches } from '../model/hostnames.ts';
import { listenerFor } from '../model/match.ts';
import type { CertificatePair, PortTable, RoutingTable } from '../model/table.ts';
import { type Arrival, type Decision, decide } from './choose.ts';
import { type HeaderMap, headerEdits, toNode } from './edits.ts';
import { answer, type ForwardDeps, type Forwarding, forward, forwardUpgrade, refuseUpgrade } from './forward.ts';

/** What the proxy works with. */
export interface GatewayProxyOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Where it listens. */
  readonly address: string;
}

/** Connections of a port; more are closed at once, so that the pod's memory has a bound. */
const connectionsMax = 4_096;
/** A client that says nothing for so long between two requests is let go. */
const idleMs = 60_000;
const headersMs = 30_000;
/** Connections to backends that are kept while nobody uses them. */
const idleBackendsMax = 64;

interface OpenPort {
  readonly server: Server;
  /** The same server, where it speaks TLS. */
  readonly secure: SecureServer | undefined;
  table: PortTable;
  /** Resolves once it listens, or cannot. */
  readonly listening: Promise<void>;
}

/** Listens and forwards until it is closed. */
export class GatewayProxy {
  readonly #options: GatewayProxyOptions;
  readonly #ports = new Map<number, OpenPort>();
  readonly #contexts = new Map<string, SecureContext>();
  readonly #deps: ForwardDeps & { readonly agent: Agent };

  constructor(options: GatewayProxyOptions) {
    this.#options = options;
    const agent = new Agent({ keepAlive: true, maxFreeSockets: idleBackendsMax });
    this.#deps = { clock: options.clock, random: options.random, agent };
  }

  /** Takes up a table; resolves once its ports are listened on. A port that cannot be had is told in the log and tried again with the next table. */
  async update(table: RoutingTable): Promise<void> {
    for (const [port, open] of this.#ports) {
      const next = table.ports.get(port);
      if (next !== undefined && next.protocol === open.table.protocol) this.#exchange(open, next);
      else void this.#shut(port, open);
    }
    for (const [port, next] of table.ports) if (!this.#ports.has(port)) this.#open(port, next);
    this.#forgetContexts(table);
    await Promise.all([...this.#ports.values()].map(({ listening }) => listening));
  }

  /** Takes no new connections; resolves when the last request is answered. */
  async close(): Promise<void> {
    const closed = [...this.#ports].map(([port, open]) => this.#shut(port, open));
    await Promise.all(closed);
    this.#deps.agent.destroy();
  }

  #open(port: number, table: PortTable): void {
    const { address, log } = this.#options;
    const limits = { keepAliveTimeout: idleMs, headersTimeout: headersMs, requestTimeout: 0 };
    const secure =
      table.protocol === 'HTTP'
        ? undefined
        : createSecureServer({ ...limits, SNICallback: (name, done) => done(null, this.#contextFor(port, name)) });
    const server: Server = secure ?? createServer(limits);
    server.maxConnections = connectionsMax;
    server.on('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#request(port, request, response),
    );
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(port, request, { socket, head }),
    );
    const listening = new Promise<void>((resolve) => {
      server.once('listening', resolve);
      server.on('error', (error) => {
        log.warn('Cannot listen', { port, error });
        this.#ports.delete(port);
        resolve();
      });
      server.listen(port, address);
    });
    const open: OpenPort = { server, secure, table, listening };
    this.#ports.set(port, open);
    this.#exchange(open, table);
  }

  #exchange(open: OpenPort, table: PortTable): void {
    open.table = table;
    const pair = table.listeners.flatMap(({ certificates }) => certificates)[0];
    // For clients that name no host.
    if (pair !== undefined) open.secure?.setSecureContext({ cert: pair.certificate, key: pair.key });
  }

  #shut(port: number, { server }: OpenPort): Promise<void> {
    this.#ports.delete(port);
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
  }

  #contextFor(port: number, name: string): SecureContext | undefined {
    const table = this.#ports.get(port)?.table;
    const host = name.toLowerCase();
    const certificates = (table === undefined ? undefined : listenerFor(table, host))?.certificates ?? [];
    const pair =
      certificates.find(({ hosts }) => hosts.some((pattern) => hostMatches(pattern, host))) ?? certificates[0];
    return pair === undefined ? undefined : this.#contextOf(pair);
  }

  #contextOf({ certificate, key }: CertificatePair): SecureContext {
    const name = `${certificate}\n${key}`;
    const known = this.#contexts.get(name);
    if (known !== undefined) return known;
    const context = createSecureContext({ cert: certificate, key });
    this.#contexts.set(name, context);
    return context;
  }

  #forgetContexts({ ports }: RoutingTable): void {
    const pairs = [...ports.values()].flatMap(({ listeners }) => listeners.flatMap(({ certificates }) => certificates));
    const names = new Set(pairs.map(({ certificate, key }) => `${certificate}\n${key}`));
    for (const name of this.#contexts.keys()) if (!names.has(name)) this.#contexts.delete(name);
  }

  #request(port: number, request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {});
    request.on('error', () => {});
    const { decision, place } = this.#decide(port, request);
    if (decision.type === 'answer') answer(response, decision.status, decision.why);
    else if (decision.type === 'redirect') {
      const headers: HeaderMap = new Map([['location', [decision.location]]]);
      headerEdits('responseHeaders', decision.match.rule.filters)(headers);
      response.writeHead(decision.status, toNode(headers)).end();
    } else
      this.#trying(
        () => forward(this.#deps, { request, response }, { ...place, ...decision }),
        (why) => answer(response, 502, why),
      );
  }

  #upgrade(
    port: number,
    request: IncomingMessage,
    { socket, head }: { readonly socket: Socket; readonly head: Buffer },
  ): void {
    socket.on('error', () => socket.destroy());
    const { decision, place } = this.#decide(port, request);
    if (decision.type === 'forward')
      this.#trying(
        () => forwardUpgrade({ request, socket, head }, { ...place, ...decision }),
        (why) => refuseUpgrade(socket, 502, why),
      );
    else refuseUpgrade(socket, decision.type === 'answer' ? decision.status : 400, 'no route matches');
  }

  /** What Node refuses to send, such as a header with an odd value, is one client's trouble. */
  #trying(work: () => void, refuse: (why: string) => void): void {
    try {
      work();
    } catch (error) {
      refuse(errorText(error));
    }
  }

  #decide(port: number, request: IncomingMessage): { readonly decision: Decision; readonly place: Place } {
    const table = this.#ports.get(port)?.table;
    const place = placeOf(request, table);
    if (table === undefined || place === undefined)
      return {
        decision: { type: 'answer', status: table === undefined ? 404 : 400, why: 'no route matches' },
        place: nowhere,
      };
    return { decision: decide(table, place.arrival, this.#options.random), place };
  }
}

type Place = Pick<Forwarding, 'host' | 'path' | 'query' | 'scheme'> & { readonly arrival?: Arrival };

const nowhere: Place = { host: '', path: '/', query: '', scheme: 'http' };

/** What a request says of where it goes. Its path has no elements `.` and `..` any more. Undefined for what is no address. */
function placeOf(
  request: IncomingMessage,
  table: PortTable | undefined,
): (Place & { readonly arrival: Arrival }) | undefined {
  const scheme = table?.protocol === 'HTTPS' ? 'https' : 'http';
  const { url: target = '/', headers, socket } = request;
  const authority = target.startsWith('/') || target === '*' ? (headers.host ?? '') : undefined;
  const url = URL.parse(authority === undefined ? target : `${scheme}://${authority}${target === '*' ? '/' : target}`);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  const host = url.hostname.toLowerCase();
  const { pathname: path, search: query } = url;
  const port = table?.clientPort ?? 80;
  const name = socket instanceof TLSSocket ? socketName(socket) : undefined;
  const facts = {
    host,
    path,
    method: request.method ?? 'GET',
    header: (header: string) => request.headersDistinct[header]?.join(','),
    query: (parameter: string) => url.searchParams.get(parameter) ?? undefined,
  };
  return { host, path, query, scheme, arrival: { facts, at: { scheme, host, port, path, query }, serverName: name } };
}

/** The name that a client has asked for; false, or nothing, where it has named none, which the types do not tell. */
function socketName(socket: { readonly servername?: unknown }): string | undefined {
  const { servername } = socket;
  return typeof servername === 'string' && servername !== '' ? servername.toLowerCase() : undefined;
}
