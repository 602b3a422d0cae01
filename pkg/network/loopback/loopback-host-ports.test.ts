/** Host ports on real sockets of 127/8, which Linux gives to every user. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import type { HostPort } from '../host-ports.ts';
import { hostPortsConformance } from '../host-ports-conformance.ts';
import { createLoopbackHostPorts } from './loopback-host-ports.ts';

/** Ports of tests, apart from those that the system gives to connections. */
let nextPort = 29_000 + (process.pid % 100) * 20;
const podIp = '127.78.3.2';
const nodeAddress = '127.78.3.1';
const make = () => createLoopbackHostPorts({ clock: new SystemClock(), nodeAddress });

hostPortsConformance('loopback', {
  make: async () => make(),
  nodeAddresses: [nodeAddress, '127.78.3.9'],
  freePort: () => nextPort++,
  podAddresses: [podIp],
  async greeter(text) {
    const server = createServer((socket) => socket.end(text));
    server.listen(0, podIp);
    await once(server, 'listening');
    onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
    return (server.address() as { port: number }).port;
  },
  async echo() {
    const server = createSocket('udp4');
    server.on('message', (data, from) => server.send(`got ${data}`, from.port, from.address));
    server.bind(0, podIp);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return server.address().port;
  },
});

test('what cannot be done is said of each port', async () => {
  const hostPorts = make();
  onTestFinished(() => hostPorts.close());
  const tcp: HostPort = { protocol: 'TCP', hostIp: '', hostPort: nextPort++, containerPort: 80 };
  const sctp: HostPort = { ...tcp, protocol: 'SCTP', hostPort: nextPort++ };
  await hostPorts.publish('a', { addresses: [podIp], ports: [tcp] });
  const failures = await hostPorts.publish('b', { addresses: [podIp], ports: [tcp, sctp] });
  expect(failures.map(({ message }) => message)).toEqual([
    `Cannot publish host port ${nodeAddress}:${tcp.hostPort}/TCP as another program has that port`,
    `Cannot publish host port ${nodeAddress}:${sctp.hostPort}/SCTP as the loopback network knows TCP and UDP only`,
  ]);
});
