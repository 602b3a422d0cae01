/**
 * The userspace backend: this process itself listens on the addresses of Services and carries the bytes. Needs no privileges where the
 * addresses are in 127/8, which Linux gives to everyone. Not transparent: an endpoint sees the proxy's address as its client's.
 * It does not serve SCTP. Upstream counterpart: kube-proxy `userspace`, until 1.25.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import { Connections } from '#pkg/network/relay/connections.ts';
import { connectionsMax, flowsMax } from '#pkg/network/relay/limits.ts';
import { addressKey, listenProblem } from '#pkg/network/relay/relay.ts';
import { TcpRelay } from '#pkg/network/relay/tcp-relay.ts';
import { Flows, UdpRelay } from '#pkg/network/relay/udp-relay.ts';
import type { Backend, RuleFailure } from '../../backend.ts';
import type { RuleSet } from '../../model/rule.ts';
import { AffinityTable } from './affinity.ts';
import { Balancer } from './balancer.ts';
import { endpointsOf, type Portal, planPortals } from './portals.ts';
import { sourceTest } from './source-ranges.ts';

/** Where node ports answer, and chance for choosing endpoints. */
export interface UserspaceBackendOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Where node ports are served; default 127.0.0.1 alone. `0.0.0.0` opens them to the network. */
  readonly nodePortAddresses?: readonly string[];
  /** Whether other proxies listen at the same addresses of this machine; default this one alone. */
  readonly sharesPorts?: boolean;
}

interface OpenPortal {
  readonly listener: TcpRelay | UdpRelay;
  /** What the listener was made for: another needs another. */
  readonly identity: string;
}

/** A backend that listens with sockets of this process. */
export function createUserspaceBackend(options: UserspaceBackendOptions): Backend {
  return new UserspaceBackend(options);
}

class UserspaceBackend implements Backend {
  readonly #options: UserspaceBackendOptions;
  readonly #open = new Map<string, OpenPortal>();
  /** By rule: all of its addresses share what they know of clients. */
  readonly #affinities = new Map<string, AffinityTable>();
  /** By rule and scope. */
  readonly #balancers = new Map<string, Balancer>();
  readonly #connections = new Connections(connectionsMax);
  readonly #flows = new Flows(flowsMax);

  constructor(options: UserspaceBackendOptions) {
    this.#options = options;
  }

  async sync(rules: RuleSet): Promise<readonly RuleFailure[]> {
    const nodePortAddresses = this.#options.nodePortAddresses ?? ['127.0.0.1'];
    const { portals, failures } = planPortals(rules, { nodePortAddresses });
    const wanted = new Map([...portals.values()].map((portal) => [balancerKeyOf(portal), portal]));
    for (const [key, portal] of wanted) this.#balancer(key, portal.rule.key).setTarget(targetOf(portal));
    for (const [key, { listener, identity }] of [...this.#open]) {
      const portal = portals.get(key);
      if (portal !== undefined && identityOf(portal) === identity) {
        if (listener instanceof UdpRelay) listener.dropStale();
        continue;
      }
      this.#open.delete(key);
      await listener.close();
    }
    for (const key of [...this.#balancers.keys()]) if (!wanted.has(key)) this.#balancers.delete(key);
    for (const key of [...this.#affinities.keys()]) if (!rules.has(key)) this.#affinities.delete(key);
    const refused = await Promise.all([...portals.values()].map((portal) => this.#openPortal(portal)));
    return [...failures, ...refused.filter((failure) => failure !== undefined)];
  }

  async close(): Promise<void> {
    const listeners = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(listeners.map(({ listener }) => listener.close()));
    await this.#connections.close();
  }

  #balancer(key: string, ruleKey: string): Balancer {
    let balancer = this.#balancers.get(key);
    if (balancer === undefined) {
      const affinity = this.#affinities.get(ruleKey) ?? new AffinityTable(this.#options.clock);
      this.#affinities.set(ruleKey, affinity);
      balancer = new Balancer({ affinity, random: this.#options.random });
      this.#balancers.set(key, balancer);
    }
    return balancer;
  }

  async #openPortal(portal: Portal): Promise<RuleFailure | undefined> {
    if (this.#open.has(portal.key)) return undefined;
    const { clock, sharesPorts = false } = this.#options;
    const options = {
      clock,
      sharesPort: sharesPorts,
      chooser: this.#balancer(balancerKeyOf(portal), portal.rule.key),
      letsIn: sourceTest(portal.allowed),
    };
    try {
      const listener =
        portal.protocol === 'TCP'
          ? await TcpRelay.open(portal, { ...options, connections: this.#connections })
          : await UdpRelay.open(portal, { ...options, flows: this.#flows });
      this.#open.set(portal.key, { listener, identity: identityOf(portal) });
      return undefined;
    } catch (error) {
      const address = addressKey(portal);
      return { rule: portal.rule, address, message: `Cannot listen on ${address} as ${listenProblem(error)}` };
    }
  }
}

function balancerKeyOf({ rule, scope }: Portal): string {
  return `${rule.key} ${scope}`;
}

function identityOf(portal: Portal): string {
  return `${balancerKeyOf(portal)} ${portal.allowed.join(',')}`;
}

function targetOf(portal: Portal) {
  const { sessionAffinity } = portal.rule;
  return { endpoints: endpointsOf(portal), ...(sessionAffinity === undefined ? {} : { sessionAffinity }) };
}
