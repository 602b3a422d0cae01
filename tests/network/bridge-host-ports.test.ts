/** Host ports of the bridge network in the kernel, in the suite's own namespace. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { beforeAll, onTestFinished } from 'vitest';
import { createBridgeHostPorts } from '#pkg/network/bridge/bridge-host-ports.ts';
import { hostPortsConformance } from '#pkg/network/host-ports-conformance.ts';

const podIp = '10.78.2.1';

beforeAll(() => {
  const addresses = ['10.78.1.1', '10.78.1.2', podIp].map((address) => `addr replace ${address}/32 dev lo`);
  execFileSync('ip', ['-batch', '-'], { input: ['link set lo up', ...addresses, ''].join('\n') });
});

let nextPort = 2_000;

hostPortsConformance('bridge', {
  make: async () => createBridgeHostPorts({}),
  nodeAddresses: ['10.78.1.1', '10.78.1.2'],
  freePort: () => nextPort++,
  podAddresses: [podIp],
  greeter: async (text) => {
    const server = createServer((socket) => socket.on('error', () => {}).end(text));
    server.listen(0, podIp);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  },
  echo: async () => {
    const server = createSocket('udp4');
    server.on('message', (data, from) => server.send(`got ${data}`, from.port, from.address));
    server.bind(0, podIp);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return server.address().port;
  },
});
