/** Host ports on real sockets of 127/8, which Linux gives to every user. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import type { HostPort } from '../host-ports.ts';
import { createLoopbackHostPorts } from './loopback-host-ports.ts';

/** Ports of tests, apart from those that the system gives to connections. */
let nextPort = 29_000 + (process.pid % 100) * 20;
const podIp = '127.78.3.2';
const nodeAddress = '127.78.3.1';

function start() {
  const hostPorts = createLoopbackHostPorts({ clock: new SystemClock(), nodeAddress });
  onTestFinished(() => hostPorts.close());
  return hostPorts;
}

/** A pod's server that says who is there; its port. */
async function greeter(text: string): Promise<number> {
  const server = createServer((socket) => socket.end(text));
  server.listen(0, podIp);
  await once(server, 'listening');
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return (server.address() as { port: number }).port;
}

const tcp = (containerPort: number, fields: Partial<HostPort> = {}): HostPort => ({
  protocol: 'TCP',
  hostIp: '',
  hostPort: nextPort++,
  containerPort,
  ...fields,
});

function read(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('end', () => resolve(text));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

test('a host port answers at the address it names, else at the node, until it is withdrawn', async () => {
  const hostPorts = start();
  const port = await greeter('hello');
  const [plain, all, named] = [tcp(port), tcp(port, { hostIp: '0.0.0.0' }), tcp(port, { hostIp: '127.78.3.9' })];
  expect(await hostPorts.publish('a', { ip: podIp, ports: [plain, all, named] })).toEqual([]);
  expect(await hostPorts.publish('a', { ip: podIp, ports: [plain, all, named] })).toEqual([]);
  expect(await read(nodeAddress, plain.hostPort)).toBe('hello');
  expect(await read(nodeAddress, all.hostPort)).toBe('hello');
  expect(await read('127.78.3.9', named.hostPort)).toBe('hello');
  expect(await read(nodeAddress, named.hostPort)).toBe('ECONNREFUSED');
  await hostPorts.withdraw('a');
  await hostPorts.withdraw('a');
  expect(await read(nodeAddress, plain.hostPort)).toBe('ECONNREFUSED');
});

test('what one pod has another cannot, until it is given back; the other ports answer', async () => {
  const hostPorts = start();
  const [first, second] = [await greeter('first'), await greeter('second')];
  const port = tcp(first);
  const other = tcp(second);
  const sctp = tcp(second, { protocol: 'SCTP' });
  await hostPorts.publish('a', { ip: podIp, ports: [port] });
  const wanted = [{ ...port, containerPort: second }, other, sctp];
  const failures = await hostPorts.publish('b', { ip: podIp, ports: wanted });
  expect(failures.map(({ message }) => message)).toEqual([
    `Cannot publish host port ${nodeAddress}:${port.hostPort}/TCP as another program has that port`,
    `Cannot publish host port ${nodeAddress}:${sctp.hostPort}/SCTP as the loopback network knows TCP and UDP only`,
  ]);
  expect([await read(nodeAddress, port.hostPort), await read(nodeAddress, other.hostPort)]).toEqual([
    'first',
    'second',
  ]);
  await hostPorts.withdraw('a');
  expect(await hostPorts.publish('b', { ip: podIp, ports: wanted.slice(0, 2) })).toEqual([]);
  expect(await read(nodeAddress, port.hostPort)).toBe('second');
});

test('datagrams go to the pod and back', async () => {
  const hostPorts = start();
  const server = createSocket('udp4');
  server.on('message', (data, from) => server.send(`got ${data}`, from.port, from.address));
  server.bind(0, podIp);
  await once(server, 'listening');
  const client = createSocket('udp4');
  onTestFinished(() => {
    server.close();
    client.close();
  });
  const port = tcp(server.address().port, { protocol: 'UDP' });
  await hostPorts.publish('a', { ip: podIp, ports: [port] });
  const answered = once(client, 'message');
  client.send('ping', port.hostPort, nodeAddress);
  expect(String((await answered)[0])).toBe('got ping');
});
