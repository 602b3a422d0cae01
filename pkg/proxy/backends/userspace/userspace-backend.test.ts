/** The userspace backend on real sockets of 127/8, which Linux gives to every user. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import type { Backend } from '../../backend.ts';
import { backendConformance } from '../../conformance.ts';
import type { Rule, RuleEndpoint } from '../../model/rule.ts';
import { endpointAt, makeRule, setOf } from '../../testing/rules.ts';
import { createUserspaceBackend } from './userspace-backend.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Where nobody listens: a port that was somebody's may be another's soon. */
const nobody = endpointAt(1);

/** Ports of tests, apart from those that the system gives to connections. */
let nextPort = 21_000 + (process.pid % 400) * 20;

function makeBackend(): Backend {
  const backend = createUserspaceBackend({ clock: new SystemClock(), random: new SeededRandom(7) });
  cleanups.push(() => backend.close());
  return backend;
}

const ruleOf = (fields: Partial<Rule>, endpoints: readonly RuleEndpoint[]): Rule =>
  makeRule({ clusterIPs: ['127.77.0.1'], ...fields, port: fields.port ?? nextPort++ }, endpoints);

/** A server that answers all it got, in capitals and with its name, once the client has ended its half. */
async function echoServer(name: string): Promise<{ readonly endpoint: RuleEndpoint; readonly server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('end', () => socket.end(`${name}:${text.toUpperCase()}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return { endpoint: endpointAt((server.address() as { port: number }).port), server };
}

async function connectTo(port: number, host = '127.77.0.1', localAddress?: string): Promise<Socket> {
  const socket = createConnection({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  await once(socket, 'connect');
  return socket;
}

/** The code of the error that ends a connection, while it is made or after. */
async function failureOf(port: number, host = '127.77.0.1', localAddress?: string): Promise<unknown> {
  const socket = createConnection({ host, port, ...(localAddress === undefined ? {} : { localAddress }) });
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.on('end', () => resolve('no error'));
  });
}

async function answerOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  await once(socket, 'close');
  return text;
}

async function ask(port: number, text: string, host?: string, localAddress?: string): Promise<string> {
  const socket = await connectTo(port, host, localAddress);
  socket.end(text);
  return answerOf(socket);
}

backendConformance('userspace', {
  make: async () => createUserspaceBackend({ clock: new SystemClock(), random: new SeededRandom(7) }),
  clusterIp: '127.77.0.1',
  nodeIp: '127.0.0.1',
  endpointIp: '127.0.0.1',
  freePort: () => nextPort++,
  carriesConnections: true,
});

test('megabytes pass whole through a reader that is slow to start', async () => {
  const bytes = 8 * 1024 * 1024;
  const server = createServer((socket) => {
    socket.end(Buffer.alloc(bytes, 'x'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const rule = ruleOf({}, [endpointAt((server.address() as { port: number }).port)]);
  await makeBackend().sync(setOf(rule));
  const socket = await connectTo(rule.port);
  socket.pause();
  await new SystemClock().yield();
  const answer = answerOf(socket);
  socket.resume();
  expect((await answer).length).toBe(bytes);
});

test('connections are spread over the endpoints, and an endpoint that refuses is passed over', async () => {
  const [a, b] = [await echoServer('a'), await echoServer('b')];
  const rule = ruleOf({}, [nobody, a.endpoint, b.endpoint]);
  await makeBackend().sync(setOf(rule));
  const answers = new Set<string>();
  for (let i = 0; i < 30; i++) answers.add(await ask(rule.port, 'x'));
  expect([...answers].sort()).toEqual(['a:X', 'b:X']);
});

test('with session affinity a client stays with its endpoint', async () => {
  const servers = [await echoServer('a'), await echoServer('b'), await echoServer('c')];
  const rule = ruleOf(
    { sessionAffinity: { timeoutSeconds: 60 } },
    servers.map(({ endpoint }) => endpoint),
  );
  const backend = makeBackend();
  await backend.sync(setOf(rule));
  const answersFrom = async (client: string): Promise<ReadonlySet<string>> => {
    const answers = new Set<string>();
    for (let i = 0; i < 10; i++) answers.add(await ask(rule.port, '', undefined, client));
    return answers;
  };
  const kept = [];
  for (let client = 1; client <= 8; client++) kept.push(await answersFrom(`127.0.9.${client}`));
  expect(kept.map((answers) => answers.size)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  expect(new Set(kept.flatMap((answers) => [...answers])).size).toBeGreaterThan(1);
});

test('a rule without endpoints refuses; one whose Service is gone does too, but its connections end by themselves', async () => {
  const { endpoint, server } = await echoServer('a');
  const backend = makeBackend();
  const rule = ruleOf({}, [endpoint]);
  await backend.sync(setOf(rule));
  const reached = once(server, 'connection');
  const open = await connectTo(rule.port);
  // The system connects a client before the backend has taken it.
  await reached;
  await backend.sync(setOf({ ...rule, internalEndpoints: [], externalEndpoints: [] }));
  expect(await failureOf(rule.port)).toBe('ECONNREFUSED');
  await backend.sync(setOf());
  expect(await failureOf(rule.port)).toBe('ECONNREFUSED');
  open.end('still');
  expect(await answerOf(open)).toBe('a:STILL');
});

test('when no endpoint can be reached the client is reset', async () => {
  const rule = ruleOf({}, [nobody]);
  await makeBackend().sync(setOf(rule));
  expect(await failureOf(rule.port)).toBe('ECONNRESET');
});

test('a port that cannot be had is reported and tried again, and does not keep others from being served', async () => {
  const { endpoint } = await echoServer('a');
  const taken = createServer();
  const rule = ruleOf({}, [endpoint]);
  const other = ruleOf({}, [endpoint]);
  const twin = { ...ruleOf({ port: other.port }, [endpoint]), key: 'shop/twin', serviceName: 'twin' };
  const sctp = { ...ruleOf({ protocol: 'SCTP' }, [endpoint]), key: 'shop/sctp' };
  taken.listen(rule.port, '127.77.0.1');
  await once(taken, 'listening');
  const backend = makeBackend();
  const failures = await backend.sync(setOf(rule, other, twin, sctp));
  expect(failures.map(({ rule: { key }, message }) => [key, message])).toEqual([
    ['shop/twin', `Cannot listen on 127.77.0.1:${other.port} as Service shop/web has that address`],
    ['shop/sctp', 'Cannot serve a port with protocol SCTP as the userspace proxy knows TCP and UDP only'],
    [rule.key, `Cannot listen on 127.77.0.1:${rule.port} as another program has that port`],
  ]);
  expect(await ask(other.port, '')).toBe('a:');
  await new Promise((resolve) => taken.close(resolve));
  expect(await backend.sync(setOf(rule, other))).toEqual([]);
  expect(await ask(rule.port, '')).toBe('a:');
});

test('a load balancer address lets in its source ranges only', async () => {
  const { endpoint } = await echoServer('a');
  const ranges = { loadBalancerIPs: ['127.77.0.2'], loadBalancerSourceRanges: ['127.0.9.0/24'] };
  const rule = ruleOf(ranges, [endpoint]);
  const backend = makeBackend();
  await backend.sync(setOf(rule));
  expect(await ask(rule.port, '', '127.77.0.2', '127.0.9.1')).toBe('a:');
  expect(await ask(rule.port, '', '127.77.0.1', '127.0.8.1')).toBe('a:');
  expect(await failureOf(rule.port, '127.77.0.2', '127.0.8.1')).toBe('ECONNRESET');
  await backend.sync(setOf({ ...rule, loadBalancerSourceRanges: [] }));
  expect(await ask(rule.port, '', '127.77.0.2', '127.0.8.1')).toBe('a:');
});

async function datagramServer(name: string): Promise<RuleEndpoint> {
  const socket = createSocket('udp4');
  socket.on('message', (data, from) => socket.send(`${name}:${data}:${from.port}`, from.port, from.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  cleanups.push(() => new Promise((resolve) => socket.close(() => resolve(undefined))));
  return endpointAt(socket.address().port);
}

async function exchange(socket: DatagramSocket, port: number, text: string): Promise<string> {
  const answered = once(socket, 'message');
  socket.send(text, port, '127.77.0.1');
  return String((await answered)[0]);
}

test('datagrams go to an endpoint and back; a client keeps its flow until the endpoint is gone', async () => {
  const [a, b] = [await datagramServer('a'), await datagramServer('b')];
  const rule = ruleOf({ protocol: 'UDP' }, [a]);
  const backend = makeBackend();
  await backend.sync(setOf(rule));
  const client = createSocket('udp4');
  cleanups.push(() => new Promise((resolve) => client.close(() => resolve(undefined))));
  const first = await exchange(client, rule.port, 'one');
  const flowPort = first.split(':')[2];
  expect(first).toBe(`a:one:${flowPort}`);
  await backend.sync(setOf({ ...rule, internalEndpoints: [a, b] }));
  expect(await exchange(client, rule.port, 'two')).toBe(`a:two:${flowPort}`);
  await backend.sync(setOf({ ...rule, internalEndpoints: [b] }));
  expect(await exchange(client, rule.port, 'three')).toMatch(/^b:three:/);
});
