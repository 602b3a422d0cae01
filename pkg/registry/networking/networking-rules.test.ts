/** Ingresses, network policies, endpoint slices and the addresses of Services. */
import { expect, test } from 'vitest';
import { createErrors, strategyOf, updateErrors } from '../testing.ts';

const metadata = { name: 'web', namespace: 'default', resourceVersion: '1' };
const backend = { service: { name: 'web', port: { number: 80 } } };
const path = { path: '/', pathType: 'Prefix', backend };
const withPath = (fields: object): object => ({ rules: [{ http: { paths: [{ ...path, ...fields }] } }] });

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', withPath({}), []],
  ['nothing in it', {}, ['spec: Invalid value: []: either `defaultBackend` or `rules` must be specified']],
  [
    'a host that is an address',
    { rules: [{ host: '10.0.0.1', http: { paths: [path] } }] },
    ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
  ],
  [
    'a host that is none',
    { rules: [{ host: 'A_', http: { paths: [path] } }] },
    [
      "spec.rules[0].host: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'a star inside a host',
    { rules: [{ host: 'a.*.com', http: { paths: [path] } }] },
    [
      "spec.rules[0].host: Invalid value: \"a.*.com\": a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  ['no paths', { rules: [{ http: { paths: [] } }] }, ['spec.rules[0].http.paths: Required value']],
  [
    'a path of no type',
    withPath({ pathType: undefined }),
    ['spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified'],
  ],
  [
    'a path of unknown type',
    withPath({ pathType: 'Regex' }),
    [
      'spec.rules[0].http.paths[0].pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"',
    ],
  ],
  [
    'a relative path',
    withPath({ path: 'a' }),
    ['spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path'],
  ],
  [
    'a path that goes up',
    withPath({ path: '/a/../b' }),
    ['spec.rules[0].http.paths[0].path: Invalid value: "/a/../b": must not contain \'/../\''],
  ],
  [
    'no backend',
    withPath({ backend: {} }),
    ['spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required'],
  ],
  [
    'two backends',
    withPath({ backend: { ...backend, resource: { kind: 'A', name: 'a' } } }),
    ['spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both resource and service backends'],
  ],
  [
    'a backend without port',
    withPath({ backend: { service: { name: 'web' } } }),
    ['spec.rules[0].http.paths[0].backend: Required value: port name or number is required'],
  ],
  [
    'a backend with two ports',
    withPath({ backend: { service: { name: 'web', port: { name: 'a', number: 80 } } } }),
    ['spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both port name & port number'],
  ],
  [
    'a backend that is no Service',
    withPath({ backend: { service: { name: 'A', port: { number: 0 } } } }),
    [
      "spec.rules[0].http.paths[0].backend.service.name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      'spec.rules[0].http.paths[0].backend: Required value: port name or number is required',
    ],
  ],
  [
    'a class that is none',
    { ...withPath({}), ingressClassName: 'A_' },
    [
      "spec.ingressClassName: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'a host of certificates that is none',
    { ...withPath({}), tls: [{ hosts: ['A_'] }] },
    [
      "spec.tls[0].hosts[0]: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
])('an ingress with %s', (_what, spec, errors) => {
  expect(createErrors(strategyOf('ingresses'), { metadata, spec })).toEqual(errors);
});

const from = (peer: object): object => ({ podSelector: {}, ingress: [{ from: [peer] }] });
const port = (fields: object): object => ({ podSelector: {}, ingress: [{ ports: [fields] }] });

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }), []],
  ['a peer that is nobody', from({}), ['spec.ingress[0].from[0]: Required value: must specify a peer']],
  [
    'a peer of two kinds',
    from({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
    ['spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer'],
  ],
  [
    'a range that is none',
    from({ ipBlock: { cidr: 'x' } }),
    [
      'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
  ],
  ['a range without range', from({ ipBlock: {} }), ['spec.ingress[0].from[0].ipBlock.cidr: Required value']],
  [
    'an exception outside',
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }),
    ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`'],
  ],
  [
    'an exception of all',
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }),
    ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`'],
  ],
  [
    'a port too high',
    port({ port: 70_000 }),
    ['spec.ingress[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  [
    'a port name that is none',
    port({ port: 'A_' }),
    [
      'spec.ingress[0].ports[0].port: Invalid value: "A_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'spec.ingress[0].ports[0].port: Invalid value: "A_": must contain at least one letter (a-z)',
    ],
  ],
  [
    'an unknown protocol',
    port({ port: 80, protocol: 'HTTP' }),
    ['spec.ingress[0].ports[0].protocol: Unsupported value: "HTTP": supported values: "TCP", "UDP", "SCTP"'],
  ],
  [
    'a range of ports backwards',
    port({ port: 80, endPort: 70 }),
    ['spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`'],
  ],
  [
    'a range of ports from a name',
    port({ port: 'web', endPort: 70 }),
    ['spec.ingress[0].ports[0].endPort: Invalid value: 70: may not be specified when `port` is non-numeric'],
  ],
  [
    'a range of ports from nowhere',
    port({ endPort: 70 }),
    ['spec.ingress[0].ports[0].endPort: Invalid value: 70: may not be specified when `port` is not specified'],
  ],
  [
    'an unknown direction',
    { podSelector: {}, policyTypes: ['Sideways'] },
    ['spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"'],
  ],
  [
    'three directions',
    { podSelector: {}, policyTypes: ['Ingress', 'Egress', 'Ingress'] },
    ['spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes'],
  ],
])('a network policy with %s', (_what, spec, errors) => {
  expect(createErrors(strategyOf('networkpolicies'), { metadata, spec })).toEqual(errors);
});

const slice = (fields: object): object => ({
  metadata,
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.0.0.1'] }],
  ...fields,
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  ['no type', { addressType: undefined }, ['addressType: Required value']],
  [
    'an unknown type',
    { addressType: 'IPv5' },
    ['addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"'],
  ],
  [
    'no address',
    { endpoints: [{ addresses: [] }] },
    ['endpoints[0].addresses: Required value: must contain at least 1 address'],
  ],
  [
    'an address of the other family',
    { endpoints: [{ addresses: ['fd00::1'] }] },
    ['endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address'],
  ],
  [
    'an address of the machine itself',
    { endpoints: [{ addresses: ['127.0.0.1'] }] },
    ['endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  ],
  [
    'a host name that is none',
    { endpoints: [{ addresses: ['10.0.0.1'], hostname: 'A' }] },
    [
      "endpoints[0].hostname: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'two ports of one name',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'a', port: 81 },
      ],
    },
    ['ports[1].name: Duplicate value: "a"'],
  ],
  [
    'a port that is none',
    { ports: [{ port: 0, protocol: 'X' }] },
    ['ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'],
  ],
])('an endpoint slice with %s', (_what, fields, errors) => {
  expect(createErrors(strategyOf('endpointslices'), slice(fields))).toEqual(errors);
});

test('the type of the addresses of a slice does not change', () => {
  const errors = ['addressType: Invalid value: "FQDN": field is immutable'];
  const change = (draft: { addressType: string; endpoints: readonly object[] }): void => {
    draft.addressType = 'FQDN';
    draft.endpoints = [];
  };
  expect(updateErrors(strategyOf('endpointslices'), slice({}), change)).toEqual(errors);
});

test.each<[string, string, object, readonly string[]]>([
  ['servicecidrs', 'a range', { spec: { cidrs: ['10.0.0.0/24'] } }, []],
  ['servicecidrs', 'no range', { spec: {} }, ['spec.cidrs: Required value: at least one CIDR required']],
  [
    'servicecidrs',
    'two ranges of one family',
    { spec: { cidrs: ['10.0.0.0/24', '10.0.1.0/24'] } },
    [
      'spec.cidrs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
    ],
  ],
  [
    'servicecidrs',
    'a range that is none',
    { spec: { cidrs: ['x'] } },
    ['spec.cidrs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
  ],
  [
    'ipaddresses',
    'a name that is no address',
    { spec: { parentRef: { resource: 'services', name: 'a', namespace: 'b' } } },
    ['metadata.name: Invalid value: "web": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  ['ipaddresses', 'no owner', { metadata: { name: '10.0.0.1' }, spec: {} }, ['spec.parentRef: Required value']],
  [
    'ingressclasses',
    'a controller without domain',
    { spec: { controller: 'nginx' } },
    ['spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  [
    'ingressclasses',
    'parameters in no namespace',
    { spec: { controller: 'a.io/b', parameters: { kind: 'A', name: 'a', scope: 'Namespace' } } },
    ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
  ],
])('%s with %s', (resource, _what, object, errors) => {
  expect(createErrors(strategyOf(resource), { metadata: { name: 'web' }, ...object })).toEqual(errors);
});
