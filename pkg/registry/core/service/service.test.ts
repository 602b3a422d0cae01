import { expect, test } from 'vitest';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { createStrategies } from '../../table.ts';
import { created, createErrors, readerOf, testContext, texts } from '../../testing.ts';
import { parseIpRange } from './ip-range.ts';

const context = testContext();

function services(cidr = '10.96.0.0/12'): Strategy {
  const all = createStrategies({ serviceCidr: cidr, nodePortRange: { first: 30000, last: 30003 } });
  return all.find((strategy) => strategy.resource === 'services')!;
}

function service(spec: object = {}): object {
  return { metadata: { name: 'web', namespace: 'default' }, spec: { ports: [{ port: 80 }], ...spec } };
}

interface Made {
  readonly draft: JsonObject;
  readonly spec: JsonObject;
}

async function create(strategy: Strategy, object: object, existing: readonly object[] = []): Promise<Made> {
  const draft = created(strategy, object);
  const reservation = await strategy.begin!(draft, undefined, context, readerOf({ services: existing }));
  reservation!.commit();
  return { draft, spec: draft.spec as JsonObject };
}

async function update(strategy: Strategy, old: JsonObject, change: (spec: JsonObject) => void): Promise<Made> {
  const draft = structuredClone(old);
  change(draft.spec as JsonObject);
  strategy.setDefaults!(draft);
  strategy.prepareForUpdate!(draft, old as KubeObject, context);
  const errors = [
    ...strategy.validate!(draft, context),
    ...strategy.validateUpdate!(draft, old as KubeObject, context),
  ];
  expect(texts(errors)).toEqual([]);
  const reservation = await strategy.begin!(draft, old as KubeObject, context, readerOf({}));
  reservation!.commit();
  return { draft, spec: draft.spec as JsonObject };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'not refused',
    (error: Error) => error.message,
  );
}

test('a Service gets its defaults and an address from the upper part of the range', async () => {
  const { spec, draft } = await create(services('10.0.0.0/24'), service());
  expect(spec).toEqual({
    type: 'ClusterIP',
    clusterIP: expect.stringMatching(/^10\.0\.0\.\d+$/),
    clusterIPs: [spec.clusterIP],
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    internalTrafficPolicy: 'Cluster',
    sessionAffinity: 'None',
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  });
  expect(Number((spec.clusterIP as string).split('.')[3])).toBeGreaterThan(16);
  expect(draft.status).toEqual({ loadBalancer: {} });
});

test.each([
  ['10.0.0.0/24', 254],
  ['127.96.0.0/12', 1048574],
])('the range %s has %s addresses', (cidr, size) => {
  expect(parseIpRange(cidr).size).toBe(size);
});

test('an address is given out once, and again after its Service is gone', async () => {
  const strategy = services();
  const { draft } = await create(strategy, service({ clusterIP: '10.96.0.10' }));
  const taken = await refusal(create(strategy, service({ clusterIP: '10.96.0.10' })));
  const deletion = await strategy.begin!(undefined, draft as KubeObject, context, readerOf({}));
  deletion!.commit();
  const again = await create(strategy, service({ clusterIP: '10.96.0.10' }));
  expect([taken, again.spec.clusterIPs]).toEqual([
    'Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
    ['10.96.0.10'],
  ]);
});

test('a write that fails gives back what was reserved for it', async () => {
  const strategy = services();
  const draft = created(strategy, service({ clusterIP: '10.96.0.10' }));
  const reservation = await strategy.begin!(draft, undefined, context, readerOf({}));
  reservation!.rollback();
  expect((await create(strategy, service({ clusterIP: '10.96.0.10' }))).spec.clusterIP).toBe('10.96.0.10');
});

test('what Services already have is not given out after a restart', async () => {
  const existing = { metadata: { name: 'old' }, spec: { type: 'ClusterIP', clusterIPs: ['10.96.0.10'] } };
  const answer = await refusal(create(services(), service({ clusterIP: '10.96.0.10' }), [existing]));
  expect(answer).toContain('provided IP is already allocated');
});

test('an address outside the range is refused', async () => {
  expect(await refusal(create(services(), service({ clusterIP: '10.0.0.1' })))).toBe(
    'Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.1"]: failed to allocate IP 10.0.0.1: the provided IP (10.0.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12',
  );
});

test('a full range is said to be full', async () => {
  const strategy = services('10.0.0.0/30');
  await create(strategy, service());
  await create(strategy, service());
  expect(await refusal(create(strategy, service()))).toBe(
    'Internal error occurred: failed to allocate a serviceIP: range is full',
  );
});

test('node ports come with the type and go with it', async () => {
  const strategy = services();
  const made = await create(strategy, service({ type: 'NodePort' }));
  const port = (made.spec.ports as { nodePort: number }[])[0]!.nodePort;
  const closed = await update(strategy, made.draft, (spec) => {
    spec.type = 'ClusterIP';
  });
  const reused = await create(strategy, service({ type: 'NodePort', ports: [{ port: 80, nodePort: port }] }));
  expect(port).toBeGreaterThanOrEqual(30000);
  expect(closed.spec).toEqual({
    ...made.spec,
    type: 'ClusterIP',
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    externalTrafficPolicy: undefined,
  });
  expect((reused.spec.ports as { nodePort: number }[])[0]!.nodePort).toBe(port);
});

test('an update that leaves out what was allocated keeps it', async () => {
  const strategy = services();
  const made = await create(strategy, service({ type: 'NodePort' }));
  const kept = await update(strategy, made.draft, (spec) => {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    spec.ports = [{ port: 80 }];
  });
  expect(kept.spec).toEqual(made.spec);
});

test('TCP and UDP of one port share a node port', async () => {
  const { spec } = await create(
    services(),
    service({
      type: 'NodePort',
      ports: [
        { name: 't', port: 53 },
        { name: 'u', port: 53, protocol: 'UDP' },
      ],
    }),
  );
  const [tcp, udp] = spec.ports as { nodePort: number }[];
  expect(tcp!.nodePort).toBe(udp!.nodePort);
});

test.each<[string, object, object]>([
  ['headless', { clusterIP: 'None', selector: { a: 'b' } }, { clusterIPs: ['None'], ipFamilyPolicy: 'SingleStack' }],
  ['headless without a selector', { clusterIP: 'None' }, { ipFamilyPolicy: 'RequireDualStack' }],
  ['an external name', { type: 'ExternalName', externalName: 'example.com' }, { externalName: 'example.com' }],
])('a Service that is %s needs no address', async (_what, given, wanted) => {
  const { spec } = await create(services(), service(given));
  expect(spec).toMatchObject(wanted);
  expect([undefined, 'None']).toContain(spec.clusterIP);
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  ['no ports', { ports: [] }, ['spec.ports: Required value']],
  [
    'an unknown type',
    { type: 'Public' },
    [
      'spec.type: Unsupported value: "Public": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
  ],
  ['ports without names', { ports: [{ port: 80 }, { name: 'b', port: 81 }] }, ['spec.ports[0].name: Required value']],
  [
    'a node port on a cluster IP',
    { ports: [{ port: 80, nodePort: 30000 }] },
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  ['no external name', { type: 'ExternalName' }, ['spec.externalName: Required value']],
  [
    'a load balancer without an address',
    { type: 'LoadBalancer', clusterIP: 'None', selector: { a: 'b' } },
    ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for LoadBalancer services'],
  ],
])('a Service with %s', (_what, spec, errors) => {
  expect(createErrors(services(), service(spec))).toEqual(errors);
});
