/**
 * A UDP socket that carries datagrams to an endpoint and its answers back. A flow is a client's address and port: it keeps its endpoint
 * and a socket of its own towards it, until it was silent for `flowIdleMs` or its endpoint is gone.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { type Balancer, endpointKey } from './balancer.ts';
import { flowIdleMs } from './limits.ts';
import type { Portal } from './portals.ts';
import { sourceTest } from './source-ranges.ts';

/** Flows of the whole backend, the one silent longest first, so that a limit can be kept over all of them. */
export class Flows {
  readonly #limit: number;
  readonly #flows = new Map<string, () => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#flows.size;
  }

  /** Notes a new flow or its use; a new one beyond the limit ends the one silent longest. `end` ends it. */
  touch(key: string, end: () => void): void {
    if (!this.#flows.delete(key) && this.#flows.size >= this.#limit) this.#flows.values().next().value!();
    this.#flows.set(key, end);
  }

  remove(key: string): void {
    this.#flows.delete(key);
  }
}

export interface UdpPortalOptions {
  readonly clock: Clock;
  readonly balancer: Balancer;
  readonly flows: Flows;
}

/** Datagrams of a flow kept until its socket is connected, which takes one turn of the event loop; more are dropped. */
const unsentMax = 64;

interface Flow {
  readonly endpoint: string;
  readonly upstream: Socket;
  /** Undefined once the socket is connected. */
  unsent: Buffer[] | undefined;
  timer: Timer;
  lastMs: number;
}

export class UdpPortal {
  readonly #options: UdpPortalOptions;
  readonly #portalKey: string;
  readonly #socket: Socket;
  readonly #letsIn: (clientIp: string) => boolean;
  readonly #flows = new Map<string, Flow>();

  private constructor(portal: Portal, options: UdpPortalOptions) {
    this.#options = options;
    this.#portalKey = portal.key;
    this.#letsIn = sourceTest(portal.allowed);
    this.#socket = createSocket(portal.ip.includes(':') ? 'udp6' : 'udp4');
  }

  /** Binds; rejects with the system's error when the address cannot be had. */
  static async open(portal: Portal, options: UdpPortalOptions): Promise<UdpPortal> {
    const opened = new UdpPortal(portal, options);
    const socket = opened.#socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: portal.ip, port: portal.port, exclusive: true }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    // A client that is gone shows as an error of a later send; it concerns that client alone.
    socket.on('error', () => {});
    socket.on('message', (data, from) => opened.#forward(data, from.address, from.port));
    return opened;
  }

  /** Drops flows to endpoints that are not in the balancer's target any more. */
  dropStale(): void {
    const current = new Set(this.#options.balancer.target.endpoints.map(endpointKey));
    for (const [key, flow] of [...this.#flows]) if (!current.has(flow.endpoint)) this.#end(key);
  }

  async close(): Promise<void> {
    for (const key of [...this.#flows.keys()]) this.#end(key);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #forward(data: Buffer, address: string, port: number): void {
    const key = `${address}/${port}`;
    if (!this.#letsIn(address)) return;
    const flow = this.#flows.get(key) ?? this.#begin(key, address, port);
    if (flow === undefined) return;
    this.#use(key, flow);
    if (flow.unsent === undefined) flow.upstream.send(data);
    else if (flow.unsent.length < unsentMax) flow.unsent.push(data);
  }

  #begin(key: string, address: string, port: number): Flow | undefined {
    const { balancer, clock } = this.#options;
    const endpoint = balancer.pick(address);
    if (endpoint === undefined) return undefined;
    balancer.remember(address, endpoint);
    const upstream = createSocket(endpoint.ip.includes(':') ? 'udp6' : 'udp4');
    const flow: Flow = {
      endpoint: endpointKey(endpoint),
      upstream,
      unsent: [],
      timer: clock.setTimeout(() => this.#checkIdle(key), flowIdleMs),
      lastMs: clock.monotonicMs(),
    };
    this.#flows.set(key, flow);
    // Nobody listens at the endpoint: the client's next datagram may find another.
    upstream.on('error', () => this.#end(key));
    upstream.on('message', (data) => {
      this.#use(key, flow);
      this.#socket.send(data, port, address);
    });
    // Connected, so that only this endpoint can answer and its absence shows as an error.
    upstream.connect(endpoint.port, endpoint.ip, () => {
      const { unsent = [] } = flow;
      flow.unsent = undefined;
      for (const data of unsent) upstream.send(data);
    });
    return flow;
  }

  #use(key: string, flow: Flow): void {
    flow.lastMs = this.#options.clock.monotonicMs();
    this.#options.flows.touch(`${this.#portalKey} ${key}`, () => this.#end(key));
  }

  #checkIdle(key: string): void {
    const flow = this.#flows.get(key);
    if (flow === undefined) return;
    const leftMs = flow.lastMs + flowIdleMs - this.#options.clock.monotonicMs();
    if (leftMs <= 0) this.#end(key);
    else flow.timer = this.#options.clock.setTimeout(() => this.#checkIdle(key), leftMs);
  }

  #end(key: string): void {
    const flow = this.#flows.get(key);
    if (flow === undefined) return;
    this.#flows.delete(key);
    this.#options.flows.remove(`${this.#portalKey} ${key}`);
    flow.timer.cancel();
    flow.upstream.close();
  }
}
