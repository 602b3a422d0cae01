/**
 * A short run of the fuzzer of the wire against what listens beside servers of HTTP(S) of the components: the registry of images, `kubectl proxy`, cluster DNS,
 * relays of host ports and Services, and beacons. `fuzz-wire.test.ts` has the others.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom, SystemRandom } from '#pkg/base/random.ts';
import { openBeacon } from '#pkg/component/beacon.ts';
import { Answerer } from '#pkg/dns/answerer.ts';
import { type DnsServer, serveDns } from '#pkg/dns/dns-server.ts';
import { ClusterZone } from '#pkg/dns/zone.ts';
import { ZoneLookup } from '#pkg/dns/zone-lookup.ts';
import { systemCalls } from '#pkg/images/host/system-calls.ts';
import { openRegistry } from '#pkg/images/registry/registry.ts';
import { connect as connectKubectl } from '#pkg/kubectl/connect.ts';
import { kubectl } from '#pkg/kubectl/main.ts';
import { Connections } from '#pkg/network/relay/connections.ts';
import { TcpRelay } from '#pkg/network/relay/tcp-relay.ts';
import { Flows, UdpRelay } from '#pkg/network/relay/udp-relay.ts';
import { createStrategies } from '#pkg/registry/table.ts';
import { serveHttps } from './fuzz-https.ts';
import { fuzzWire, type WireAddress } from './fuzz-wire.ts';
import { wireRequest } from './fuzz-wire-requests.ts';

const clock = new SystemClock();
const host = '127.0.0.1';
const ends: (() => unknown)[] = [];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-listeners-'));
});

afterAll(async () => {
  for (const end of ends.reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, host);
  await once(server, 'listening');
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A registry whose folder is empty. */
async function startRegistry(): Promise<WireAddress> {
  const calls = await systemCalls();
  const options = { folder: join(folder, 'registry'), calls, clock, random: new SystemRandom(), log: silentLogger };
  const registry = await openRegistry(options);
  ends.push(() => registry.close());
  return { name: 'registry', host, port: await listen((request, response) => void registry.handle(request, response)) };
}

/** `kubectl proxy` before an API server, with files beside it. */
async function startProxy(): Promise<WireAddress> {
  const api = await startTestServer({ strategies: createStrategies(), documents: createDocumentProvider });
  const https = await serveHttps(api.server.handle);
  ends.push(() => https.close());
  const { ca, cert, key } = https.client;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const kubeconfig = join(folder, 'kubeconfig');
  const cluster = { server: `https://${host}:${https.port}`, 'certificate-authority-data': base64(ca) };
  const user = { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) };
  const named = {
    clusters: [{ name: 'a', cluster }],
    users: [{ name: 'a', user }],
    contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
  };
  writeFileSync(kubeconfig, JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'a', ...named }));
  const stop = new AbortController();
  const started = Promise.withResolvers<number>();
  const ended = kubectl(
    {
      clock,
      signal: stop.signal,
      write: (text) => started.resolve(Number(/:(\d+)\n$/.exec(text)?.[1])),
      writeError: (text) => started.reject(new Error(text)),
      readStdin: async () => '',
      connect: ({ requestTimeoutMs }) => connectKubectl({ kubeconfig, requestTimeoutMs, onWarning: () => {} }),
    },
    ['proxy', '--port=0', '--accept-hosts=.*', `--www=${folder}`],
  );
  ends.push(() => {
    stop.abort();
    return ended;
  });
  return { name: 'kubectl proxy', host, port: await started.promise };
}

async function startDns(): Promise<DnsServer> {
  const domain = 'cluster.local';
  const lookup = new ZoneLookup(new ClusterZone(), domain);
  const answerer = new Answerer({ lookup, random: new SeededRandom(1), domain });
  const dns = await serveDns({ answerer, address: host, port: 0, clock });
  ends.push(() => dns.close());
  return dns;
}

const chooserOf = (port: number) => ({ pick: () => ({ ip: host, port }), remember: () => {}, has: () => true });

/** A port that nobody else has at this moment, by TCP and UDP. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, host);
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Opens a relay at a free port; another try where somebody was faster. */
async function opened<T>(open: (port: number) => Promise<T>): Promise<{ readonly relay: T; readonly port: number }> {
  for (let tries = 0; ; tries++) {
    const port = await freePort();
    try {
      return { relay: await open(port), port };
    } catch (error) {
      if (tries === 9) throw error;
    }
  }
}

async function startTcpRelay(target: number): Promise<WireAddress> {
  const connections = new Connections(100);
  const { relay, port } = await opened((at) =>
    TcpRelay.open({ ip: host, port: at }, { clock, connections, chooser: chooserOf(target) }),
  );
  ends.push(
    () => connections.close(),
    () => relay.close(),
  );
  return { name: 'relay', host, port };
}

/** Sends odd datagrams to a port, and something that is answered after them; resolves with that answer. */
async function afterOddDatagrams(port: number, question: Buffer): Promise<Buffer> {
  const random = new SeededRandom(11);
  const socket = createSocket('udp4').bind(0, host);
  await once(socket, 'listening');
  try {
    for (let i = 0; i < 500; i++) {
      const { bytes } = wireRequest(random);
      await new Promise((resolve) => socket.send(bytes.subarray(0, 1_400), port, host, resolve));
    }
    const answered = new Promise<Buffer>((resolve) => {
      socket.on('message', (bytes) => {
        if (bytes.subarray(0, 2).equals(question.subarray(0, 2))) resolve(bytes);
      });
    });
    // A datagram may be lost where the system has no room for it.
    let answer: Buffer | undefined;
    void answered.then((bytes) => {
      answer = bytes;
    });
    while (answer === undefined) {
      socket.send(question, port, host);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return answer;
  } finally {
    socket.close();
  }
}

/** `dns-version.cluster.local`, a text, with an id that no request of the fuzzer begins with. */
const question = Buffer.from(
  'fffe010000010000000000000b646e732d76657273696f6e07636c7573746572056c6f63616c0000100001',
  'hex',
);

test('whatever bytes come, the registry, the proxy, DNS, relays and beacons answer the next (faults 52, 65)', {
  timeout: 180_000,
}, async () => {
  const registry = await startRegistry();
  const proxy = await startProxy();
  const dns = await startDns();
  const beacon = await openBeacon({ clock, identity: 'one', host, advertised: host });
  ends.push(() => beacon.close());
  const addresses: readonly WireAddress[] = [
    registry,
    proxy,
    await startTcpRelay(registry.port),
    { name: 'DNS', host, port: dns.port },
    { name: 'beacon', host, port: Number(beacon.address.split(':')[1]) },
  ];
  const { faults, statuses } = await fuzzWire(addresses, 600, 5);
  expect(faults).toEqual([]);
  for (const { name } of addresses) expect(Object.keys(statuses[name] ?? {}).length, name).toBeGreaterThan(0);
  for (const { name } of [registry, proxy]) expect(Object.keys(statuses[name] ?? {}).length, name).toBeGreaterThan(2);
  for (const port of [registry.port, addresses[2]?.port])
    expect((await fetch(`http://${host}:${port}/v2/`)).status).toBe(200);
  expect(await (await fetch(`http://${host}:${proxy.port}/healthz`)).text()).toBe('ok');
  const beaconSocket = connect(Number(beacon.address.split(':')[1]), host);
  expect(String((await once(beaconSocket, 'data'))[0])).toBe('one\n');
  beaconSocket.destroy();
  expect((await afterOddDatagrams(dns.port, question)).readUInt8(3) & 0xf).toBe(0);
});

test('odd datagrams go through a relay, and it goes on', { timeout: 300_000 }, async () => {
  const dns = await startDns();
  const { relay, port } = await opened((at) =>
    UdpRelay.open({ ip: host, port: at }, { clock, flows: new Flows(50), chooser: chooserOf(dns.port) }),
  );
  ends.push(() => relay.close());
  expect((await afterOddDatagrams(port, question)).readUInt8(3) & 0xf).toBe(0);
});

test.each([
  ['two slashes and a bracket', 'GET //[ HTTP/1.1', 404],
  ['an escape that is none', 'GET /api/%zz HTTP/1.1', 400],
  ['an escape that hides what is rejected', 'GET /api/v1/namespaces/a/pods/b/%65xec HTTP/1.1', 403],
  ['a file whose name is too long', `GET /static/${'a'.repeat(300)} HTTP/1.1`, 404],
  ['a file whose name has a zero', 'GET /static/%00 HTTP/1.1', 400],
  ['a trailer that does not follow', 'GET /healthz HTTP/1.1\r\ntrailer: x', 200],
])('kubectl proxy answers %s (fault 52)', async (_, line, status) => {
  const { port } = await startProxy();
  const socket = connect(port, host);
  socket.write(`${line}\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  expect(text.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
});

test('the registry has nothing at a path that begins like an address', async () => {
  const { port } = await startRegistry();
  for (const target of ['//[', '*', 'http://[', '//v2/']) {
    const socket = connect(port, host);
    socket.write(`GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text.slice(0, 12), target).toBe('HTTP/1.1 404');
  }
});
