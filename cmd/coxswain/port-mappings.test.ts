import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import type { PortMapping } from '#pkg/cluster/node-spec.ts';
import { type ClusterSettings, defaultSettings } from '#pkg/cluster/settings.ts';
import { openPortMappings } from './port-mappings.ts';

/** Of the machine; nobody else listens there, so that a port which is free stays so. */
const host = '127.9.8.5';

/** A port of a node, at which `word` is said; the system chooses it. */
async function listening(address: string, word: string): Promise<number> {
  const server = createServer((socket) => socket.end(word));
  server.listen(0, address);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const place = server.address();
  return place !== null && typeof place === 'object' ? place.port : 0;
}

/** A port that nobody has now. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const place = server.address();
  server.close();
  await once(server, 'close');
  return place !== null && typeof place === 'object' ? place.port : 0;
}

/** A cluster whose nodes are at 127.0.0.9, one of them with these mappings. */
function clusterWith(mappings: readonly Partial<PortMapping>[]): ClusterSettings {
  const extraPortMappings = mappings.map((one) => ({
    containerPort: 1,
    hostPort: 1,
    listenAddress: host,
    protocol: 'TCP' as const,
    ...one,
  }));
  return { ...defaultSettings, nodeAddress: '127.0.0.9', nodeSpecs: [{ name: 'a', extraPortMappings }] };
}

test('a port of the machine answers for that of the node until it is closed', async () => {
  const containerPort = await listening('127.0.0.9', 'the node');
  const hostPort = await freePort();
  const ports = await openPortMappings(clusterWith([{ containerPort, hostPort }]), new SystemClock());
  try {
    expect(await text(createConnection(hostPort, host))).toBe('the node');
  } finally {
    await ports.close();
  }
  await expect(text(createConnection(hostPort, host))).rejects.toThrow('ECONNREFUSED');
});

test('one that cannot be had is refused, and nothing is left of the others', async () => {
  const taken = await listening(host, 'another program');
  const hostPort = await freePort();
  const settings = clusterWith([{ hostPort }, { hostPort: taken }]);
  await expect(openPortMappings(settings, new SystemClock())).rejects.toThrow(
    `Cannot map a port to the node a: Cannot publish host port ${host}:${taken}/TCP as another program has that port`,
  );
  await expect(text(createConnection(hostPort, host))).rejects.toThrow('ECONNREFUSED');
});

test('where the node answers itself nobody listens', async () => {
  const containerPort = await listening('127.0.0.9', 'the node');
  const own = { containerPort, hostPort: containerPort };
  const ports = await openPortMappings(clusterWith([{ ...own, listenAddress: '127.0.0.9' }]), new SystemClock());
  await ports.close();
  await expect(
    openPortMappings(clusterWith([{ ...own, listenAddress: '0.0.0.0' }]), new SystemClock()),
  ).rejects.toThrow(
    `Cannot map the port ${containerPort} of all addresses to that of the node a as 127.0.0.9 is one of them`,
  );
});
