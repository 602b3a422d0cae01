/** What every proxy backend has to do: the laws of `backend.ts` as tests, on real sockets. Each backend's own test file calls it. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { Deferred } from '#pkg/base/async.ts';
import type { Backend } from './backend.ts';
import type { Rule, RuleEndpoint } from './model/rule.ts';
import { endpointAt, makeRule, setOf } from './testing/rules.ts';

export interface BackendUnderTest {
  make(): Promise<Backend>;
  /** An address for Services, that only the backend makes answer. */
  readonly clusterIp: string;
  /** The address at which the node serves node ports. */
  readonly nodeIp: string;
  /** An address on which endpoints can listen. */
  readonly endpointIp: string;
  /** A port that is free. */
  freePort(): number;
  /** Whether connections go through this process, and end with it. */
  readonly carriesConnections: boolean;
}

/** Runs the suite. `name` is that of the backend. */
export function backendConformance(name: string, under: BackendUnderTest): void {
  const { clusterIp, nodeIp, endpointIp } = under;
  const start = async (): Promise<Backend> => {
    const backend = await under.make();
    onTestFinished(() => backend.close());
    return backend;
  };
  const ruleOf = (fields: Partial<Rule>, endpoints: readonly RuleEndpoint[]): Rule =>
    makeRule({ clusterIPs: [clusterIp], ...fields, port: fields.port ?? under.freePort() }, endpoints);

  /** A server that answers all it got with its name before it, once the client has ended its half; `reached` is called for each connection. */
  const echoServer = async (serverName: string, reached: () => void = () => {}): Promise<RuleEndpoint> => {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      reached();
      socket.on('error', () => {});
      let got = '';
      socket.on('data', (data) => {
        got += data;
      });
      socket.on('end', () => socket.end(`${serverName}:${got}`));
    });
    server.listen(0, endpointIp);
    await once(server, 'listening');
    onTestFinished(async () => {
      const closed = once(server, 'close');
      server.close();
      // Where nothing leads to the client any more its socket never ends by itself.
      for (const socket of sockets) socket.destroy();
      await closed;
    });
    return endpointAt((server.address() as { port: number }).port, endpointIp);
  };
  const connectTo = async (port: number, host = clusterIp): Promise<Socket> => {
    const socket = connect({ host, port });
    await once(socket, 'connect');
    return socket;
  };
  const ask = async (port: number, what: string, host = clusterIp): Promise<string> => {
    const socket = await connectTo(port, host);
    socket.end(what);
    return text(socket);
  };
  const failureOf = (port: number): Promise<unknown> =>
    connectTo(port).then(
      () => 'connected',
      (error: NodeJS.ErrnoException) => error.code,
    );

  test(`${name}: bytes go to an endpoint and back, on the cluster IP and the node port`, async () => {
    const rule = ruleOf({ nodePort: under.freePort() }, [await echoServer('a')]);
    const backend = await start();
    expect(await backend.sync(setOf(rule))).toEqual([]);
    expect(await ask(rule.port, 'hello')).toBe('a:hello');
    expect(await ask(rule.nodePort!, 'hello', nodeIp)).toBe('a:hello');
  });

  test(`${name}: connections are spread over the endpoints`, async () => {
    const rule = ruleOf({}, [await echoServer('a'), await echoServer('b')]);
    await (await start()).sync(setOf(rule));
    const answers = new Set<string>();
    for (let index = 0; index < 30; index++) answers.add(await ask(rule.port, 'x'));
    expect([...answers].toSorted()).toEqual(['a:x', 'b:x']);
  });

  test(`${name}: with session affinity all addresses of a Service lead a client to one endpoint (fault 32)`, async () => {
    const endpoints = await Promise.all(['a', 'b', 'c', 'd'].map((one) => echoServer(one)));
    const rule = ruleOf({ nodePort: under.freePort(), sessionAffinity: { timeoutSeconds: 100 } }, endpoints);
    await (await start()).sync(setOf(rule));
    const answers = new Set<string>();
    for (let index = 0; index < 8; index++) {
      answers.add(await ask(rule.port, ''));
      answers.add(await ask(rule.nodePort!, '', nodeIp));
    }
    expect(answers.size).toBe(1);
  });

  test(`${name}: new connections follow new rules, those that are there keep their endpoint`, async () => {
    const reached = new Deferred();
    const [a, b] = [await echoServer('a', reached.resolve), await echoServer('b')];
    const backend = await start();
    const rule = ruleOf({}, [a]);
    await backend.sync(setOf(rule));
    const open = await connectTo(rule.port);
    open.write('still ');
    // The system connects a client before whoever listens has taken it.
    await reached.promise;
    await backend.sync(setOf({ ...rule, internalEndpoints: [b] }));
    await backend.sync(setOf({ ...rule, internalEndpoints: [b] }));
    expect(await ask(rule.port, '')).toBe('b:');
    open.end('there');
    expect(await text(open)).toBe('a:still there');
  });

  test(`${name}: a rule without endpoints refuses, and so does a Service that is gone`, async () => {
    const backend = await start();
    const rule = ruleOf({}, [await echoServer('a')]);
    await backend.sync(setOf(rule));
    await backend.sync(setOf({ ...rule, internalEndpoints: [], externalEndpoints: [] }));
    expect(await failureOf(rule.port)).toBe('ECONNREFUSED');
    await backend.sync(setOf());
    expect(await failureOf(rule.port)).toBe('ECONNREFUSED');
    await backend.sync(setOf(rule));
    expect(await ask(rule.port, '')).toBe('a:');
  });

  test(`${name}: datagrams go to an endpoint and back, and to another one when theirs is gone`, async () => {
    const servers = await Promise.all(
      ['a', 'b'].map(async (serverName) => {
        const server = createSocket('udp4');
        server.on('message', (data, from) => server.send(`${serverName}:${data}`, from.port, from.address));
        server.bind(0, endpointIp);
        await once(server, 'listening');
        onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
        return endpointAt(server.address().port, endpointIp);
      }),
    );
    const client = createSocket('udp4');
    onTestFinished(() => new Promise<void>((resolve) => client.close(() => resolve())));
    const rule = ruleOf({ protocol: 'UDP' }, [servers[0]!]);
    const exchange = async (what: string): Promise<string> => {
      const answered = once(client, 'message');
      client.send(what, rule.port, clusterIp);
      return String((await answered)[0]);
    };
    const backend = await start();
    await backend.sync(setOf(rule));
    expect(await exchange('one')).toBe('a:one');
    await backend.sync(setOf({ ...rule, internalEndpoints: servers }));
    expect(await exchange('two')).toBe('a:two');
    await backend.sync(setOf({ ...rule, internalEndpoints: [servers[1]!] }));
    expect(await exchange('three')).toBe('b:three');
  });

  test(`${name}: nothing is left once it is closed`, async () => {
    const backend = await under.make();
    const reached = new Deferred();
    const rule = ruleOf({}, [await echoServer('a', reached.resolve)]);
    await backend.sync(setOf(rule));
    const open = await connectTo(rule.port);
    await reached.promise;
    open.on('error', () => {});
    // Also where it is reset.
    const ended = under.carriesConnections && new Promise((resolve) => open.once('close', resolve));
    onTestFinished(() => void open.destroy());
    await backend.close();
    await ended;
    expect(await failureOf(rule.port)).toBe('ECONNREFUSED');
  });
}
