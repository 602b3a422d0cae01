import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { configMaps } from '#pkg/api/types/refs.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { aborted, neverAborted } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { failoverTransport } from './failover-transport.ts';
import { type NetworkTransport, networkTransport } from './network-transport.ts';
import { createClient } from './rest-client.ts';

/** Nobody else listens here, so a port that was closed stays so. */
const host = '127.9.8.7';

/** A server that names itself in what it answers, and counts. With `isCut` it hears requests and says nothing. */
async function serve(name: string, { isCut = false } = {}) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    seen.push(request.method ?? '');
    if (isCut) request.socket.destroy();
    else if (request.url?.includes('watch=')) response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n');
    else response.end(JSON.stringify({ metadata: { name } }));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return { url: `http://${host}:${port}`, seen, close };
}

function connect(first: { readonly url: string }, second: { readonly url: string }) {
  const servers = [networkTransport({ server: first.url }), networkTransport({ server: second.url })] as const;
  const transport = failoverTransport({ servers, first: 0, clock: new SystemClock() });
  onTestFinished(() => transport.close());
  return createClient({ transport, userAgent: 'test/1' }).resource(configMaps);
}

const place = { namespace: 'x' };
const object = { metadata: { name: 'a', ...place } };

test('requests stay with one server while it is there, and all go to the next when it is gone', async () => {
  const [a, b] = [await serve('a'), await serve('b')];
  const client = connect(a, b);
  expect((await client.get('a', place)).metadata?.name).toBe('a');
  expect((await client.create(object)).metadata?.name).toBe('a');
  await a.close();
  expect((await client.get('a', place)).metadata?.name).toBe('b');
  expect((await client.create(object)).metadata?.name).toBe('b');
  expect([a.seen, b.seen]).toEqual([
    ['GET', 'POST'],
    ['GET', 'POST'],
  ]);
});

test('a write that may have arrived is not made again, and the next goes elsewhere; a read is', async () => {
  const [cut, sound] = [await serve('cut', { isCut: true }), await serve('sound')];
  const writer = connect(cut, sound);
  await expect(writer.create(object)).rejects.toMatchObject({ code: 503 });
  expect((await writer.create(object)).metadata?.name).toBe('sound');
  expect((await connect(cut, sound).get('a', place)).metadata?.name).toBe('sound');
  expect(cut.seen).toEqual(['POST', 'GET']);
});

test('a write to a server that was never there goes to the next', async () => {
  const [gone, sound] = [await serve('gone'), await serve('sound')];
  await gone.close();
  expect((await connect(gone, sound).create(object)).metadata?.name).toBe('sound');
});

/** One that answers nothing, or all but one path, and one that answers. */
function withSilent(answered: (path: string) => boolean) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const serverOf = (name: string, isAnswered: (path: string) => boolean): NetworkTransport => ({
    request: async ({ method, path, signal }) => {
      asked.push(`${name} ${method}`);
      if (!isAnswered(path)) {
        await aborted(signal);
        throw signal.reason;
      }
      return { status: 200, headers: {}, body: { kind: 'empty' } };
    },
    close: async () => {},
  });
  const servers = [serverOf('silent', answered), serverOf('sound', () => true)] as const;
  const transport = failoverTransport({ servers, first: 0, clock });
  onTestFinished(() => transport.close());
  const ask = (method: string, signal: AbortSignal = neverAborted): Promise<string> =>
    transport.request({ method, path: '/x', query: '', headers: {}, peer: { address: '' }, signal }).then(
      ({ status }) => String(status),
      (error: unknown) => (error instanceof Error ? error.name : ''),
    );
  return { clock, asked, ask };
}

test('a server that is silent is left by who gave it up after a while, and not by who changed their mind', async () => {
  const { clock, asked, ask } = withSilent(() => false);
  for (const patienceMs of [100, 3_999, 5_000, 5_000]) {
    const giving = new AbortController();
    const outcome = ask('PUT', giving.signal);
    await clock.advance(patienceMs);
    giving.abort();
    await outcome;
  }
  expect(asked).toEqual(['silent PUT', 'silent PUT', 'silent PUT', 'sound PUT']);
});

test('nobody waits for a server that answers nobody: a read goes to the next, and a write fails', async () => {
  for (const [method, outcome, last] of [
    ['GET', '200', ['sound GET']],
    ['PUT', 'Error', []],
  ] as const) {
    const { clock, asked, ask } = withSilent(() => false);
    const answer = ask(method);
    await clock.advance(13_000);
    expect(await answer).toBe(outcome);
    expect(asked).toEqual([`silent ${method}`, 'silent GET', ...last]);
  }
});

test('a server that only takes its time is waited for', async () => {
  const { clock, asked, ask } = withSilent((path) => path === '/readyz');
  const giving = new AbortController();
  const answer = ask('GET', giving.signal);
  await clock.advance(60_000);
  expect(asked).toEqual(['silent GET', 'silent GET']);
  giving.abort();
  expect(await answer).toBe('AbortError');
});

test('a watch that is cut off goes on at the next server', async () => {
  const [a, b] = [await serve('a'), await serve('b')];
  const client = connect(a, b);
  const watch = client.watch(place)[Symbol.asyncIterator]();
  await watch.next();
  await a.close();
  await watch.next().catch(() => {});
  for await (const batch of client.watch(place)) {
    expect(batch).toHaveLength(1);
    break;
  }
  expect(b.seen).toEqual(['GET']);
});

test('where all are gone the error comes at once', async () => {
  const [a, b] = [await serve('a'), await serve('b')];
  await Promise.all([a.close(), b.close()]);
  await expect(connect(a, b).get('a', place)).rejects.toMatchObject({ code: 503 });
});

/** A server without a network, which is there or not, ready or not, and keeps what it was asked. */
class Switchable implements NetworkTransport {
  isThere = true;
  isReady = true;
  asked: string[] = [];

  async request({ path }: ApiRequest) {
    this.asked.push(path);
    if (!this.isThere) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    const status = path === '/readyz' && !this.isReady ? 500 : 200;
    return { status, headers: {}, body: { kind: 'bytes', bytes: new Uint8Array(0) } } as const;
  }

  async close(): Promise<void> {}
}

function switchable() {
  const clock = new VirtualClock();
  const [home, other] = [new Switchable(), new Switchable()];
  const transport = failoverTransport({ servers: [home, other], first: 0, clock });
  const read = async (): Promise<'home' | 'other'> => {
    home.asked = [];
    other.asked = [];
    await transport.request({
      method: 'GET',
      path: '/x',
      query: '',
      headers: {},
      peer: { address: '' },
      signal: neverAborted,
    });
    return home.isThere && home.asked.includes('/x') ? 'home' : 'other';
  };
  return { clock, home, other, transport, read };
}

test('requests go back to a server that was lost once it says that it is ready, and none of a caller finds that out', async () => {
  const { clock, home, other, read } = switchable();
  home.isThere = false;
  expect(await read()).toBe('other');
  await clock.advance(60_000);
  expect(home.asked.every((path) => path === '/x' || path === '/readyz')).toBe(true);
  expect(await read()).toBe('other');
  expect(home.asked).toEqual([]);
  home.isThere = true;
  home.isReady = false;
  await clock.advance(10_000);
  expect(home.asked).toEqual(['/readyz']);
  expect(await read()).toBe('other');
  home.isReady = true;
  await clock.advance(10_000);
  expect(await read()).toBe('home');
  expect(other.asked).toEqual([]);
  // Nothing is asked of it by itself any more.
  await clock.advance(600_000);
  expect(home.asked).toEqual(['/x']);
});

test('a server that comes and goes is gone back to less and less often, and as soon as any other once it was steady', async () => {
  const { clock, home, read } = switchable();
  const lose = async (): Promise<void> => {
    home.isThere = false;
    await read();
    home.isThere = true;
  };
  const backAfterMs = async (): Promise<number> => {
    const startMs = clock.nowMs();
    while ((await read()) !== 'home') await clock.advance(1_000);
    return clock.nowMs() - startMs;
  };
  const waits: number[] = [];
  for (let round = 0; round < 8; round++) {
    await lose();
    waits.push(await backAfterMs());
  }
  expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 320_000, 320_000]);
  await clock.advance(60_000);
  await lose();
  expect(await backAfterMs()).toBe(10_000);
});

test('where every server was lost the next request tries the first again, and closing ends all', async () => {
  const { clock, home, other, transport, read } = switchable();
  home.isThere = false;
  other.isThere = false;
  await expect(read()).rejects.toThrow('refused');
  home.isThere = true;
  expect(await read()).toBe('home');
  home.isThere = false;
  other.isThere = true;
  expect(await read()).toBe('other');
  await transport.close();
  home.asked = [];
  await clock.advance(600_000);
  expect(home.asked).toEqual([]);
});
