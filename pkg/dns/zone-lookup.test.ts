import { expect, test } from 'vitest';
import type { Service, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { ClusterZone } from './zone.ts';
import { ZoneLookup } from './zone-lookup.ts';

function service(name: string, spec: ServiceSpec): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'ns' }, spec };
}

function slice(name: string, of: string, endpoints: readonly Endpoint[], addressType = 'IPv4'): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'ns', labels: { 'kubernetes.io/service-name': of } },
    addressType,
    endpoints,
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  };
}

const ports = [
  { name: 'http', port: 80 },
  { name: 'dns', protocol: 'UDP', port: 53 },
];

function lookup(): ZoneLookup {
  const zone = new ClusterZone();
  zone.setNamespace('ns');
  zone.setService(service('web', { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'fd00::1'], ports }));
  zone.setService(service('peers', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'http', port: 8080 }] }));
  zone.setService(service('early', { clusterIP: 'None', publishNotReadyAddresses: true }));
  zone.setService(service('nobody', { clusterIP: 'None' }));
  zone.setService(service('out', { type: 'ExternalName', externalName: 'example.org.' }));
  zone.setSlice(
    slice('a', 'peers', [
      { addresses: ['10.1.0.1'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.1.0.2'], conditions: { ready: true } },
      { addresses: ['10.1.0.3'], hostname: 'db-2', conditions: { ready: false } },
    ]),
  );
  zone.setSlice(slice('b', 'early', [{ addresses: ['10.1.0.3'], hostname: 'db-2', conditions: { ready: false } }]));
  zone.setSlice(slice('c', 'peers', [{ addresses: ['fd00::2'] }], 'IPv6'));
  return new ZoneLookup(zone, 'cluster.local');
}

/** The data of what is found, or what is said instead. */
function found(name: string, type: string): unknown {
  const result = lookup().find(name, type);
  return typeof result === 'string' ? result : result.answers.map(({ data }) => data);
}

test.each([
  // Services with an address.
  ['web.ns.svc.cluster.local', 'A', ['10.0.0.1']],
  ['web.ns.svc.cluster.local', 'AAAA', ['fd00::1']],
  ['web.ns.svc.cluster.local', 'TXT', []],
  ['missing.ns.svc.cluster.local', 'A', 'unknown'],
  ['web.other.svc.cluster.local', 'A', 'unknown'],
  ['x.web.ns.svc.cluster.local', 'A', 'unknown'],
  // Ports.
  [
    '_http._tcp.web.ns.svc.cluster.local',
    'SRV',
    [{ priority: 0, weight: 100, port: 80, target: 'web.ns.svc.cluster.local' }],
  ],
  [
    '_dns._udp.web.ns.svc.cluster.local',
    'SRV',
    [{ priority: 0, weight: 100, port: 53, target: 'web.ns.svc.cluster.local' }],
  ],
  ['_dns._tcp.web.ns.svc.cluster.local', 'SRV', 'unknown'],
  ['_http._tcp.web.ns.svc.cluster.local', 'A', []],
  ['_tcp.web.ns.svc.cluster.local', 'SRV', []],
  ['_sctp.web.ns.svc.cluster.local', 'SRV', 'unknown'],
  // Headless Services: ready endpoints, each with a name.
  ['peers.ns.svc.cluster.local', 'A', ['10.1.0.1', '10.1.0.2']],
  ['peers.ns.svc.cluster.local', 'AAAA', ['fd00::2']],
  ['db-0.peers.ns.svc.cluster.local', 'A', ['10.1.0.1']],
  ['10-1-0-2.peers.ns.svc.cluster.local', 'A', ['10.1.0.2']],
  ['db-2.peers.ns.svc.cluster.local', 'A', 'unknown'],
  ['early.ns.svc.cluster.local', 'A', ['10.1.0.3']],
  ['nobody.ns.svc.cluster.local', 'A', []],
  // Names of elsewhere.
  ['out.ns.svc.cluster.local', 'A', ['example.org']],
  ['example.org', 'A', 'foreign'],
  ['cluster.localx', 'A', 'foreign'],
  // Pods: the name says the address.
  ['10-1-0-9.ns.pod.cluster.local', 'A', ['10.1.0.9']],
  ['10-1-0-9.ns.pod.cluster.local', 'AAAA', []],
  ['fd00--9.ns.pod.cluster.local', 'AAAA', ['fd00::9']],
  ['10-1-0-9.other.pod.cluster.local', 'A', 'unknown'],
  ['web.ns.pod.cluster.local', 'A', 'unknown'],
  // Back from addresses.
  ['1.0.0.10.in-addr.arpa', 'PTR', ['web.ns.svc.cluster.local']],
  ['1.0.1.10.in-addr.arpa', 'PTR', ['db-0.peers.ns.svc.cluster.local']],
  ['3.0.1.10.in-addr.arpa', 'PTR', ['db-2.early.ns.svc.cluster.local']],
  [`1.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`, 'PTR', ['web.ns.svc.cluster.local']],
  ['9.9.9.9.in-addr.arpa', 'PTR', 'foreign'],
  ['1.0.10.in-addr.arpa', 'PTR', 'foreign'],
  // What is there for those below it, and the zone's own.
  ['ns.svc.cluster.local', 'A', []],
  ['other.svc.cluster.local', 'A', 'unknown'],
  ['svc.cluster.local', 'A', []],
  ['cluster.local', 'A', []],
  ['cluster.local', 'NS', ['ns.dns.cluster.local']],
  ['dns-version.cluster.local', 'TXT', ['1.1.0']],
  ['web.cluster.local', 'A', 'unknown'],
])('%s %s', (name, type, wanted) => {
  expect(found(name, type)).toEqual(wanted);
});

test('a port of a headless Service leads to each endpoint, with its address beside', () => {
  const result = lookup().find('_http._tcp.peers.ns.svc.cluster.local', 'SRV');
  expect(result).toEqual({
    answers: ['db-0', '10-1-0-2', 'fd00--2'].map((hostname) => ({
      name: '_http._tcp.peers.ns.svc.cluster.local',
      type: 'SRV',
      data: { priority: 0, weight: 33, port: 8080, target: `${hostname}.peers.ns.svc.cluster.local` },
    })),
    additionals: [
      { name: 'db-0.peers.ns.svc.cluster.local', type: 'A', data: '10.1.0.1' },
      { name: '10-1-0-2.peers.ns.svc.cluster.local', type: 'A', data: '10.1.0.2' },
      { name: 'fd00--2.peers.ns.svc.cluster.local', type: 'AAAA', data: 'fd00::2' },
    ],
  });
});

test('what goes away is not found, and what changes is found as it is', () => {
  const zone = new ClusterZone();
  const names = new ZoneLookup(zone, 'cluster.local');
  const web = service('web', { clusterIPs: ['10.0.0.1'], ports: [] });
  zone.setService(web);
  zone.setService(service('web', { clusterIPs: ['10.0.0.2'], ports: [] }));
  expect(names.find('1.0.0.10.in-addr.arpa', 'PTR')).toBe('foreign');
  expect(names.find('web.ns.svc.cluster.local', 'A')).toMatchObject({ answers: [{ data: '10.0.0.2' }] });
  zone.removeService(web);
  expect(names.find('web.ns.svc.cluster.local', 'A')).toBe('unknown');
  expect(names.find('2.0.0.10.in-addr.arpa', 'PTR')).toBe('foreign');
  zone.setService(service('peers', { clusterIP: 'None' }));
  const one = slice('a', 'peers', [{ addresses: ['10.1.0.1'] }]);
  zone.setSlice(one);
  zone.setSlice(slice('b', 'peers', [{ addresses: ['10.1.0.1'] }]));
  zone.removeSlice(one);
  expect(names.find('1.0.1.10.in-addr.arpa', 'PTR')).toMatchObject({ answers: [{}] });
  zone.removeSlice(slice('b', 'peers', []));
  expect(names.find('1.0.1.10.in-addr.arpa', 'PTR')).toBe('foreign');
});
