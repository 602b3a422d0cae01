/** Which addresses the userspace backend listens on for a set of rules, and for which part of which rule. Pure. */
import { addressKey } from '#pkg/network/relay/relay.ts';
import type { RuleFailure } from '../../backend.ts';
import type { Rule, RuleEndpoint, RuleSet } from '../../model/rule.ts';

/** One address to listen on. */
export interface Portal {
  /** `TCP/127.0.0.1:80`; unique. */
  readonly key: string;
  readonly protocol: 'TCP' | 'UDP';
  readonly ip: string;
  readonly port: number;
  readonly rule: Rule;
  readonly scope: 'external' | 'internal';
  /** The only clients (CIDRs) that are let in; empty lets everyone in. */
  readonly allowed: readonly string[];
}

/** What is to be listened on, by protocol, address and port, and which rules cannot be served. */
export interface PortalPlan {
  readonly portals: ReadonlyMap<string, Portal>;
  readonly failures: readonly RuleFailure[];
}

/** The endpoints that a portal's traffic goes to. */
export function endpointsOf({ rule, scope }: Pick<Portal, 'rule' | 'scope'>): readonly RuleEndpoint[] {
  return scope === 'internal' ? rule.internalEndpoints : rule.externalEndpoints;
}

/**
 * The portals of all rules that have endpoints: without any, nobody listens, so that the system itself refuses. Of two rules that want
 * the same address the first keeps it.
 */
export function planPortals(rules: RuleSet, options: { readonly nodePortAddresses: readonly string[] }): PortalPlan {
  const portals = new Map<string, Portal>();
  const failures: RuleFailure[] = [];
  for (const rule of rules.values()) {
    if (rule.protocol === 'SCTP') {
      failures.push({
        rule,
        message: 'Cannot serve a port with protocol SCTP as the userspace proxy knows TCP and UDP only',
      });
      continue;
    }
    for (const { ip, port, scope, allowed } of addressesOf(rule, options.nodePortAddresses)) {
      if (endpointsOf({ rule, scope }).length === 0) continue;
      const key = `${rule.protocol}/${addressKey({ ip, port })}`;
      const holder = portals.get(key);
      if (holder === undefined) {
        portals.set(key, { key, protocol: rule.protocol, ip, port, rule, scope, allowed });
        continue;
      }
      const other = `${holder.rule.namespace}/${holder.rule.serviceName}`;
      const message = `Cannot listen on ${addressKey({ ip, port })} as Service ${other} has that address`;
      failures.push({ rule, address: addressKey({ ip, port }), message });
    }
  }
  return { portals, failures };
}

type Address = Pick<Portal, 'allowed' | 'ip' | 'port' | 'scope'>;

function addressesOf(rule: Rule, nodePortAddresses: readonly string[]): readonly Address[] {
  const { port, nodePort, loadBalancerSourceRanges } = rule;
  const everyone: readonly string[] = [];
  const forLoadBalancers = new Set(rule.loadBalancerIPs);
  const external = rule.externalIPs.filter((ip) => !forLoadBalancers.has(ip));
  const internal = (ip: string): Address => ({ ip, port, scope: 'internal', allowed: everyone });
  const outer = (ip: string, at: number, allowed: readonly string[]): Address => ({
    ip,
    port: at,
    scope: 'external',
    allowed,
  });
  return [
    ...rule.clusterIPs.map(internal),
    ...external.map((ip) => outer(ip, port, everyone)),
    ...[...forLoadBalancers].map((ip) => outer(ip, port, loadBalancerSourceRanges)),
    ...(nodePort === undefined ? [] : nodePortAddresses.map((ip) => outer(ip, nodePort, everyone))),
  ];
}
