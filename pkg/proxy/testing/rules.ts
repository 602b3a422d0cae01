/** Rules for tests of backends: those of a Service with one port, but for what a test says. */
import type { Rule, RuleEndpoint, RuleSet } from '../model/rule.ts';

/** A rule that leads from a cluster IP and a port to endpoints. */
export function makeRule(
  fields: Partial<Rule> & Pick<Rule, 'clusterIPs' | 'port'>,
  endpoints: readonly RuleEndpoint[],
): Rule {
  return {
    key: `shop/web:http:${fields.port}/TCP`,
    namespace: 'shop',
    serviceName: 'web',
    serviceUid: 'u1',
    portName: 'http',
    protocol: 'TCP',
    externalIPs: [],
    loadBalancerIPs: [],
    loadBalancerSourceRanges: [],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    internalEndpoints: endpoints,
    externalEndpoints: endpoints,
    ...fields,
  };
}

/** The rules as a backend is given them. */
export function setOf(...rules: readonly Rule[]): RuleSet {
  return new Map(rules.map((rule) => [rule.key, rule]));
}

/** An endpoint that is ready. */
export function endpointAt(port: number, ip = '127.0.0.1'): RuleEndpoint {
  return { ip, port, ready: true, serving: true, terminating: false };
}
