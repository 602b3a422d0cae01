/** The client against registries that are well, want to know who asks, are ill, or lie. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Deferred } from '#pkg/base/async.ts';
import { type Clock, SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { systemCalls } from '../host/system-calls.ts';
import { type LocalImages, openImageStore } from '../local/local-image-store.ts';
import { parseReference } from '../reference.ts';
import { openRegistry } from '../registry/registry.ts';
import { archiveOf } from '../testing/archives.ts';
import { noRoot, testFolder } from '../testing/folders.ts';
import { HastyClock } from '../testing/hasty-clock.ts';
import { serveForTest } from '../testing/http-server.ts';
import { testImage, testPlatform } from '../testing/image-documents.ts';
import { serveImage } from '../testing/serve-image.ts';
import { parseChallenges } from './auth.ts';
import { addressesOf, parseRegistryHosts } from './hosts.ts';
import { nodeHttp } from './http.ts';
import { httpRegistries } from './registries.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

const image = testImage([archiveOf(['etc/', ''], ['etc/name', 'x'.repeat(50_000)])], { compress: (layer) => layer });
const layer = [...image.contents].find(([digest]) => digest !== image.target.digest && digest !== image.id)?.[0] ?? '';

function registriesOn(clock: Clock, hosts = '{}') {
  return httpRegistries({ send: nodeHttp({ clock }), hosts: parseRegistryHosts(hosts) });
}

async function openStore(hosts?: string): Promise<LocalImages> {
  return openImageStore({
    folder: join(testFolder(), 'images'),
    calls: await systemCalls(),
    clock: new HastyClock(),
    random: new SystemRandom(),
    platform: testPlatform,
    registries: registriesOn(new SystemClock(), hosts),
    snapshotter: 'copy',
    isRoot: noRoot === undefined,
  });
}

/** Of the layer, in the first part of a pull that is cut off; no more than one piece of a body. */
const cutBytes = 1000;

const hasUrl =
  (part: string) =>
  (request: IncomingMessage): boolean =>
    request.url?.includes(part) === true;
const isLayer = hasUrl(layer);

test('what is pushed can be pulled, by the registry that this project has', async () => {
  const registry = await openRegistry({
    folder: testFolder(),
    calls: await systemCalls(),
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: silentLogger,
  });
  onTestFinished(() => registry.close());
  const host = await serveForTest((request, response) => registry.handle(request, response));
  const source = await serveImage(image);
  const first = await openStore();
  await first.pull(`${source.host}/app:1`);
  await first.tag(`${source.host}/app:1`, `${host}/team/app:2`);
  await first.push(`${host}/team/app:2`, {});
  // All is there already then.
  await first.push(`${host}/team/app:2`, {});
  const second = await openStore();
  expect(await second.pull(`${host}/team/app:2`)).toMatchObject({
    id: image.id,
    digests: [`${host}/team/app@${image.target.digest}`],
  });
  await expect(second.pull(`${host}/team/app:3`)).rejects.toMatchObject({
    reason: 'notFound',
    message: expect.stringContaining('MANIFEST_UNKNOWN: manifest unknown'),
  });
  await expect(second.push('q.io/none:1', {})).rejects.toMatchObject({ reason: 'notFound' });
});

describe('a registry that is ill', () => {
  /** Pulls from a registry whose first answer is cut off once the client has its first part. */
  async function pullCutOff(next: (response: ServerResponse) => boolean): Promise<readonly string[]> {
    const bytes = image.contents.get(layer) ?? Buffer.alloc(0);
    let first: ServerResponse | undefined;
    const { host, asked } = await serveImage(image, (request, response) => {
      if (!isLayer(request)) return false;
      if (first !== undefined) return next(response);
      first = response;
      response.writeHead(200, { 'content-length': bytes.length });
      return response.write(bytes.subarray(0, cutBytes)) !== undefined;
    });
    const store = await openStore();
    const progress = ({ digest, doneBytes }: { readonly digest: string; readonly doneBytes: number }): void => {
      if (digest === layer && doneBytes === cutBytes) first?.destroy();
    };
    expect(await store.pull(`${host}/app:1`, { progress })).toMatchObject({ id: image.id });
    return asked.filter((line) => line.includes(layer));
  }

  test('cuts off: what came is kept, and the rest asked for', async () => {
    const asked = await pullCutOff(() => false);
    expect(asked).toEqual([`GET /v2/app/blobs/${layer}`, `GET /v2/app/blobs/${layer} bytes=${cutBytes}-`]);
  });

  test('gives no parts: what came is passed over', async () => {
    const bytes = image.contents.get(layer) ?? Buffer.alloc(0);
    const all = (response: ServerResponse): boolean => response.writeHead(200).end(bytes) !== undefined;
    expect(await pullCutOff(all)).toHaveLength(2);
  });

  test('is busy for a while', async () => {
    let refusals = 2;
    const { host } = await serveImage(image, (request, response) => {
      if (!isLayer(request) || refusals-- <= 0) return false;
      response.writeHead(503).end();
      return true;
    });
    expect(await (await openStore()).pull(`${host}/app:1`)).toMatchObject({ id: image.id });
  });

  test('is busy for ever', async () => {
    const { host } = await serveImage(
      image,
      (request, response) => isLayer(request) && response.writeHead(503).end() !== undefined,
    );
    await expect((await openStore()).pull(`${host}/app:1`)).rejects.toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('answered 503'),
    });
  });

  test('is not there', async () => {
    // Port 1 is nobody's.
    await expect(registriesOn(new SystemClock()).find(parseReference('127.0.0.1:1/app'), {})).rejects.toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('says nothing', async () => {
    const clock = new VirtualClock();
    const asked = [new Deferred(), new Deferred()];
    let count = 0;
    const host = await serveForTest(() => asked[count++]?.resolve());
    const hosts = `{"${host}":{"mirrors":["http://${host}"]}}`;
    const found = registriesOn(clock, hosts).find(parseReference(`${host}/app:1`), {});
    const outcome = expect(found).rejects.toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('said nothing for 30 s'),
    });
    // The mirror, then the registry itself.
    for (const one of asked) {
      await one.promise;
      await clock.advance(30_000);
    }
    await outcome;
  });

  test('begins to answer and goes on no more', async () => {
    const clock = new VirtualClock();
    const { host } = await serveImage(image, (request, response) => {
      if (!isLayer(request)) return false;
      response.writeHead(200, { 'content-length': 50_000 });
      response.write('some');
      return true;
    });
    const { blob, target } = await registriesOn(clock).find(parseReference(`${host}/app:1`), {});
    const body = (await blob({ ...target, digest: layer }, 0))[Symbol.asyncIterator]();
    expect(String((await body.next()).value)).toBe('some');
    const next = expect(body.next()).rejects.toMatchObject({
      reason: 'unreachable',
      message: `registry ${host} said nothing for 30 s`,
    });
    await clock.advance(30_000);
    await next;
  });

  test('sends drop by drop', async () => {
    const clock = new VirtualClock();
    let drop = (): unknown => undefined;
    const { host } = await serveImage(image, (request, response) => {
      if (!isLayer(request)) return false;
      response.writeHead(200, { 'content-length': 50_000 });
      drop = () => response.write('x');
      return drop() !== undefined;
    });
    const { blob, target } = await registriesOn(clock).find(parseReference(`${host}/app:1`), {});
    const body = (await blob({ ...target, digest: layer }, 0))[Symbol.asyncIterator]();
    await body.next();
    const drops = async (): Promise<void> => {
      for (;;) {
        const next = body.next();
        await clock.advance(20_000);
        drop();
        await next;
      }
    };
    await expect(drops()).rejects.toMatchObject({
      reason: 'unreachable',
      message: `registry ${host} sent 5 bytes in 80 s`,
    });
  });

  test('is left when the caller goes', async () => {
    const asked = new Deferred();
    const host = await serveForTest(() => asked.resolve());
    const abort = new AbortController();
    const found = registriesOn(new SystemClock(), `{"${host}":{"mirrors":["http://${host}"]}}`).find(
      parseReference(`${host}/app:1`),
      { signal: abort.signal },
    );
    const outcome = expect(found).rejects.toThrow('enough');
    await asked.promise;
    abort.abort(new Error('enough'));
    await outcome;
  });
});

describe('a registry that lies', () => {
  const manifest = image.contents.get(image.target.digest) ?? Buffer.alloc(0);
  test.each<[string, Handler, string]>([
    [
      'of the manifest’s digest',
      (_, response) => response.writeHead(200, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end(manifest),
      'damaged',
    ],
    ['by a manifest without end', (_, response) => response.writeHead(200).end(Buffer.alloc(5 << 20)), 'damaged'],
    ['by what is no manifest', (_, response) => response.writeHead(200).end('<html>'), 'damaged'],
    [
      'by sending on for ever',
      (request, response) => response.writeHead(302, { location: request.url }).end(),
      'failed',
    ],
    [
      'by sending on to a file',
      (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      'failed',
    ],
    [
      'by a challenge without a server',
      (_, response) => response.writeHead(401, { 'www-authenticate': 'Bearer realm="nowhere"' }).end(),
      'unauthorized',
    ],
    ['by no HTTP', (request) => request.socket.end('nonsense\r\n\r\n'), 'unreachable'],
  ])('%s', async (_, handler, reason) => {
    const host = await serveForTest(handler);
    await expect(registriesOn(new SystemClock()).find(parseReference(`${host}/app:1`), {})).rejects.toMatchObject({
      name: 'ImageStoreError',
      reason,
    });
  });

  test('by other contents under a digest', async () => {
    const host = await serveForTest((_, response) => response.writeHead(200).end(manifest));
    const other = parseReference(`${host}/app@sha256:${'0'.repeat(64)}`);
    await expect(registriesOn(new SystemClock()).find(other, {})).rejects.toMatchObject({ reason: 'damaged' });
  });

  test('by another part than was asked for', async () => {
    const { host } = await serveImage(
      image,
      (request, response) =>
        isLayer(request) && response.writeHead(206, { 'content-range': 'bytes 30-40/50000' }).end('x') !== undefined,
    );
    const { blob, target } = await registriesOn(new SystemClock()).find(parseReference(`${host}/app:1`), {});
    await expect(blob({ ...target, digest: layer }, 10)).rejects.toMatchObject({ reason: 'damaged' });
  });
});

describe('who asks', () => {
  const login = { username: 'me', password: 'secret' };
  const wrong = { username: 'me', password: 'wrong' };
  const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;

  test('is told by a password, where that is wanted', async () => {
    const { host, asked } = await serveImage(image, (request, response) => {
      if (request.headers.authorization === basic) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
      return true;
    });
    const registries = registriesOn(new SystemClock());
    const reference = parseReference(`${host}/app:1`);
    await registries.find(reference, { logins: [wrong, login] });
    // Nothing is said before it is asked for.
    expect(asked[0]).toBe('GET /v2/app/manifests/1');
    await expect(registries.find(reference, { logins: [wrong] })).rejects.toMatchObject({ reason: 'unauthorized' });
    await expect(registries.find(reference, {})).rejects.toMatchObject({
      reason: 'unauthorized',
      message: expect.stringContaining('no login was given'),
    });
  });

  test('is told by a token, which its server gives for the repository', async () => {
    const tokensAsked: string[] = [];
    const tokens = await serveForTest(({ url = '', headers }, response) => {
      tokensAsked.push(`${url} ${headers.authorization}`);
      if (headers.authorization !== undefined && headers.authorization !== basic) response.writeHead(401).end();
      else
        response.end(
          JSON.stringify(headers.authorization === basic ? { token: 'mine' } : { access_token: 'anybodys' }),
        );
    });
    const { host, asked } = await serveImage(image, (request, response) => {
      if (request.headers.authorization === 'Bearer mine') return false;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${tokens}/token",service="the, registry"` });
      response.end();
      return true;
    });
    const found = await registriesOn(new SystemClock()).find(parseReference(`${host}/team/app:1`), { logins: [login] });
    await found.blob({ ...found.target, digest: layer }, 0);
    const query = 'service=the%2C+registry&scope=repository%3Ateam%2Fapp%3Apull';
    expect(tokensAsked).toEqual([`/token?${query}&account=me ${basic}`]);
    expect(asked.slice(-2)).toEqual([
      'GET /v2/team/app/manifests/1 Bearer mine',
      `GET /v2/team/app/blobs/${layer} Bearer mine`,
    ]);
    await expect(registriesOn(new SystemClock()).find(parseReference(`${host}/team/app:1`), {})).rejects.toMatchObject({
      reason: 'unauthorized',
    });
  });

  test('is told to nobody else', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serveForTest((request, response) => {
      seen.push(request.headers.authorization);
      response.end(image.contents.get(layer));
    });
    const { host } = await serveImage(image, (request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      else if (isLayer(request)) response.writeHead(307, { location: `http://${other}/elsewhere` }).end();
      else return false;
      return true;
    });
    const found = await registriesOn(new SystemClock()).find(parseReference(`${host}/app:1`), { logins: [login] });
    for await (const _ of await found.blob({ ...found.target, digest: layer }, 0));
    expect(seen).toEqual([undefined]);
  });

  test('challenges are read', () => {
    const text = 'Basic realm="a, b", charset="UTF-8", Bearer realm="https://x/y",scope="a:b:c",error=invalid';
    expect(parseChallenges(text).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])).toEqual([
      ['basic', { realm: 'a, b', charset: 'UTF-8' }],
      ['bearer', { realm: 'https://x/y', scope: 'a:b:c', error: 'invalid' }],
    ]);
  });
});

describe('where is asked', () => {
  const addresses = (host: string, file = '{}'): readonly string[] =>
    addressesOf(host, parseRegistryHosts(file)).map(({ href }) => href);
  test('the registry itself, in the clear only on this machine or where a file says so', () => {
    expect(addresses('docker.io')).toEqual(['https://registry-1.docker.io/']);
    expect(addresses('q.io:5000')).toEqual(['https://q.io:5000/']);
    expect(addresses('127.0.0.1:5000')).toEqual(['https://127.0.0.1:5000/', 'http://127.0.0.1:5000/']);
    expect(addresses('q.lan', '{"q.lan":{"insecure":true}}')).toEqual(['https://q.lan/', 'http://q.lan/']);
  });

  test('mirrors first, without passwords; the registry where they do not have it', async () => {
    const mirror = await serveImage(
      image,
      (request, response) => !request.url?.includes('/app/') && response.writeHead(404).end() !== undefined,
    );
    const origin = await serveImage(image);
    const hosts = `{"${origin.host}":{"mirrors":["http://${mirror.host}"]}}`;
    const registries = registriesOn(new SystemClock(), hosts);
    await registries.find(parseReference(`${origin.host}/app:1`), {});
    expect([mirror.asked, origin.asked]).toEqual([['GET /v2/app/manifests/1'], []]);
    await registries.find(parseReference(`${origin.host}/other:1`), { logins: [{ username: 'a', password: 'b' }] });
    expect(origin.asked).toEqual(['GET /v2/other/manifests/1']);
  });

  test.each([
    '[]',
    'text',
    '{"a":1}',
    '{"a":{"mirrors":["ftp://x"]}}',
    '{"a":{"mirrors":"x"}}',
    '{"a":{"insecure":1}}',
    '{"a":{"mirror":[]}}',
  ])('a file such as %s is refused', (text) => {
    expect(() => parseRegistryHosts(text)).toThrow(expect.objectContaining({ reason: 'invalidName' }));
  });
});
