/**
 * What becomes of gateways, routes and Ingresses, over the real API on virtual time. The cases are those of upstream's conformance suite, by its names, as far
 * as they are about statuses and what the proxy is given; what it makes of that is in `proxy/server.test.ts` and `model/match.test.ts`.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Condition } from '#pkg/api/types/meta-v1.ts';
import { ingresses, services } from '#pkg/api/types/refs.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { bareCluster } from '../testing/bare-cluster.ts';
import { gatewayAddon } from './addon.ts';
import { createGatewayController } from './controller.ts';
import { gatewayDefinitions } from './crds.ts';
import type { RoutingTable } from './model/table.ts';
import { gatewayNamespace, gatewaySelector } from './places.ts';
import { gateways, httpRoutes } from './types.ts';

let cluster: TestCluster;
let table: RoutingTable;
let stop: () => Promise<void>;

const group = 'gateway.networking.k8s.io';

beforeEach(async () => {
  cluster = await startTestCluster({ nodes: 0 });
  // Without its program: that is what is tested here.
  await cluster.apply(...gatewayAddon.objects(bareCluster).filter(({ kind }) => kind !== 'Deployment'));
  const { client, clock, random, metrics } = cluster;
  const informers = createInformers({ client, clock, random, log: silentLogger });
  const ending = new AbortController();
  const controller = createGatewayController({
    deps: { client, informers, clock, random, metrics, log: silentLogger },
    proxy: {
      update: async (next) => {
        table = next;
      },
    },
    namespace: gatewayNamespace,
    selector: gatewaySelector,
    onReady() {},
  });
  const running = Promise.all([informers.run(ending.signal), controller.run(ending.signal)]);
  stop = async () => {
    ending.abort();
    await running;
    await cluster.stop();
  };
  await cluster.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other', labels: { team: 'b' } } },
    service('web', 'default'),
    service('web', 'other'),
  );
});
afterEach(() => stop());

function service(name: string, namespace: string): KubeObject & { readonly spec: object } {
  const spec = { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec };
}

type Listener = Readonly<Record<string, unknown>>;
const http = (more: Listener = {}): Listener => ({ name: 'http', port: 8000, protocol: 'HTTP', ...more });

function gateway(...listeners: readonly Listener[]): KubeObject & { readonly spec: object } {
  const spec = { gatewayClassName: 'coxswain', listeners };
  return { apiVersion: `${group}/v1`, kind: 'Gateway', metadata: { name: 'gw', namespace: 'default' }, spec };
}

function route(
  spec: Readonly<Record<string, unknown>> = {},
  namespace = 'default',
): KubeObject & { readonly spec: object } {
  const parentRefs = [{ name: 'gw', namespace: 'default' }];
  const rules = [{ backendRefs: [{ name: 'web', port: 80 }] }];
  const metadata = { name: 'route', namespace };
  return { apiVersion: `${group}/v1`, kind: 'HTTPRoute', metadata, spec: { parentRefs, rules, ...spec } };
}

const told = (conditions: readonly Condition[] | undefined): readonly string[] =>
  (conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);

/** Everything that has come of it by now. */
async function outcome(namespace = 'default') {
  await cluster.advance(2_000);
  const { status } = await cluster.client.resource(gateways).get('gw', { namespace: 'default' });
  const found = await cluster.client.resource(httpRoutes).list({ namespace });
  return {
    gateway: told(status?.conditions),
    addresses: status?.addresses?.length,
    listeners: status?.listeners?.map(({ name, attachedRoutes, conditions }) => [
      name,
      attachedRoutes,
      ...told(conditions),
    ]),
    route: found.items.flatMap((one) => one.status?.parents?.map(({ conditions }) => told(conditions)) ?? []),
    /** Hostnames and backends of what is served at the ports of gateways. */
    served: [...table.ports.values()]
      .filter(({ clientPort }) => clientPort >= 1_000)
      .flatMap(({ listeners }) => listeners.flatMap(({ matches }) => matches.map((match) => match.hostname || '*'))),
  };
}

const good = [
  'Accepted=True Accepted',
  'Conflicted=False NoConflicts',
  'ResolvedRefs=True ResolvedRefs',
  'Programmed=True Programmed',
];
const attached = ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs'];

test('HTTPRouteSimpleSameNamespace: a route is attached, and the gateway has an address', async () => {
  await cluster.apply(gateway(http()), route());
  expect(await outcome()).toEqual({
    gateway: ['Accepted=True Accepted', 'Programmed=True Programmed'],
    addresses: 1,
    listeners: [['http', 1, ...good]],
    route: [attached],
    served: ['*'],
  });
});

test.each<[string, Readonly<Record<string, unknown>>, readonly string[], string]>([
  [
    'HTTPRouteInvalidNonExistentBackendRef',
    { rules: [{ backendRefs: [{ name: 'none', port: 80 }] }] },
    ['Accepted=True Accepted', 'ResolvedRefs=False BackendNotFound'],
    '*',
  ],
  [
    'HTTPRouteInvalidBackendRefUnknownKind',
    { rules: [{ backendRefs: [{ kind: 'Thing', group: 'x.dev', name: 'web', port: 80 }] }] },
    ['Accepted=True Accepted', 'ResolvedRefs=False InvalidKind'],
    '*',
  ],
  [
    'HTTPRouteInvalidCrossNamespaceBackendRef',
    { rules: [{ backendRefs: [{ name: 'web', namespace: 'other', port: 80 }] }] },
    ['Accepted=True Accepted', 'ResolvedRefs=False RefNotPermitted'],
    '*',
  ],
  [
    'HTTPRouteInvalidParentRefNotMatchingSectionName',
    { parentRefs: [{ name: 'gw', sectionName: 'none' }] },
    ['Accepted=False NoMatchingParent', 'ResolvedRefs=True ResolvedRefs'],
    '',
  ],
  [
    'HTTPRouteInvalidParentRefNotMatchingListenerPort',
    { parentRefs: [{ name: 'gw', port: 81 }] },
    ['Accepted=False NoMatchingParent', 'ResolvedRefs=True ResolvedRefs'],
    '',
  ],
  [
    'HTTPRouteHostnameIntersection, without one',
    { hostnames: ['a.other.test'] },
    ['Accepted=False NoMatchingListenerHostname', 'ResolvedRefs=True ResolvedRefs'],
    '',
  ],
  [
    'HTTPRouteHostnameIntersection, with one',
    { hostnames: ['a.other.test', 'a.gw.test', '*.gw.test'] },
    attached,
    'a.gw.test *.gw.test',
  ],
  [
    'a match that is not supported',
    { rules: [{ matches: [{ path: { type: 'RegularExpression', value: '/.*' } }] }] },
    ['Accepted=False UnsupportedValue', 'ResolvedRefs=True ResolvedRefs'],
    '',
  ],
])('%s', async (name, spec, expected, served) => {
  await cluster.apply(
    gateway(http(name.startsWith('HTTPRouteHostname') ? { hostname: '*.gw.test' } : {})),
    route(spec),
  );
  const found = await outcome();
  expect([found.route, found.served.join(' '), found.listeners?.[0]?.[1]]).toEqual([
    [expected],
    served,
    served === '' ? 0 : 1,
  ]);
});

test('HTTPRouteReferenceGrant: a grant lets it, and its end takes that back', async () => {
  const grant = {
    apiVersion: `${group}/v1beta1`,
    kind: 'ReferenceGrant',
    metadata: { name: 'grant', namespace: 'other' },
    spec: {
      from: [{ group, kind: 'HTTPRoute', namespace: 'default' }],
      to: [{ group: '', kind: 'Service', name: 'web' }],
    },
  };
  await cluster.apply(
    gateway(http()),
    route({ rules: [{ backendRefs: [{ name: 'web', namespace: 'other', port: 80 }] }] }),
    grant,
  );
  expect((await outcome()).route).toEqual([attached]);
  const grants = { group, version: 'v1beta1', resource: 'referencegrants', kind: 'ReferenceGrant', namespaced: true };
  await cluster.client.resource(grants).delete('grant', { namespace: 'other' });
  expect((await outcome()).route).toEqual([['Accepted=True Accepted', 'ResolvedRefs=False RefNotPermitted']]);
});

test.each([
  ['Same', { from: 'Same' }, 'Accepted=False NotAllowedByListeners'],
  ['All', { from: 'All' }, 'Accepted=True Accepted'],
  ['a selector that fits', { from: 'Selector', selector: { matchLabels: { team: 'b' } } }, 'Accepted=True Accepted'],
  [
    'another selector',
    { from: 'Selector', selector: { matchLabels: { team: 'c' } } },
    'Accepted=False NotAllowedByListeners',
  ],
])('HTTPRouteCrossNamespace: routes from another namespace, allowed: %s', async (_, namespaces, expected) => {
  await cluster.apply(gateway(http({ allowedRoutes: { namespaces } })), route({}, 'other'));
  expect((await outcome('other')).route.map(([first]) => first)).toEqual([expected]);
});

test('GatewayInvalidRouteKind: kinds that are not supported are named', async () => {
  const kinds = [{ kind: 'TCPRoute' }, { kind: 'HTTPRoute' }];
  await cluster.apply(
    gateway(
      http({ allowedRoutes: { kinds } }),
      http({ name: 'none', port: 8001, allowedRoutes: { kinds: [{ kind: 'TCPRoute' }] } }),
    ),
  );
  const { listeners } = await outcome();
  expect(listeners?.map((one) => one[4])).toEqual([
    'ResolvedRefs=False InvalidRouteKinds',
    'ResolvedRefs=False InvalidRouteKinds',
  ]);
});

test('GatewayInvalidTLSConfiguration, GatewaySecretReferenceGrant: certificates are there, whole and allowed, or the listener does not listen', async () => {
  const nowMs = cluster.clock.nowMs();
  const authority = issueAuthority({ subject: { commonName: 'a' }, nowMs, validDays: 9 });
  const pair = issueLeaf(authority, {
    subject: { commonName: 'x' },
    nowMs,
    validDays: 9,
    usage: 'server',
    hosts: ['x'],
  });
  const base64 = (value: string) => Buffer.from(value).toString('base64');
  const secret = (name: string, namespace: string, key: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(pair.certificate), 'tls.key': base64(key) },
  });
  await cluster.apply(
    secret('good', 'default', pair.key),
    secret('odd', 'default', authority.key),
    secret('far', 'other', pair.key),
  );
  const secure = (name: string, port: number, ref: object) => ({
    name,
    port,
    protocol: 'HTTPS',
    tls: { certificateRefs: [ref] },
  });
  await cluster.apply(
    gateway(
      secure('good', 8001, { name: 'good' }),
      secure('odd', 8002, { name: 'odd' }),
      secure('none', 8003, { name: 'none' }),
      secure('far', 8004, { name: 'far', namespace: 'other' }),
    ),
  );
  const { listeners, gateway: conditions } = await outcome();
  expect(listeners?.map(([name, , , , resolved, programmed]) => [name, resolved, programmed])).toEqual([
    ['good', 'ResolvedRefs=True ResolvedRefs', 'Programmed=True Programmed'],
    ['odd', 'ResolvedRefs=False InvalidCertificateRef', 'Programmed=False Invalid'],
    ['none', 'ResolvedRefs=False InvalidCertificateRef', 'Programmed=False Invalid'],
    ['far', 'ResolvedRefs=False RefNotPermitted', 'Programmed=False Invalid'],
  ]);
  expect(conditions).toEqual(['Accepted=True ListenersNotValid', 'Programmed=True Programmed']);
});

test('listeners that are in each other’s way are told so, and others of the gateway listen', async () => {
  const one = http({ name: 'one', protocol: 'TCP', port: 9000 });
  await cluster.apply(gateway(http(), one));
  const { listeners } = await outcome();
  expect(listeners?.[1]).toEqual([
    'one',
    0,
    'Accepted=False UnsupportedProtocol',
    'Conflicted=False NoConflicts',
    'ResolvedRefs=True ResolvedRefs',
    'Programmed=False Invalid',
  ]);
});

test('HTTPRouteObservedGenerationBump, GatewayObservedGenerationBump: statuses are of the newest generation', async () => {
  await cluster.apply(gateway(http()), route());
  await outcome();
  await cluster.apply(gateway(http({ hostname: 'a.test' })), route({ hostnames: ['a.test'] }));
  await cluster.advance(2_000);
  const changed = await cluster.client.resource(gateways).get('gw', { namespace: 'default' });
  const changedRoute = await cluster.client.resource(httpRoutes).get('route', { namespace: 'default' });
  expect(changed.metadata?.generation).toBe(2);
  expect(changed.status?.conditions?.map((one) => one.observedGeneration)).toEqual([2, 2]);
  expect(changedRoute.status?.parents?.[0]?.conditions.map((one) => one.observedGeneration)).toEqual([2, 2]);
});

test('ports stay a gateway’s own, and go with it', async () => {
  await cluster.apply(gateway(http(), http({ name: 'second', port: 8001 })));
  await outcome();
  const portsOf = async () =>
    (await cluster.client.resource(services).list({ namespace: gatewayNamespace })).items
      .flatMap(({ spec }) => (spec?.ports ?? []).map(({ port, targetPort }) => `${port}:${targetPort}`))
      .sort();
  const before = await portsOf();
  expect(before).toHaveLength(3);
  await cluster.apply(gateway(http({ name: 'second', port: 8001 })));
  await outcome();
  expect(await portsOf()).toEqual(before.filter((one) => !one.startsWith('8000:')));
  await cluster.client.resource(gateways).delete('gw', { namespace: 'default' });
  await cluster.advance(2_000);
  expect(await portsOf()).toEqual(before.filter((one) => one.startsWith('80:')));
});

test('an Ingress of the default class has the address at which it is served', async () => {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const ingress = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      rules: [{ host: 'in.test', http: { paths: [{ path: '/a', pathType: 'Exact', backend }] } }],
      defaultBackend: backend,
    },
  };
  await cluster.apply(ingress);
  await cluster.advance(2_000);
  const { status, spec } = await cluster.client.resource(ingresses).get('web', { namespace: 'default' });
  expect([spec?.ingressClassName, status?.loadBalancer?.ingress?.length]).toEqual(['coxswain', 1]);
  const matches = [...table.ports.values()].flatMap(({ listeners }) => listeners.flatMap((one) => one.matches));
  expect(matches.map(({ hostname, path }) => [hostname, path.type, path.value])).toEqual([
    ['in.test', 'Exact', '/a'],
    ['', 'PathPrefix', '/'],
  ]);
});

test('bad objects are refused with the fields that are wrong', async () => {
  const refusal = async (object: KubeObject): Promise<string> => {
    try {
      await cluster.apply(object);
      return '';
    } catch (error) {
      return String(error);
    }
  };
  expect(await refusal(gateway(http(), http()))).toContain('spec.listeners');
  expect(await refusal(gateway(http({ tls: { certificateRefs: [{ name: 'x' }] } })))).toContain(
    'tls must not be specified',
  );
  expect(await refusal(route({ rules: [{ backendRefs: [{ name: 'web' }] }] }))).toContain(
    'Must have port for Service reference',
  );
  expect(await refusal(route({ rules: [{ matches: [{ path: { value: 'a' } }] }] }))).toContain("start with '/'");
  expect(await refusal(route({ rules: [{ filters: [{ type: 'URLRewrite' }] }] }))).toContain(
    'filter.urlRewrite must be specified',
  );
});

test('tools find out of which version of the API the kinds are', () => {
  const seen = gatewayDefinitions().map(({ metadata }) => [
    metadata?.annotations?.[`${group}/bundle-version`],
    metadata?.annotations?.[`${group}/channel`],
  ]);
  expect(seen).toEqual(Array(4).fill(['v1.3.0', 'standard']));
});
