/** The nftables backend in the kernel. The suite has a network namespace of its own (`tests/run.ts`), of which this file makes addresses. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import type { Backend } from '#pkg/proxy/backend.ts';
import { createNftablesBackend } from '#pkg/proxy/backends/nftables/nftables-backend.ts';
import { backendConformance } from '#pkg/proxy/conformance.ts';
import { endpointAt, makeRule, setOf } from '#pkg/proxy/testing/rules.ts';

const [clusterIp, nodeIp, endpointIp] = ['10.77.0.1', '10.77.1.1', '10.77.2.1'];

beforeAll(() => {
  execFileSync('ip', ['-batch', '-'], {
    input: 'link set lo up\naddr add 10.77.1.1/32 dev lo\nroute replace local 10.77.0.0/16 dev lo src 10.77.1.1\n',
  });
});

let nextPort = 2_000;

function backendOf(keepsRules = false): Backend {
  return createNftablesBackend({
    log: silentLogger,
    tableName: 'conformance',
    podRanges: [],
    serviceRanges: ['10.77.0.0/24'],
    nodePortAddresses: [nodeIp],
    keepsRules,
  });
}

/** Answers all it got once the client has ended its half. */
async function echo(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let got = '';
    socket.on('data', (data) => {
      got += data;
    });
    socket.on('end', () => socket.end(`got ${got}`));
  });
  server.listen(0, endpointIp);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: clusterIp, port });
  await once(socket, 'connect');
  return socket;
}

async function ask(port: number): Promise<string> {
  const socket = await open(port);
  socket.end('it');
  return text(socket);
}

test('a proxy that is started again takes over what is there, and connections stay', async () => {
  const rule = makeRule({ clusterIPs: [clusterIp], port: 90 }, [endpointAt(await echo(), endpointIp)]);
  const first = backendOf(true);
  await first.sync(setOf(rule));
  const socket = await open(90);
  socket.write('before, ');
  await first.close();
  expect(await ask(90)).toBe('got it');
  const second = backendOf();
  onTestFinished(() => second.close());
  expect(await second.sync(setOf({ ...rule }))).toEqual([]);
  expect(await ask(90)).toBe('got it');
  socket.end('after');
  expect(await text(socket)).toBe('got before, after');
});

test('of rules that the kernel refuses, or another has the address of, one does not keep the others from being done', async () => {
  const backend = backendOf();
  onTestFinished(() => backend.close());
  const endpoints = [endpointAt(await echo(), endpointIp)];
  const rules = Array.from({ length: 9 }, (_, index) =>
    makeRule({ key: `s${index}`, clusterIPs: [clusterIp], port: 91 + index }, endpoints),
  );
  const wrong = makeRule({ key: 'wrong', clusterIPs: ['10.77.0.300'], port: 80 }, endpoints);
  const taken = makeRule({ key: 'taken', clusterIPs: [clusterIp], port: 91, protocol: 'TCP' }, [
    endpointAt(1, endpointIp),
  ]);
  const failures = await backend.sync(setOf(...rules.slice(0, 5), wrong, ...rules.slice(5), taken));
  expect(failures.map(({ rule }) => rule.key).toSorted()).toEqual(['taken', 'wrong']);
  for (const { port } of rules) expect(await ask(port)).toBe('got it');
  const given = { ...taken, internalEndpoints: endpoints, externalEndpoints: endpoints };
  expect(await backend.sync(setOf(...rules.slice(1), given))).toEqual([]);
  expect(await ask(91)).toBe('got it');
});

test('a table that somebody took away is made again with the next change', async () => {
  const backend = backendOf();
  onTestFinished(() => backend.close());
  const endpoints = [endpointAt(await echo(), endpointIp)];
  const one = makeRule({ key: 'one', clusterIPs: [clusterIp], port: 90 }, endpoints);
  await backend.sync(setOf(one));
  execFileSync('nft', ['delete', 'table', 'inet', 'conformance']);
  const two = makeRule({ key: 'two', clusterIPs: [clusterIp], port: 91 }, endpoints);
  expect(await backend.sync(setOf(one, two))).toEqual([]);
  expect([await ask(90), await ask(91)]).toEqual(['got it', 'got it']);
});

backendConformance('nftables', {
  make: async () => backendOf(),
  clusterIp,
  nodeIp,
  endpointIp,
  freePort: () => nextPort++,
  carriesConnections: false,
});
