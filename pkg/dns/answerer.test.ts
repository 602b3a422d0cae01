import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { decode, encode, type Packet, type Question } from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { Answerer, type AnswererOptions, type DnsProtocol } from './answerer.ts';
import { type DnsServer, serveDns } from './dns-server.ts';
import { Forwarder } from './forwarder.ts';
import { ClusterZone } from './zone.ts';
import { ZoneLookup } from './zone-lookup.ts';

const clock = new SystemClock();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A zone with one Service, and a headless one with so many endpoints. */
function zoneOf(endpoints = 0): ClusterZone {
  const zone = new ClusterZone();
  const service = { apiVersion: 'v1', kind: 'Service' } as const;
  zone.setNamespace('ns');
  zone.setService({ ...service, metadata: { name: 'web', namespace: 'ns' }, spec: { clusterIPs: ['10.0.0.1'] } });
  zone.setService({ ...service, metadata: { name: 'many', namespace: 'ns' }, spec: { clusterIPs: ['None'] } });
  const spec = { type: 'ExternalName', externalName: 'web.ns.svc.example.org' } as const;
  zone.setService({ ...service, metadata: { name: 'out', namespace: 'ns' }, spec });
  const addresses = Array.from({ length: endpoints }, (_, index) => ({ addresses: [`10.1.0.${index + 1}`] }));
  zone.setSlice({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'many', namespace: 'ns', labels: { 'kubernetes.io/service-name': 'many' } },
    addressType: 'IPv4',
    endpoints: addresses,
  });
  return zone;
}

function answererOf(zone: ClusterZone, options: Partial<AnswererOptions> = {}): Answerer {
  const domain = options.domain ?? 'cluster.local';
  return new Answerer({ lookup: new ZoneLookup(zone, domain), random: new SeededRandom(1), domain, ...options });
}

function query(name: string, type: Question['type'] = 'A', more: Partial<Packet> = {}): Buffer {
  return encode({ type: 'query', id: 7, flags: 1 << 8, questions: [{ name, type, class: 'IN' }], ...more });
}

async function answer(answerer: Answerer, message: Buffer, protocol: DnsProtocol = 'udp') {
  const bytes = await answerer.answer(message, protocol);
  if (bytes === undefined) throw new Error('no answer');
  return { bytes, packet: decode(bytes), code: bytes.readUInt8(3) & 0xf };
}

test('a name that is there, one that is not, and one of another kind', async () => {
  const answerer = answererOf(zoneOf());
  const there = await answer(answerer, query('Web.ns.svc.cluster.local'));
  expect(there.packet).toMatchObject({
    id: 7,
    flag_aa: true,
    flag_rd: true,
    answers: [{ name: 'Web.ns.svc.cluster.local', type: 'A', ttl: 30, data: '10.0.0.1' }],
  });
  const missing = await answer(answerer, query('nope.ns.svc.cluster.local'));
  expect(missing).toMatchObject({
    code: 3,
    packet: { answers: [], authorities: [{ type: 'SOA', name: 'cluster.local' }] },
  });
  const other = await answer(answerer, query('web.ns.svc.cluster.local', 'AAAA'));
  expect(other).toMatchObject({ code: 0, packet: { answers: [], authorities: [{ type: 'SOA' }] } });
  const soa = await answer(answerer, query('cluster.local', 'SOA'));
  expect(soa.packet.answers).toMatchObject([{ type: 'SOA', data: { mname: 'ns.dns.cluster.local' } }]);
  expect((await answer(answerer, query('cluster.local', 'AXFR'))).code).toBe(5);
});

test('an answer that was kept has the id of who asks, and goes when the zone changes', async () => {
  const zone = zoneOf();
  const answerer = answererOf(zone);
  await answer(answerer, query('web.ns.svc.cluster.local'));
  const again = await answer(answerer, query('web.ns.svc.cluster.local', 'A', { id: 9 }));
  expect(again.packet).toMatchObject({ id: 9, answers: [{ data: '10.0.0.1' }] });
  const metadata = { name: 'web', namespace: 'ns' };
  zone.setService({ apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIPs: ['10.0.0.2'] } });
  answerer.changed();
  expect((await answer(answerer, query('web.ns.svc.cluster.local'))).packet.answers).toMatchObject([
    { data: '10.0.0.2' },
  ]);
});

test('what does not fit is cut off over UDP, and whole over TCP and for those who take more', async () => {
  const answerer = answererOf(zoneOf(60));
  const asked = query('many.ns.svc.cluster.local');
  const short = await answer(answerer, asked);
  expect(short.bytes.length).toBeLessThanOrEqual(512);
  expect(short.packet).toMatchObject({ flag_tc: true, answers: [] });
  expect((await answer(answerer, asked, 'tcp')).packet.answers).toHaveLength(60);
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as const;
  const large = await answer(
    answerer,
    query('many.ns.svc.cluster.local', 'A', { additionals: [{ ...opt, options: [] }] }),
  );
  expect(large.packet.answers).toHaveLength(60);
  expect(large.packet.additionals).toMatchObject([{ type: 'OPT' }]);
});

test('what is no question gets no answer, and what makes no sense an error', async () => {
  const answerer = answererOf(zoneOf());
  expect(answerer.answer(Buffer.alloc(11), 'udp')).toBeUndefined();
  const reply = encode({ type: 'response', id: 7, questions: [] });
  expect(answerer.answer(reply, 'udp')).toBeUndefined();
  const cut = query('web.ns.svc.cluster.local').subarray(0, 20);
  expect((await answerer.answer(cut, 'udp'))?.readUInt8(3)).toBe(1);
  expect((await answerer.answer(encode({ type: 'query', id: 7, questions: [] }), 'udp'))?.readUInt8(3)).toBe(1);
  const update = query('cluster.local');
  update.writeUInt8(5 << 3, 2);
  expect((await answerer.answer(update, 'udp'))?.readUInt8(3)).toBe(4);
});

/** A server of `example.org` behind one of the cluster. */
async function chain(endpoints: number): Promise<{ readonly cluster: Answerer; readonly upstream: DnsServer }> {
  const upstreamAnswerer = answererOf(zoneOf(endpoints), { domain: 'example.org' });
  const upstream = await serveDns({ answerer: upstreamAnswerer, address: '127.0.0.1', port: 0, clock });
  const forwarder = new Forwarder({ servers: [upstream], clock, random: new SeededRandom(2) });
  ends.push(
    () => forwarder.close(),
    () => upstream.close(),
  );
  return { cluster: answererOf(zoneOf(), { forwarder }), upstream };
}

test('names of elsewhere come from others, by TCP where they are long, and a second time from memory', async () => {
  const { cluster, upstream } = await chain(60);
  expect((await answer(cluster, query('web.ns.svc.example.org'))).packet).toMatchObject({
    id: 7,
    answers: [{ data: '10.0.0.1' }],
  });
  expect((await answer(cluster, query('many.ns.svc.example.org'), 'tcp')).packet.answers).toHaveLength(60);
  expect((await answer(cluster, query('nope.ns.svc.example.org'))).code).toBe(3);
  const out = await answer(cluster, query('out.ns.svc.cluster.local'));
  expect(out.packet.answers).toMatchObject([
    { type: 'CNAME', data: 'web.ns.svc.example.org' },
    { type: 'A', data: '10.0.0.1' },
  ]);
  await upstream.close();
  ends.splice(0);
  expect((await answer(cluster, query('web.ns.svc.example.org', 'A', { id: 8 }))).packet).toMatchObject({
    id: 8,
    answers: [{ data: '10.0.0.1' }],
  });
});

test('nobody to ask is refused, and nobody who answers is a failure', async () => {
  expect((await answer(answererOf(zoneOf()), query('example.org'))).code).toBe(5);
  const { cluster, upstream } = await chain(0);
  await upstream.close();
  ends.splice(0);
  expect((await answer(cluster, query('example.org'))).code).toBe(2);
});

test('both protocols are answered at one port', async () => {
  const server = await serveDns({ answerer: answererOf(zoneOf()), address: '127.0.0.1', port: 0, clock });
  ends.push(() => server.close());
  const asked = query('web.ns.svc.cluster.local');
  const overUdp = await new Promise<Buffer>((resolve) => {
    const socket = createSocket('udp4');
    socket.on('message', (bytes) => socket.close(() => resolve(bytes)));
    socket.send(asked, server.port, server.address);
  });
  const length = Buffer.from([0, asked.length]);
  const overTcp = await new Promise<Buffer>((resolve) => {
    const socket = connect(server.port, server.address);
    const parts: Buffer[] = [];
    // Two questions in pieces, of which the second is cut in its length.
    socket.write(Buffer.concat([length, asked, length.subarray(0, 1)]));
    socket.write(Buffer.concat([length.subarray(1), asked]));
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      if (Buffer.concat(parts).length >= 2 * (overUdp.length + 2)) socket.destroy();
    });
    socket.on('close', () => resolve(Buffer.concat(parts)));
  });
  expect(overTcp.subarray(2, 2 + overUdp.length)).toEqual(overUdp);
  expect(overTcp.subarray(-overUdp.length)).toEqual(overUdp);
});
