/** What all host ports have to do: the laws of `host-ports.ts` as tests, on real sockets. Each implementation's own test file calls it. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { HostPort, HostPorts } from './host-ports.ts';

export interface HostPortsUnderTest {
  make(): Promise<HostPorts>;
  /** Where ports answer that name no address, and another address of the node. */
  readonly nodeAddresses: readonly [string, string];
  /** A port of the node that is free. */
  freePort(): number;
  /** Addresses of a pod, whose servers these are: one says `text` to who connects, one sends datagrams back with `got ` before them. */
  readonly podAddresses: readonly string[];
  greeter(text: string): Promise<number>;
  echo(): Promise<number>;
}

/** What a server says, or the code of the error. */
function read(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('end', () => resolve(text));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

/** Runs the suite. `name` is that of the implementation. */
export function hostPortsConformance(name: string, under: HostPortsUnderTest): void {
  const { podAddresses: addresses, nodeAddresses } = under;
  const [node, otherAddress] = nodeAddresses;
  const start = async (): Promise<HostPorts> => {
    const hostPorts = await under.make();
    onTestFinished(() => hostPorts.close());
    return hostPorts;
  };
  const tcp = (containerPort: number, fields: Partial<HostPort> = {}): HostPort => ({
    protocol: 'TCP',
    hostIp: '',
    hostPort: under.freePort(),
    containerPort,
    ...fields,
  });

  test(`${name}: a host port answers at the address it names, else at the node, until it is withdrawn`, async () => {
    const hostPorts = await start();
    const port = await under.greeter('hello');
    const [plain, all, named] = [tcp(port), tcp(port, { hostIp: '0.0.0.0' }), tcp(port, { hostIp: otherAddress })];
    expect(await hostPorts.publish('a', { addresses, ports: [plain, all, named] })).toEqual([]);
    expect(await hostPorts.publish('a', { addresses, ports: [plain, all, named] })).toEqual([]);
    expect(await read(node, plain.hostPort)).toBe('hello');
    expect(await read(node, all.hostPort)).toBe('hello');
    expect(await read(otherAddress, named.hostPort)).toBe('hello');
    expect(await read(node, named.hostPort)).toBe('ECONNREFUSED');
    await hostPorts.withdraw('a');
    await hostPorts.withdraw('a');
    expect(await read(node, plain.hostPort)).toBe('ECONNREFUSED');
  });

  test(`${name}: what one owner has another cannot, until it is given back; its other ports answer`, async () => {
    const hostPorts = await start();
    const [first, second] = [await under.greeter('first'), await under.greeter('second')];
    const [port, other] = [tcp(first), tcp(second)];
    await hostPorts.publish('a', { addresses, ports: [port] });
    const ports = [{ ...port, containerPort: second }, other];
    const failures = await hostPorts.publish('b', { addresses, ports });
    expect(failures.map((failure) => failure.port)).toEqual([ports[0]]);
    expect([await read(node, port.hostPort), await read(node, other.hostPort)]).toEqual(['first', 'second']);
    await hostPorts.withdraw('a');
    expect(await hostPorts.publish('b', { addresses, ports })).toEqual([]);
    expect(await read(node, port.hostPort)).toBe('second');
  });

  test(`${name}: datagrams go to the pod and back`, async () => {
    const hostPorts = await start();
    const client = createSocket('udp4');
    onTestFinished(() => void client.close());
    const port = tcp(await under.echo(), { protocol: 'UDP' });
    expect(await hostPorts.publish('a', { addresses, ports: [port] })).toEqual([]);
    const answered = once(client, 'message');
    client.send('ping', port.hostPort, node);
    expect(String((await answered)[0])).toBe('got ping');
  });

  test(`${name}: nothing answers once all is closed`, async () => {
    const hostPorts = await start();
    const port = tcp(await under.greeter('hello'));
    await hostPorts.publish('a', { addresses, ports: [port] });
    await hostPorts.close();
    expect(await read(node, port.hostPort)).toBe('ECONNREFUSED');
  });
}
