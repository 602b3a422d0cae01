/** What Services may ask for, and what becomes of their fields when they change. */
import { expect, test } from 'vitest';
import { type Change, createErrors, strategyOf, subresourceErrors, updateErrors } from '../../testing.ts';

const services = strategyOf('services');
const service = (spec: object = {}): object => ({
  metadata: { name: 'web', namespace: 'default', resourceVersion: '1' },
  spec: { ports: [{ port: 80 }], ...spec },
});
const allocated = { type: 'ClusterIP', clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'] };
const stickiness = (timeoutSeconds: number): object => ({
  sessionAffinity: 'ClientIP',
  sessionAffinityConfig: { clientIP: { timeoutSeconds } },
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  ['no ports', { ports: [] }, ['spec.ports: Required value']],
  ['no ports and no address', { ports: [], clusterIP: 'None' }, []],
  [
    'two ports without names',
    { ports: [{ port: 80 }, { port: 81 }] },
    ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
  ],
  [
    'two ports of one number',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 80 },
      ],
    },
    ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
  ],
  [
    'two ports of one name',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'a', port: 81 },
      ],
    },
    ['spec.ports[1].name: Duplicate value: "a"'],
  ],
  [
    'an unknown protocol',
    { ports: [{ port: 80, protocol: 'HTTP' }] },
    ['spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    'a target that is none',
    { ports: [{ port: 80, targetPort: 'A_' }] },
    [
      'spec.ports[0].targetPort: Invalid value: "A_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'spec.ports[0].targetPort: Invalid value: "A_": must contain at least one letter (a-z)',
    ],
  ],
  [
    'a node port of no node',
    { ports: [{ port: 80, nodePort: 30_000 }] },
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [
    'a protocol of applications that is none',
    { ports: [{ port: 80, appProtocol: 'a b' }] },
    [
      "spec.ports[0].appProtocol: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    'an unknown stickiness',
    { sessionAffinity: 'Glue' },
    ['spec.sessionAffinity: Unsupported value: "Glue": supported values: "ClientIP", "None"'],
  ],
  [
    'a stickiness of no time',
    stickiness(0),
    [
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400',
    ],
  ],
  [
    'a selector that is none',
    { selector: { 'a b': 'c' } },
    [
      "spec.selector: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    'an address that is none',
    { clusterIP: 'x' },
    ['spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'addresses of a node that are none',
    { externalIPs: ['127.0.0.1', 'x'] },
    [
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'spec.externalIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
  ],
  [
    'sources without balancer',
    { loadBalancerSourceRanges: ['10.0.0.0/8'] },
    ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
  ],
  [
    'sources that are none',
    { type: 'LoadBalancer', loadBalancerSourceRanges: ['x'] },
    [
      'spec.LoadBalancerSourceRanges[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
  ],
  [
    'a class without balancer',
    { loadBalancerClass: 'a.io/b' },
    ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
  ],
  [
    'node ports of no balancer',
    { allocateLoadBalancerNodePorts: true },
    ["spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'"],
  ],
  [
    'an unknown way in',
    { type: 'NodePort', externalTrafficPolicy: 'Far' },
    ['spec.externalTrafficPolicy: Unsupported value: "Far": supported values: "Cluster", "Local"'],
  ],
  [
    'a way in that there is not',
    { externalTrafficPolicy: 'Local' },
    ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
  ],
  [
    'an unknown way inside',
    { internalTrafficPolicy: 'Far' },
    ['spec.internalTrafficPolicy: Unsupported value: "Far": supported values: "Cluster", "Local"'],
  ],
  [
    'an unknown distribution',
    { trafficDistribution: 'Random' },
    [
      'spec.trafficDistribution: Unsupported value: "Random": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
    ],
  ],
  [
    'an external name that is none',
    { type: 'ExternalName', externalName: 'A_' },
    [
      "spec.externalName: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'an external name and an address',
    { type: 'ExternalName', externalName: 'a.com', clusterIP: 'None' },
    ['spec.clusterIPs: Forbidden: may not be set for ExternalName services'],
  ],
  [
    'an unknown family',
    { ipFamilies: ['IPv5'] },
    ['spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'],
  ],
])('a Service with %s', (_what, spec, errors) => {
  expect(createErrors(services, service(spec))).toEqual(errors);
});

test.each<[string, Change, readonly string[]]>([
  [
    'another address',
    (draft) => Object.assign(draft.spec, { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'] }),
    ['spec.clusterIPs[0]: Invalid value: ["10.96.0.10"]: may not change once set'],
  ],
  ['no address of its own', (draft) => delete draft.spec.clusterIP, []],
  [
    'the type of an external name',
    (draft) => Object.assign(draft.spec, { type: 'ExternalName', externalName: 'a.com' }),
    [],
  ],
  [
    'that type, cleared of addresses',
    (draft) =>
      Object.assign(draft.spec, { type: 'ExternalName', externalName: 'a.com', clusterIP: '', clusterIPs: [] }),
    [],
  ],
  ['the type of a node port', (draft) => (draft.spec.type = 'NodePort'), []],
])('a Service gets %s', (_what, change, errors) => {
  expect(updateErrors(services, service(allocated), change)).toEqual(errors);
});

test('the address of a balancer is one', () => {
  const errors = [
    'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    'status.loadBalancer.ingress[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
  ];
  const change: Change = (draft) =>
    (draft.status = { loadBalancer: { ingress: [{ ip: 'x' }, { hostname: '10.0.0.1' }] } });
  const object = service({ ...allocated, type: 'LoadBalancer' });
  expect(subresourceErrors(services, { object, subresource: 'status' }, change)).toEqual(errors);
});
