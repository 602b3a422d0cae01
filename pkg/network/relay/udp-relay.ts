/**
 * A UDP socket that carries datagrams to an endpoint and its answers back. A flow is a client's address and port: it keeps its endpoint
 * and a socket of its own towards it, until it was silent for `flowIdleMs` or its endpoint is gone.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { flowIdleMs } from './limits.ts';
import { addressKey, type RelayAddress, type RelayOptions } from './relay.ts';

/** Flows of several relays, the one silent longest first, so that a limit can be kept over all of them. */
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

/** Where to listen and what to count. */
export interface UdpRelayOptions extends RelayOptions {
  readonly clock: Clock;
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

/** One socket, from when it is bound until it is closed. */
export class UdpRelay {
  readonly #options: UdpRelayOptions;
  /** Tells flows of this relay from those of others. */
  readonly #key: string;
  readonly #socket: Socket;
  readonly #flows = new Map<string, Flow>();

  private constructor(address: RelayAddress, options: UdpRelayOptions) {
    this.#options = options;
    this.#key = addressKey(address);
    this.#socket = createSocket({
      type: address.ip.includes(':') ? 'udp6' : 'udp4',
      reusePort: options.sharesPort ?? false,
    });
  }

  /** Binds; rejects with the system's error when the address cannot be had. */
  static async open(address: RelayAddress, options: UdpRelayOptions): Promise<UdpRelay> {
    const opened = new UdpRelay(address, options);
    const socket = opened.#socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: address.ip, port: address.port, exclusive: true }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    // A client that is gone shows as an error of a later send; it concerns that client alone.
    socket.on('error', () => {});
    socket.on('message', (data, from) => opened.#forward(data, from.address, from.port));
    return opened;
  }

  /** Where it listens: what the system has chosen, where it was to. */
  get port(): number {
    return this.#socket.address().port;
  }

  /** Drops flows to endpoints that the chooser does not have any more. */
  dropStale(): void {
    const { chooser } = this.#options;
    for (const [key, flow] of [...this.#flows]) if (!chooser.has(flow.endpoint)) this.#end(key);
  }

  async close(): Promise<void> {
    for (const key of [...this.#flows.keys()]) this.#end(key);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #forward(data: Buffer, address: string, port: number): void {
    const key = `${address}/${port}`;
    if (this.#options.letsIn?.(address) === false) return;
    const flow = this.#flows.get(key) ?? this.#begin(key, address, port);
    if (flow === undefined) return;
    this.#use(key, flow);
    if (flow.unsent === undefined) flow.upstream.send(data);
    else if (flow.unsent.length < unsentMax) flow.unsent.push(data);
  }

  #begin(key: string, address: string, port: number): Flow | undefined {
    const { chooser, clock } = this.#options;
    const endpoint = chooser.pick(address);
    if (endpoint === undefined) return undefined;
    chooser.remember(address, endpoint);
    const upstream = createSocket(endpoint.ip.includes(':') ? 'udp6' : 'udp4');
    const flow: Flow = {
      endpoint: addressKey(endpoint),
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
    // Connected, so that only this endpoint can answer and its absence shows as an error. Not given to `connect` itself, which would call it after a failure too.
    upstream.once('connect', () => {
      const { unsent = [] } = flow;
      flow.unsent = undefined;
      for (const data of unsent) upstream.send(data);
    });
    upstream.connect(endpoint.port, endpoint.ip);
    return flow;
  }

  #use(key: string, flow: Flow): void {
    flow.lastMs = this.#options.clock.monotonicMs();
    this.#options.flows.touch(`${this.#key} ${key}`, () => this.#end(key));
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
    this.#options.flows.remove(`${this.#key} ${key}`);
    flow.timer.cancel();
    flow.upstream.close();
  }
}
