import { expect, test } from 'vitest';
import type { Service, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { diffRules, type RuleSet } from './rule.ts';
import { RuleTracker } from './rule-tracker.ts';
import { rulesOfService } from './service-rules.ts';

function makeService(spec: Partial<ServiceSpec> = {}, labels: Readonly<Record<string, string>> = {}): Service {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 'u1', labels },
    spec: { type: 'ClusterIP', clusterIP: '127.1.0.1', ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
  };
}

function makeSlice(name: string, ...endpoints: readonly Endpoint[]): EndpointSlice {
  return {
    metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  };
}

const ready = (ip: string, nodeName?: string): Endpoint => ({
  addresses: [ip],
  conditions: { ready: true, serving: true, terminating: false },
  ...(nodeName === undefined ? {} : { nodeName }),
});
const unready = (ip: string): Endpoint => ({ addresses: [ip], conditions: { ready: false } });
const ending = (ip: string, nodeName?: string): Endpoint => ({
  addresses: [ip],
  conditions: { ready: false, serving: true, terminating: true },
  ...(nodeName === undefined ? {} : { nodeName }),
});

test('a rule carries everything a backend needs', () => {
  const service = makeService({
    type: 'LoadBalancer',
    clusterIPs: ['127.1.0.1'],
    ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    externalIPs: ['192.0.2.1'],
    loadBalancerSourceRanges: [' 127.0.9.0/24 '],
    sessionAffinity: 'ClientIP',
    externalTrafficPolicy: 'Local',
  });
  const withIngress: Service = { ...service, status: { loadBalancer: { ingress: [{ ip: '127.2.0.1' }] } } };
  const slices = [makeSlice('s1', ready('10.0.0.1', 'n1'), ready('10.0.0.2', 'n2'))];
  const first = { ip: '10.0.0.1', port: 8080, nodeName: 'n1', ready: true, serving: true, terminating: false };
  const second = { ...first, ip: '10.0.0.2', nodeName: 'n2' };
  expect(rulesOfService(withIngress, slices, { nodeName: 'n2' })).toEqual([
    {
      key: 'shop/web:http:80/TCP',
      namespace: 'shop',
      serviceName: 'web',
      serviceUid: 'u1',
      portName: 'http',
      protocol: 'TCP',
      clusterIPs: ['127.1.0.1'],
      port: 80,
      nodePort: 30080,
      externalIPs: ['192.0.2.1'],
      loadBalancerIPs: ['127.2.0.1'],
      loadBalancerSourceRanges: ['127.0.9.0/24'],
      sessionAffinity: { timeoutSeconds: 10_800 },
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Local',
      internalEndpoints: [first, second],
      externalEndpoints: [second],
      clusterEndpoints: [first, second],
    },
  ]);
});

test.each<{
  readonly rule: string;
  readonly endpoints: readonly Endpoint[];
  readonly spec?: Partial<ServiceSpec>;
  readonly used: readonly string[];
}>([
  { rule: 'only ready endpoints', endpoints: [ready('a'), unready('b'), ending('c')], used: ['a'] },
  {
    rule: 'endpoints that end but still serve, where none is ready',
    endpoints: [unready('b'), ending('c')],
    used: ['c'],
  },
  { rule: 'none where none serves', endpoints: [unready('b')], used: [] },
  { rule: 'unknown readiness counts as ready', endpoints: [{ addresses: ['a'] }], used: ['a'] },
  {
    rule: 'local endpoints under the policy Local',
    endpoints: [ready('a', 'n1'), ready('b', 'here')],
    spec: { internalTrafficPolicy: 'Local' },
    used: ['b'],
  },
  {
    rule: 'local endpoints that end rather than ready ones elsewhere under the policy Local',
    endpoints: [ready('a', 'n1'), ending('b', 'here')],
    spec: { internalTrafficPolicy: 'Local' },
    used: ['b'],
  },
  {
    rule: 'nothing under the policy Local where nothing is local',
    endpoints: [ready('a', 'n1')],
    spec: { internalTrafficPolicy: 'Local' },
    used: [],
  },
])('traffic to the cluster IP goes to $rule', ({ endpoints, spec, used }) => {
  const [rule] = rulesOfService(makeService(spec), [makeSlice('s', ...endpoints)], { nodeName: 'here' });
  expect(rule!.internalEndpoints.map(({ ip }) => ip)).toEqual(used);
});

test.each<[string, Service]>([
  ['headless', makeService({ clusterIP: 'None' })],
  ['names of elsewhere', makeService({ type: 'ExternalName', externalName: 'example.com' })],
  ['of another proxy', makeService({}, { 'service.kubernetes.io/service-proxy-name': 'mesh' })],
  ['without a cluster IP yet', makeService({ clusterIP: '' })],
])('Services that are %s have no rules', (_, service) => {
  expect(rulesOfService(service, [makeSlice('s', ready('a'))], { nodeName: 'n' })).toEqual([]);
});

test('slices of one Service add up, ports are matched by name and protocol, and an address counts once', () => {
  const other: EndpointSlice = { ...makeSlice('s3', ready('z')), ports: [{ name: 'metrics', port: 9090 }] };
  const slices = [makeSlice('s1', unready('a'), ready('b')), makeSlice('s2', ready('a'), ready('c')), other];
  const [rule] = rulesOfService(makeService(), slices, { nodeName: 'n' });
  expect(rule!.internalEndpoints.map(({ ip }) => ip)).toEqual(['a', 'b', 'c']);
});

test('a change of one Service changes its rules alone, and a write without effect changes none', () => {
  const tracker = new RuleTracker({ nodeName: 'n' });
  const other: Service = { ...makeService({ clusterIP: '127.1.0.2' }), metadata: { name: 'db', namespace: 'shop' } };
  tracker.setService(makeService());
  tracker.setService(other);
  const empty = tracker.rules();
  tracker.setSlice(makeSlice('s1', ready('a')));
  const one = tracker.rules();
  const change = diffRules(empty, one);
  expect(change.added).toEqual([]);
  expect(change.removed).toEqual([]);
  expect(change.changed.map(({ rule }) => [rule.key, rule.internalEndpoints.length])).toEqual([
    ['shop/web:http:80/TCP', 1],
  ]);
  tracker.setService(makeService({}, { touched: 'yes' }));
  expect(tracker.rules()).toBe(one);
  tracker.removeSlice(makeSlice('s1'));
  tracker.removeService(other);
  const last = diffRules(one, tracker.rules());
  expect(last.removed.map(({ key }) => key)).toEqual(['shop/db:http:80/TCP']);
  expect(last.changed.map(({ rule }) => rule.internalEndpoints)).toEqual([[]]);
});

test('the difference between two states is that of plain sets, however they were made', () => {
  const random = new SeededRandom(3);
  const tracker = new RuleTracker({ nodeName: 'n' });
  const states: RuleSet[] = [tracker.rules()];
  const names = ['web', 'db', 'cache'];
  for (let step = 0; step < 200; step++) {
    for (let change = randomInt(random, 3); change >= 0; change--) {
      const name = names[randomInt(random, names.length)] ?? 'web';
      const ports = [80, 81, 82].filter(() => randomInt(random, 2) === 0);
      const service: Service = {
        ...makeService({ ports: ports.map((port) => ({ name: `p${port}`, port, protocol: 'TCP' })) }),
        metadata: { name, namespace: 'shop' },
      };
      if (randomInt(random, 4) === 0) tracker.removeService(service);
      else tracker.setService(service);
    }
    states.push(tracker.rules());
  }
  const sorted = ({ added, changed, removed }: ReturnType<typeof diffRules>): unknown => [
    added.map(({ key }) => key).toSorted(),
    changed.map(({ rule }) => rule.key).toSorted(),
    removed.map(({ key }) => key).toSorted(),
  ];
  for (const distance of [1, 2])
    for (let at = distance; at < states.length; at++) {
      const [before, after] = [states[at - distance]!, states[at]!];
      expect(sorted(diffRules(before, after))).toEqual(sorted(diffRules(new Map(before), new Map(after))));
    }
});

test('a proxy that stands for all nodes finds every endpoint local', () => {
  const [rule] = rulesOfService(
    makeService({ internalTrafficPolicy: 'Local' }),
    [makeSlice('s', ready('a', 'n1'), ready('b', 'n2'))],
    { nodeName: undefined },
  );
  expect(rule!.internalEndpoints.map(({ ip }) => ip)).toEqual(['a', 'b']);
});

test('slices may come before their Service', () => {
  const tracker = new RuleTracker({ nodeName: 'n' });
  tracker.setSlice(makeSlice('s1', ready('a')));
  expect(tracker.rules().size).toBe(0);
  tracker.setService(makeService());
  expect([...tracker.rules().values()].map((rule) => rule.internalEndpoints.map(({ ip }) => ip))).toEqual([['a']]);
});
