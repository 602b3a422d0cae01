/**
 * What programs of pods, webhooks, registries and other servers answer ends nothing: probes, proxies, webhooks and pulls are given answers that no library sends,
 * and who answers well after them is heard. An error that nobody meets would end the process, and here the run.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { forwardTransport } from '#pkg/client/forward-transport.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { createWebhookCaller } from '#pkg/cluster/webhook-caller.ts';
import { nodeHttp } from '#pkg/images/client/http.ts';
import { socketProbeTransport } from '#pkg/kubelet/probes/socket-transport.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import { serveHttps } from './fuzz-https.ts';
import { type HostileAnswer, hostileAnswer, hostileFrames } from './hostile-answers.ts';

const host = '127.0.0.1';
const clock = new SystemClock();
const target = { containerId: 'c', kind: 'readiness' } as const;
const times = 250;
/** Questions at once. */
const lanes = 16;
/** How long one waits for an answer that does not end. */
const patienceMs = 60;
/** For one that is whole, on a busy machine. */
const longMs = 60_000;

const lasting = { nowMs: clock.nowMs(), validDays: 1 };
const authority = issueAuthority({ subject: { commonName: 'authority' }, ...lasting });
const identity = issueLeaf(authority, {
  subject: { commonName: 'backend' },
  usage: 'server',
  hosts: [host],
  ...lasting,
});

/** A server whose answers are the next ones, until it has improved. */
interface Backend {
  readonly port: number;
  improve(): void;
}

const goodAnswer: HostileAnswer = {
  bytes: Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'),
  leaving: 'ends',
};

async function serve(next: () => HostileAnswer, isTls = false): Promise<Backend> {
  const open = new Set<Socket>();
  let isGood = false;
  const answer = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    socket.on('data', () => {
      if (socket.writableEnded) return;
      const { bytes, leaving } = isGood ? goodAnswer : next();
      socket.write(bytes);
      if (leaving === 'ends') socket.end();
      if (leaving === 'destroys') socket.destroy();
    });
  };
  const server = isTls
    ? createTlsServer({ cert: identity.certificate, key: identity.key }, answer)
    : createServer(answer);
  server.on('tlsClientError', () => {});
  server.listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    improve() {
      isGood = true;
      for (const socket of open) socket.destroy();
    },
  };
}

/** Asks again and again, some at a time; what came of it. How often, is the machine's matter. */
async function outcomes(ask: () => Promise<string>): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  let left = times;
  const lane = async (): Promise<void> => {
    while (left-- > 0) seen.add(await ask());
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return seen;
}

const subset = (seen: ReadonlySet<string>, allowed: readonly string[]): void =>
  expect([...seen].filter((one) => !allowed.includes(one))).toEqual([]);

test.each(['http', 'https'] as const)('probes by %s succeed or fail, and find who is well', async (scheme) => {
  const random = new SeededRandom(21);
  const backend = await serve(() => hostileAnswer(random), scheme === 'https');
  const transport = socketProbeTransport({ clock });
  const probe = (timeoutMs: number) =>
    transport.http(
      { scheme, host, port: backend.port, path: '/', headers: {}, timeoutMs, signal: new AbortController().signal },
      target,
    );
  const seen = await outcomes(async () => {
    const { ok, message } = await probe(patienceMs);
    return ok ? 'success' : message === '' ? 'nothing' : 'failure';
  });
  subset(seen, ['success', 'failure']);
  backend.improve();
  expect(await probe(longMs)).toEqual({ ok: true, statusCode: 200, message: '' });
});

test('probes by gRPC succeed or fail', async () => {
  const random = new SeededRandom(22);
  const { port } = await serve(() => hostileFrames(random));
  const transport = socketProbeTransport({ clock });
  const { signal } = new AbortController();
  const seen = await outcomes(async () => {
    const { ok, message } = await transport.grpc({ host, port, service: '', timeoutMs: patienceMs, signal }, target);
    return ok ? 'success' : message === '' ? 'nothing' : 'failure';
  });
  subset(seen, ['success', 'failure']);
});

test.each(['http', 'https'] as const)('what is passed on by %s is an answer, an error, or cut off', async (scheme) => {
  const random = new SeededRandom(23);
  const backend = await serve(() => hostileAnswer(random), scheme === 'https');
  const forward = forwardTransport({ scheme, host, port: backend.port });
  onTestFinished(() => forward.close());
  let waitMs = patienceMs;
  // As the API server passes requests on to pods, nodes and servers behind it.
  const served = await serveHttps(async (request) => {
    try {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(waitMs)]);
      return await forward.request({ ...request, signal });
    } catch (error) {
      return { status: 503, headers: {}, body: { kind: 'bytes', bytes: Buffer.from(String(error)) } };
    }
  });
  onTestFinished(() => served.close());
  const client = networkTransport({ server: `https://${host}:${served.port}`, ...served.client });
  onTestFinished(() => client.close());
  const ask = () =>
    client.request({
      method: 'GET',
      path: '/',
      query: '',
      headers: {},
      body: undefined,
      peer: { address: '' },
      signal: AbortSignal.timeout(longMs),
    });
  const seen = await outcomes(() =>
    ask().then(
      ({ status }) => (status === 503 ? 'error' : status === 500 ? 'fault' : 'answer'),
      () => 'cut off',
    ),
  );
  // One of the answers is a 500 of the backend.
  subset(seen, ['answer', 'error', 'cut off', 'fault']);
  waitMs = longMs;
  backend.improve();
  expect((await ask()).status).toBe(200);
});

test('an upgrade that nobody asked for is an error, and the connection is closed', async () => {
  const closed = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('close', () => closed.resolve());
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    );
  }).listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const forward = forwardTransport({ scheme: 'http', host, port });
  onTestFinished(() => forward.close());
  const asked = { method: 'GET', path: '/', query: '', headers: {}, body: undefined, peer: { address: '' } } as const;
  const { signal } = new AbortController();
  await expect(forward.request({ ...asked, signal })).rejects.toThrow(/nobody asked for/);
  await closed.promise;
});

test('webhooks answer, or fail their calls', async () => {
  const random = new SeededRandom(24);
  const backend = await serve(() => hostileAnswer(random), true);
  const caller = createWebhookCaller();
  onTestFinished(() => caller.close());
  const call = (waitMs: number) =>
    caller.call({
      url: `https://${host}:${backend.port}/`,
      caBundle: authority.certificate,
      body: '{}',
      signal: AbortSignal.timeout(waitMs),
    });
  const seen = await outcomes(() =>
    call(patienceMs).then(
      () => 'answer',
      () => 'failure',
    ),
  );
  subset(seen, ['answer', 'failure']);
  backend.improve();
  expect(await call(longMs)).toEqual({ status: 200, text: 'ok' });
});

/** Whether who answers well is heard: each connection of before that was kept may still fail one question. */
async function soonAnswered(ask: () => Promise<string>): Promise<boolean> {
  for (let connections = lanes; connections >= 0; connections--) if ((await ask()) === 'answer') return true;
  return false;
}

test('registries answer, or fail their requests', async () => {
  const random = new SeededRandom(25);
  const backend = await serve(() => hostileAnswer(random));
  const send = nodeHttp({ clock });
  const url = new URL(`http://${host}:${backend.port}/v2/`);
  const ask = async (waitMs: number): Promise<string> => {
    try {
      const answer = await send({ method: 'GET', url, headers: {}, signal: AbortSignal.timeout(waitMs) });
      for await (const _ of answer.body);
      return 'answer';
    } catch {
      return 'failure';
    }
  };
  subset(await outcomes(() => ask(patienceMs)), ['answer', 'failure']);
  backend.improve();
  expect(await soonAnswered(() => ask(longMs))).toBe(true);
});

test('an API server answers, or its clients are told', async () => {
  const random = new SeededRandom(26);
  const backend = await serve(() => hostileAnswer(random));
  const client = networkTransport({ server: `http://${host}:${backend.port}` });
  onTestFinished(() => client.close());
  let asked = 0;
  const ask = async (waitMs: number): Promise<string> => {
    try {
      const answer = await client.request({
        method: 'GET',
        path: '/',
        query: asked++ % 2 === 0 ? '' : 'watch=true',
        headers: {},
        body: undefined,
        peer: { address: '' },
        signal: AbortSignal.timeout(waitMs),
      });
      if (answer.body.kind === 'stream') for await (const _ of answer.body.chunks);
      return 'answer';
    } catch {
      return 'failure';
    }
  };
  subset(await outcomes(() => ask(patienceMs)), ['answer', 'failure']);
  backend.improve();
  expect(await soonAnswered(() => ask(longMs))).toBe(true);
});
