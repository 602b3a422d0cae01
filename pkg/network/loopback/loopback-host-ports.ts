/**
 * Host ports on the loopback network: this process listens at the node's address and carries the bytes to the pod's. Like node ports they
 * answer at the node's own address alone, as several clusters of a machine share 127/8; nodes that share an address share its ports too.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { HostPort, HostPortFailure, HostPorts, PublishedPod } from '../host-ports.ts';
import { Connections } from '../relay/connections.ts';
import { fixedEndpoint } from '../relay/fixed-endpoint.ts';
import { connectionsMax, flowsMax } from '../relay/limits.ts';
import { addressKey, listenProblem } from '../relay/relay.ts';
import { TcpRelay } from '../relay/tcp-relay.ts';
import { Flows, UdpRelay } from '../relay/udp-relay.ts';

/** Where ports are opened. */
export interface LoopbackHostPortsOptions {
  readonly clock: Clock;
  /** Where ports answer that name no address. */
  readonly nodeAddress: string;
}

/** Host ports by sockets of this process. */
export function createLoopbackHostPorts(options: LoopbackHostPortsOptions): HostPorts {
  return new LoopbackHostPorts(options);
}

/** Addresses that mean all of the node's. */
const anyAddress: ReadonlySet<string> = new Set(['', '0.0.0.0', '::']);

type Relay = TcpRelay | UdpRelay;

interface Published {
  readonly podIp: string;
  /** By protocol and address. */
  readonly relays: Map<string, Relay>;
}

class LoopbackHostPorts implements HostPorts {
  readonly #options: LoopbackHostPortsOptions;
  readonly #connections = new Connections(connectionsMax);
  readonly #flows = new Flows(flowsMax);
  readonly #byOwner = new Map<string, Published>();

  constructor(options: LoopbackHostPortsOptions) {
    this.#options = options;
  }

  async publish(owner: string, pod: PublishedPod): Promise<readonly HostPortFailure[]> {
    // Pods of this network have one address.
    const podIp = pod.addresses[0] ?? '';
    if (this.#byOwner.get(owner)?.podIp !== podIp) await this.withdraw(owner);
    const { relays } = this.#byOwner.get(owner) ?? { relays: new Map<string, Relay>() };
    this.#byOwner.set(owner, { podIp, relays });
    const failures: HostPortFailure[] = [];
    for (const port of pod.ports) {
      const address = this.#addressOf(port);
      const key = `${port.protocol}/${addressKey(address)}`;
      if (relays.has(key)) continue;
      try {
        relays.set(key, await this.#open(port, podIp));
      } catch (error) {
        const message = `Cannot publish host port ${addressKey(address)}/${port.protocol} as ${listenProblem(error)}`;
        failures.push({ port, message });
      }
    }
    return failures;
  }

  async withdraw(owner: string): Promise<void> {
    const published = this.#byOwner.get(owner);
    this.#byOwner.delete(owner);
    for (const relay of published?.relays.values() ?? []) await relay.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byOwner.keys()].map((owner) => this.withdraw(owner)));
    await this.#connections.close();
  }

  #open(port: HostPort, podIp: string): Promise<Relay> {
    const chooser = fixedEndpoint({ ip: podIp, port: port.containerPort });
    const { clock } = this.#options;
    switch (port.protocol) {
      case 'TCP':
        return TcpRelay.open(this.#addressOf(port), { clock, chooser, connections: this.#connections });
      case 'UDP':
        return UdpRelay.open(this.#addressOf(port), { clock, chooser, flows: this.#flows });
      case 'SCTP':
        throw new Error('the loopback network knows TCP and UDP only');
    }
  }

  #addressOf({ hostIp, hostPort }: HostPort): { readonly ip: string; readonly port: number } {
    return { ip: anyAddress.has(hostIp) ? this.#options.nodeAddress : hostIp, port: hostPort };
  }
}
