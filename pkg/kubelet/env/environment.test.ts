import { expect, test } from 'vitest';
import type { Container, Pod, Service } from '#pkg/api/types/core-v1.ts';
import { buildEnvironment } from './environment.ts';
import { ArgumentSpace, argumentCharactersMax, argumentsCharactersMax, expand } from './expand.ts';

test.each([
  ['$(A)-$(B)', '1-$(B)'],
  ['$$(A) $A $(', '$(A) $A $('],
  ['$$$(A)', '$1'],
  ['$(A)$(A', '1$(A'],
  ['$(A$(A)', '$(A$(A)'],
  ['$', '$'],
])('%s expands to %s', (text, expected) => {
  expect(expand(text, (name) => (name === 'A' ? '1' : undefined))).toBe(expected);
});

test('references without an end take time in proportion to the text', () => {
  const text = '$('.repeat(60_000);
  expect(expand(text, () => '')).toBe(text);
});

test('what would be too long for an argument is refused before it is made', () => {
  const value = 'x'.repeat(argumentCharactersMax);
  expect(expand('$(A)', () => value)).toBe(value);
  expect(() => expand('$(A)'.repeat(100_000), () => value)).toThrow('argument list too long');
});

test('variables that name each other twice are refused, as is more than all may have', async () => {
  const doubling = Array.from({ length: 60 }, (_, i) => ({ name: `A${i + 1}`, value: `$(A${i})$(A${i})` }));
  await expect(build({ env: [{ name: 'A0', value: 'x' }, ...doubling] })).rejects.toThrow('argument list too long');
  const large = { name: 'A', value: 'x'.repeat(100_000) };
  const many = Array.from({ length: argumentsCharactersMax / 100_000 + 1 }, (_, i) => ({
    name: `B${i}`,
    value: '$(A)',
  }));
  await expect(build({ env: [large, ...many] })).rejects.toThrow('argument list too long');
  // The same name takes room once.
  const same = await build({ env: [large, ...many.map(({ value }) => ({ name: 'B', value }))] });
  expect(same.B).toBe(large.value);
});

const pod: Pod = {
  metadata: { name: 'p', namespace: 'd', uid: 'u', labels: { app: 'x' }, annotations: { b: '2', a: 'q"' } },
  spec: { containers: [], serviceAccountName: 'robot' },
};

const services: readonly Service[] = [
  {
    metadata: { name: 'kubernetes', namespace: 'default' },
    spec: { clusterIP: '127.9.0.1', ports: [{ port: 443, name: 'https' }] },
  },
  {
    metadata: { name: 'my-db', namespace: 'd' },
    spec: { clusterIP: '127.9.0.2', ports: [{ port: 53, protocol: 'UDP' }] },
  },
  { metadata: { name: 'other', namespace: 'e' }, spec: { clusterIP: '127.9.0.3', ports: [{ port: 80 }] } },
  { metadata: { name: 'headless', namespace: 'd' }, spec: { clusterIP: 'None', ports: [{ port: 80 }] } },
];

function build(container: Partial<Container>, enableServiceLinks = false) {
  return buildEnvironment({
    container: { name: 'app', ...container },
    fields: {
      pod: { ...pod, spec: { ...pod.spec!, enableServiceLinks } },
      podIps: ['127.8.0.2', 'fd00::2'],
      hostIps: ['127.0.0.1', 'fd00::1'],
      nodeName: 'n1',
      allocatable: { cpu: '4', memory: '1Gi' },
    },
    services,
    space: new ArgumentSpace(),
    reader: {
      configMap: async (_, name) => (name === 'cm' ? { data: { k: 'v', color: 'red' } } : undefined),
      secret: async (_, name) => (name === 's' ? { data: { pw: 'c2VjcmV0' } } : undefined),
    },
  });
}

test('values come from sources in order, later ones see and replace earlier ones', async () => {
  const environment = await build({
    resources: { limits: { cpu: '250m' }, requests: { memory: '1500Ki' } },
    envFrom: [{ prefix: 'P_', configMapRef: { name: 'cm' } }, { secretRef: { name: 's' } }],
    env: [
      { name: 'A', value: '$(P_k)/$(pw)/$(A)' },
      { name: 'pw', value: 'mine' },
      { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'cm', key: 'color' } } },
      { name: 'GONE', valueFrom: { secretKeyRef: { name: 's', key: 'x', optional: true } } },
      { name: 'ME', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'ALL', valueFrom: { fieldRef: { fieldPath: 'metadata.annotations' } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'CPU_M', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
    ],
  });
  expect(environment).toEqual({
    P_k: 'v',
    P_color: 'red',
    pw: 'mine',
    A: 'v/secret/$(A)',
    KEY: 'red',
    ME: 'x',
    IP: '127.8.0.2',
    ALL: 'a="q\\""\nb="2"',
    CPU: '1',
    CPU_M: '250',
    MEM: '1024',
    KUBERNETES_SERVICE_HOST: '127.9.0.1',
    KUBERNETES_SERVICE_PORT: '443',
    KUBERNETES_SERVICE_PORT_HTTPS: '443',
    KUBERNETES_PORT: 'tcp://127.9.0.1:443',
    KUBERNETES_PORT_443_TCP: 'tcp://127.9.0.1:443',
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_443_TCP_PORT: '443',
    KUBERNETES_PORT_443_TCP_ADDR: '127.9.0.1',
  });
});

test('service links name the Services of the own namespace', async () => {
  const names = Object.keys(await build({}, true)).filter((name) => !name.startsWith('KUBERNETES'));
  expect(names).toEqual([
    'MY_DB_SERVICE_HOST',
    'MY_DB_SERVICE_PORT',
    'MY_DB_PORT',
    'MY_DB_PORT_53_UDP',
    'MY_DB_PORT_53_UDP_PROTO',
    'MY_DB_PORT_53_UDP_PORT',
    'MY_DB_PORT_53_UDP_ADDR',
  ]);
});

test.each<[string, Partial<Container>, string]>([
  ['a ConfigMap', { envFrom: [{ configMapRef: { name: 'none' } }] }, 'configmap "none" not found'],
  [
    'a Secret',
    { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'none', key: 'x' } } }] },
    'secret "none" not found',
  ],
  [
    'a key',
    { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'x' } } }] },
    "couldn't find key x in ConfigMap d/cm",
  ],
])('%s that is missing is an error', async (_, container, message) => {
  await expect(build(container)).rejects.toThrow(message);
});
