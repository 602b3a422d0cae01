import { expect, test } from 'vitest';
import type { Rule } from '../../model/rule.ts';
import { endpointAt, makeRule } from '../../testing/rules.ts';
import { type ElementOptions, serviceElements } from './service-elements.ts';
import { chainCommands } from './service-table.ts';

const [a, b] = [endpointAt(8080, '10.1.0.2'), endpointAt(8080, '10.1.0.3')];

function options(fields: Partial<ElementOptions> = {}): ElementOptions {
  let id = 6;
  return { memory: { slots: new Map(), ids: new Map() }, nextId: () => ++id, ...fields };
}

function linesOf(rule: Rule, given = options()): readonly string[] {
  return serviceElements(rule, given).map(({ set, key, value }) =>
    value === undefined ? `${set} ${key}` : `${set} ${key} : ${value}`,
  );
}

const rule = (fields: Partial<Rule>, endpoints = [a, b]) =>
  makeRule({ clusterIPs: ['10.96.0.1'], port: 80, ...fields }, endpoints);

test('a cluster IP and a node port lead to the endpoints by their number', () => {
  expect(linesOf(rule({ nodePort: 30_080 }))).toEqual([
    'cluster-ips4 10.96.0.1',
    'services4 10.96.0.1 . tcp . 80 : goto pick-services-2-4',
    'services-endpoints4 10.96.0.1 . tcp . 80 . 0 : 10.1.0.2 . 8080',
    'services-endpoints4 10.96.0.1 . tcp . 80 . 1 : 10.1.0.3 . 8080',
    'node-ports4 tcp . 30080 : goto pick-node-ports-2-masquerade-4',
    'node-ports-endpoints4 tcp . 30080 . 16384 : 10.1.0.2 . 8080',
    'node-ports-endpoints4 tcp . 30080 . 16385 : 10.1.0.3 . 8080',
    'hairpins4 10.1.0.2 . 10.1.0.2',
    'hairpins4 10.1.0.3 . 10.1.0.3',
  ]);
});

test('endpoints that stay keep their number when another goes', () => {
  const given = options();
  linesOf(rule({}, [a, b, endpointAt(1, '10.1.0.4')]), given);
  const now = linesOf(rule({}, [b, endpointAt(1, '10.1.0.4')]), given);
  expect(now.filter((line) => line.startsWith('services-endpoints'))).toEqual([
    'services-endpoints4 10.96.0.1 . tcp . 80 . 0 : 10.1.0.4 . 1',
    'services-endpoints4 10.96.0.1 . tcp . 80 . 1 : 10.1.0.3 . 8080',
  ]);
});

test('without endpoints the address is refused; with some elsewhere under the policy Local it is dropped from outside and leads there from inside', () => {
  expect(linesOf(rule({}, []))).toEqual(['cluster-ips4 10.96.0.1', 'refused4 10.96.0.1 . tcp . 80']);
  const local = rule(
    { clusterIPs: [], externalIPs: ['192.0.2.1'], externalTrafficPolicy: 'Local', clusterEndpoints: [a] },
    [],
  );
  expect(linesOf(local, options({ nodeName: 'n1' }))).toEqual([
    'dropped4 192.0.2.1 . tcp . 80',
    'inside4 192.0.2.1 . tcp . 80 : goto pick-inside-1-4',
    'inside-endpoints4 192.0.2.1 . tcp . 80 . 0 : 10.1.0.2 . 8080',
    'hairpins4 10.1.0.2 . 10.1.0.2',
  ]);
});

test('a load balancer address lets in whom its ranges name, each range once', () => {
  const guarded = (ranges: readonly string[]) =>
    linesOf(rule({ clusterIPs: [], loadBalancerIPs: ['192.0.2.1'], loadBalancerSourceRanges: ranges }, [a])).filter(
      (line) => /guarded|allowed/.test(line),
    );
  expect(guarded(['10.1.0.0/16', '10.0.0.0/8', 'fd00::/8', '10.0.0.0/8'])).toEqual([
    'guarded4 192.0.2.1 . tcp . 80',
    'allowed4 192.0.2.1 . tcp . 80 . 10.0.0.0/8',
  ]);
  expect(guarded(['0.0.0.0/0', '10.0.0.0/8'])).toEqual([]);
});

test('clients that stay do so at all addresses of a Service', () => {
  const lines = linesOf(rule({ nodePort: 30_080, sessionAffinity: { timeoutSeconds: 100 } }, [a]));
  expect(lines.filter((line) => /ids|remembered|goto/.test(line))).toEqual([
    'services4 10.96.0.1 . tcp . 80 : goto stay-services-1-4',
    'services-ids4 10.96.0.1 . tcp . 80 : 7',
    'remembered 7 : goto remember-100',
    'node-ports4 tcp . 30080 : goto stay-node-ports-1-masquerade-4',
    'node-ports-ids4 tcp . 30080 : 7',
    'remembered 7 : goto remember-100',
  ]);
});

test('chains are made from their names', () => {
  expect(chainCommands('inet t', 'pick-services-2-4')).toEqual([
    'add chain inet t pick-services-2-4',
    'add rule inet t pick-services-2-4 meta mark set numgen random mod 2 offset 0',
    'add rule inet t pick-services-2-4 dnat ip to ip daddr . meta l4proto . th dport . meta mark map @services-endpoints4',
  ]);
  expect(chainCommands('inet t', 'stay-node-ports-3-masquerade-6')[1]).toContain('jhash ip6 saddr mod 3');
  expect(() => chainCommands('inet t', 'pick-nothing-2-4')).toThrow();
});
