import { expect, test } from 'vitest';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { createStrategies } from '../../table.ts';
import { created, createErrors, readerOf, testContext, texts } from '../../testing.ts';
import { addressAt, parseAddressRange } from './address-range.ts';

const context = testContext();

function services(cidr = '10.96.0.0/12'): Strategy {
  const all = createStrategies({ serviceCidr: cidr, nodePortRange: { first: 30000, last: 30003 } });
  const strategy = all.find(({ resource }) => resource === 'services')!;
  cidrsOf.set(strategy, cidr);
  return strategy;
}

/** What a server of that range reads. */
function readerBeside(strategy: Strategy, objects: readonly object[] = []): ReturnType<typeof readerOf> {
  const cidrs = cidrsOf.get(strategy)?.split(',') ?? [];
  return readerOf({ services: objects, servicecidrs: [{ metadata: { name: 'kubernetes' }, spec: { cidrs } }] });
}

const cidrsOf = new WeakMap<Strategy, string>();

function service(spec: object = {}): object {
  return { metadata: { name: 'web', namespace: 'default' }, spec: { ports: [{ port: 80 }], ...spec } };
}

interface Made {
  readonly draft: JsonObject;
  readonly spec: JsonObject;
}

async function create(strategy: Strategy, object: object, existing: readonly object[] = []): Promise<Made> {
  const draft = created(strategy, object);
  const reservation = await strategy.begin!(draft, undefined, context, readerBeside(strategy, existing));
  await reservation!.commit();
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
  const reservation = await strategy.begin!(draft, old as KubeObject, context, readerBeside(strategy));
  await reservation!.commit();
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
  ['10.0.0.0/24', 254, '10.0.0.1', '10.0.0.254'],
  ['127.96.0.0/12', 1048574, '127.96.0.1', '127.111.255.254'],
  ['10.0.0.9/30', 2, '10.0.0.9', '10.0.0.10'],
  ['10.0.0.0/32', 0, '', ''],
  ['2001:db8::/120', 255, '2001:db8::1', '2001:db8::ff'],
  ['fd00:10:96::/64', 2 ** 48, 'fd00:10:96::1', 'fd00:10:96:0:1::'],
])('the range %s has %s addresses', (cidr, size, first, last) => {
  const range = parseAddressRange(cidr);
  const ends = range === undefined || range.size === 0 ? ['', ''] : [addressAt(range, 0), addressAt(range, size - 1)];
  expect([range?.size, ...ends]).toEqual([size, first, last]);
});

test('an address is given out once, and again after its Service is gone', async () => {
  const strategy = services();
  const { draft } = await create(strategy, service({ clusterIP: '10.96.0.10' }));
  const taken = await refusal(create(strategy, service({ clusterIP: '10.96.0.10' })));
  const deletion = await strategy.begin!(undefined, draft as KubeObject, context, readerBeside(strategy));
  await deletion!.commit();
  const again = await create(strategy, service({ clusterIP: '10.96.0.10' }));
  expect([taken, again.spec.clusterIPs]).toEqual([
    'Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
    ['10.96.0.10'],
  ]);
});

test('a write that fails gives back what was reserved for it', async () => {
  const strategy = services();
  const draft = created(strategy, service({ clusterIP: '10.96.0.10' }));
  const reservation = await strategy.begin!(draft, undefined, context, readerBeside(strategy));
  await reservation!.rollback();
  expect((await create(strategy, service({ clusterIP: '10.96.0.10' }))).spec.clusterIP).toBe('10.96.0.10');
});

test('what Services already have is not given out after a restart', async () => {
  const existing = { metadata: { name: 'old' }, spec: { type: 'ClusterIP', clusterIPs: ['10.96.0.10'] } };
  const answer = await refusal(create(services(), service({ clusterIP: '10.96.0.10' }), [existing]));
  expect(answer).toContain('provided IP is already allocated');
});

test('an address outside the range is refused', async () => {
  expect(await refusal(create(services(), service({ clusterIP: '10.0.0.1' })))).toBe(
    'Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.1"]: failed to allocate IP 10.0.0.1: the provided network does not match the current range',
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

const both = '10.96.0.0/16,fd00:10:96::/112';

test.each<[string, string, object, object]>([
  ['prefers both on a cluster of one', '10.96.0.0/16', { ipFamilyPolicy: 'PreferDualStack' }, { ipFamilies: ['IPv4'] }],
  ['says nothing on a cluster of both', both, {}, { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }],
  ['prefers both', both, { ipFamilyPolicy: 'PreferDualStack' }, { ipFamilies: ['IPv4', 'IPv6'] }],
  ['requires both', both, { ipFamilyPolicy: 'RequireDualStack' }, { ipFamilies: ['IPv4', 'IPv6'] }],
  ['names the second', both, { ipFamilies: ['IPv6'] }, { ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' }],
  [
    'names the second first',
    both,
    { ipFamilies: ['IPv6'], ipFamilyPolicy: 'RequireDualStack' },
    { ipFamilies: ['IPv6', 'IPv4'] },
  ],
  [
    'has an address of the second',
    both,
    { clusterIP: 'fd00:10:96::7' },
    { ipFamilies: ['IPv6'], clusterIPs: ['fd00:10:96::7'] },
  ],
  ['is on a cluster that has IPv6 first', 'fd00:10:96::/112,10.96.0.0/16', {}, { ipFamilies: ['IPv6'] }],
])('a Service that %s has addresses of its families', async (_what, cidr, given, wanted) => {
  const { spec } = await create(services(cidr), service(given));
  expect(spec).toMatchObject(wanted);
  const families = (spec.clusterIPs as string[]).map((ip) => (ip.includes(':') ? 'IPv6' : 'IPv4'));
  expect([spec.clusterIP, families]).toEqual([(spec.clusterIPs as string[])[0], spec.ipFamilies]);
});

test('families that a cluster does not have are refused', () => {
  const one = services();
  expect(createErrors(one, service({ ipFamilies: ['IPv6'] }))).toEqual([
    'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
  ]);
  expect(createErrors(one, service({ ipFamilyPolicy: 'RequireDualStack' }))).toEqual([
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
  ]);
  expect(createErrors(services(both), service({ ipFamilyPolicy: 'RequireDualStack' }))).toEqual([]);
});

test('a Service gets its second address when it asks for it, and gives it back when it has enough of it', async () => {
  const strategy = services(both);
  const made = await create(strategy, service());
  const twice = await update(strategy, made.draft, (spec) => {
    spec.ipFamilyPolicy = 'PreferDualStack';
  });
  const [first, second] = twice.spec.clusterIPs as string[];
  expect([first, twice.spec.ipFamilies]).toEqual([made.spec.clusterIP, ['IPv4', 'IPv6']]);
  const once = await update(strategy, twice.draft, (spec) => {
    spec.ipFamilyPolicy = 'SingleStack';
  });
  expect([once.spec.clusterIPs, once.spec.ipFamilies]).toEqual([[first], ['IPv4']]);
  expect((await create(strategy, service({ clusterIP: second }))).spec.clusterIPs).toEqual([second]);
});
