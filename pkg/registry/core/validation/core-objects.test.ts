/** Nodes, namespaces, endpoints, events, secrets and config maps. */
import { expect, test } from 'vitest';
import { type Change, createErrors, strategyOf, subresourceErrors, updateErrors } from '../../testing.ts';

const metadata = { name: 'x', namespace: 'default', resourceVersion: '1' };

const nodes = strategyOf('nodes');
const node = (spec: object = {}): object => ({ metadata: { name: 'x', resourceVersion: '1' }, spec });

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24'] }, []],
  [
    'a range that is none',
    { podCIDR: 'x', podCIDRs: ['x'] },
    ['spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
  ],
  [
    'two ranges of one family',
    { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24', '10.0.1.0/24'] },
    [
      'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family',
    ],
  ],
  [
    'a taint that comes twice',
    {
      taints: [
        { key: 'a', effect: 'NoSchedule' },
        { key: 'a', effect: 'NoSchedule', value: 'b' },
      ],
    },
    [
      'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule","value":"b"}: taints must be unique by key and effect pair',
    ],
  ],
  ['a taint without effect', { taints: [{ key: 'a' }] }, ['metadata.taints[0].effect: Required value']],
  [
    'a taint of unknown effect',
    { taints: [{ key: 'a', effect: 'Never' }] },
    [
      'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ],
  ],
])('a node with %s', (_what, spec, errors) => {
  expect(createErrors(nodes, node(spec))).toEqual(errors);
});

test.each<[string, Change, readonly string[]]>([
  [
    'a range once',
    (draft) => (draft.spec = { ...draft.spec, podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] }),
    ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
  ],
  [
    'another provider',
    (draft) => (draft.spec.providerID = 'b'),
    ['spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'],
  ],
])('a node gets %s', (_what, change, errors) => {
  const spec = { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24'], providerID: 'a' };
  expect(updateErrors(nodes, node(spec), change)).toEqual(errors);
});

const endpoints = strategyOf('endpoints');

test.each<[string, object, readonly string[]]>([
  ['an address', { addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }, []],
  [
    'no address',
    { ports: [{ port: 80 }] },
    ['subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`'],
  ],
  [
    'an address that is none',
    { addresses: [{ ip: 'x' }] },
    ['subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'an address of the machine itself',
    { addresses: [{ ip: '127.0.0.1' }] },
    ['subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  ],
  [
    'an address of the link',
    { notReadyAddresses: [{ ip: '169.254.0.1' }] },
    [
      'subsets[0].notReadyAddresses[0].ip: Invalid value: "169.254.0.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ],
  ],
  [
    'ports without names',
    { addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }, { port: 81 }] },
    ['subsets[0].ports[0].name: Required value', 'subsets[0].ports[1].name: Required value'],
  ],
  [
    'a port that is none',
    { addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 0, protocol: 'X' }] },
    [
      'subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'subsets[0].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ],
  ],
])('endpoints with %s', (_what, subset, errors) => {
  expect(createErrors(endpoints, { metadata, subsets: [subset] })).toEqual(errors);
});

const secrets = strategyOf('secrets');
const encoded = (text: string): string => Buffer.from(text).toString('base64');

test.each<[string, object, readonly string[]]>([
  [
    'a key that is none',
    { data: { 'a b': '' } },
    [
      "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ],
  ],
  [
    'no user and no password',
    { type: 'kubernetes.io/basic-auth', data: {} },
    ['data[username]: Required value', 'data[password]: Required value'],
  ],
  ['no key of SSH', { type: 'kubernetes.io/ssh-auth' }, ['data[ssh-privatekey]: Required value']],
  ['half a certificate', { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }, ['data[tls.key]: Required value']],
  [
    'no credentials of registries',
    { type: 'kubernetes.io/dockerconfigjson' },
    ['data[.dockerconfigjson]: Required value'],
  ],
  [
    'credentials that are no JSON',
    { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': encoded('{') } },
    ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input'],
  ],
  [
    'a token for nobody',
    { type: 'kubernetes.io/service-account-token' },
    ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
  ],
])('a secret with %s', (_what, secret, errors) => {
  expect(createErrors(secrets, { metadata, ...secret })).toEqual(errors);
});

test('an immutable secret does not change', () => {
  const errors = [
    'immutable: Forbidden: field is immutable when `immutable` is set',
    'data: Forbidden: field is immutable when `immutable` is set',
  ];
  const change: Change = (draft) => Object.assign(draft, { data: { a: 'Yg==' }, immutable: false });
  expect(updateErrors(secrets, { metadata, data: { a: 'YQ==' }, immutable: true }, change)).toEqual(errors);
});

test.each<[string, object, readonly string[]]>([
  ['a key that is none', { data: { '..': '' } }, ['data[..]: Invalid value: "..": must not be \'..\'']],
  [
    'a key that is text and bytes',
    { data: { a: '' }, binaryData: { a: '' } },
    ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
  ],
])('a config map with %s', (_what, map, errors) => {
  expect(createErrors(strategyOf('configmaps'), { metadata, ...map })).toEqual(errors);
});

test('a service account token is for its service account', () => {
  const annotations = { 'kubernetes.io/service-account.name': 'a' };
  const secret = { metadata: { ...metadata, annotations }, type: 'kubernetes.io/service-account-token' };
  expect(createErrors(secrets, secret)).toEqual([]);
});

const namespaces = strategyOf('namespaces');

test.each<[string, string, Change, readonly string[]]>([
  [
    'a finalizer that is no name',
    'finalize',
    (draft) => (draft.spec.finalizers = ['a b']),
    [
      "spec.finalizers[0]: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    'a finalizer that is nobody’s',
    'finalize',
    (draft) => (draft.spec.finalizers = ['mine']),
    ['spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'],
  ],
  [
    'an end before its deletion',
    'status',
    (draft) => (draft.status.phase = 'Terminating'),
    ['status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty'],
  ],
])('a namespace with %s', (_what, subresource, change, errors) => {
  const object = {
    metadata: { name: 'x', resourceVersion: '1' },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
  expect(subresourceErrors(namespaces, { object, subresource }, change)).toEqual(errors);
});
