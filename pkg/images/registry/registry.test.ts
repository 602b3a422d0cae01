/** The registry by its protocol, as clients speak it. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { digestOf } from '../digest.ts';
import { systemCalls } from '../host/system-calls.ts';
import { testFolder } from '../testing/folders.ts';
import { serveForTest } from '../testing/http-server.ts';
import { testImage, testIndex } from '../testing/image-documents.ts';
import { openRegistry } from './registry.ts';

async function startRegistry(
  folder = testFolder(),
): Promise<(method: string, path: string, options?: Omit<RequestInit, 'method'>) => Promise<Response>> {
  const registry = await openRegistry({
    folder,
    calls: await systemCalls(),
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: silentLogger,
  });
  onTestFinished(() => registry.close());
  const host = await serveForTest((request, response) => registry.handle(request, response));
  return (method, path, options) => fetch(new URL(path, `http://${host}`), { ...options, method });
}

const bytes = Buffer.from('0123456789');
const digest = digestOf(bytes);
const image = testImage([Buffer.from('layer')]);

type Ask = Awaited<ReturnType<typeof startRegistry>>;

async function codeOf(response: Response): Promise<string> {
  return `${response.status} ${/"code":"(\w+)"/.exec(await response.text())?.[1] ?? ''}`;
}

async function pushImage(ask: Ask, name: string, tag: string): Promise<void> {
  for (const [one, content] of image.contents)
    if (one !== image.target.digest)
      await ask('POST', `/v2/${name}/blobs/uploads/?digest=${one}`, { body: new Uint8Array(content) });
  const put = await ask('PUT', `/v2/${name}/manifests/${tag}`, {
    body: new Uint8Array(image.contents.get(image.target.digest) ?? []),
    headers: { 'content-type': image.target.mediaType },
  });
  expect([put.status, put.headers.get('docker-content-digest')]).toEqual([201, image.target.digest]);
}

test('it says what it is', async () => {
  const ask = await startRegistry();
  const answer = await ask('GET', '/v2/');
  expect([answer.status, answer.headers.get('docker-distribution-api-version'), await answer.json()]).toEqual([
    200,
    'registry/2.0',
    {},
  ]);
});

describe('contents are uploaded', () => {
  test('in one request', async () => {
    const ask = await startRegistry();
    const answer = await ask('POST', `/v2/a/b/blobs/uploads/?digest=${digest}`, { body: bytes });
    expect([answer.status, answer.headers.get('location')]).toEqual([201, `/v2/a/b/blobs/${digest}`]);
    const got = await ask('GET', `/v2/a/b/blobs/${digest}`);
    expect([got.status, got.headers.get('content-length'), await got.text()]).toEqual([200, '10', '0123456789']);
    expect((await ask('HEAD', `/v2/a/b/blobs/${digest}`)).headers.get('content-length')).toBe('10');
  });

  test('in two requests, and in pieces', async () => {
    const ask = await startRegistry();
    const begun = await ask('POST', '/v2/a/blobs/uploads/');
    const location = begun.headers.get('location') ?? '';
    expect([begun.status, begun.headers.get('range')]).toEqual([202, '0-0']);
    const first = await ask('PATCH', location, { body: '01234', headers: { 'content-range': '0-4' } });
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-4']);
    expect((await ask('GET', location)).headers.get('range')).toBe('0-4');
    const wrong = await ask('PATCH', location, { body: '89', headers: { 'content-range': '8-9' } });
    expect(await codeOf(wrong)).toBe('416 BLOB_UPLOAD_INVALID');
    await ask('PATCH', location, { body: '567', headers: { 'content-range': '5-7' } });
    const done = await ask('PUT', `${location}?digest=${digest}`, { body: '89' });
    expect([done.status, done.headers.get('docker-content-digest')]).toEqual([201, digest]);
    expect(await codeOf(await ask('GET', location))).toBe('404 BLOB_UPLOAD_UNKNOWN');
  });

  test('not under a wrong digest', async () => {
    const ask = await startRegistry();
    const other = digestOf('other');
    expect(await codeOf(await ask('POST', `/v2/a/blobs/uploads/?digest=${other}`, { body: bytes }))).toBe(
      '400 DIGEST_INVALID',
    );
    expect(await codeOf(await ask('GET', `/v2/a/blobs/${other}`))).toBe('404 BLOB_UNKNOWN');
    expect(await codeOf(await ask('POST', '/v2/a/blobs/uploads/?digest=../../x', { body: bytes }))).toBe(
      '400 DIGEST_INVALID',
    );
  });

  test('or given up, or taken from another repository', async () => {
    const ask = await startRegistry();
    const location = (await ask('POST', '/v2/a/blobs/uploads/')).headers.get('location') ?? '';
    expect((await ask('DELETE', location)).status).toBe(204);
    expect(await codeOf(await ask('PUT', `${location}?digest=${digest}`))).toBe('404 BLOB_UPLOAD_UNKNOWN');
    expect((await ask('POST', `/v2/b/blobs/uploads/?mount=${digest}&from=a`)).status).toBe(202);
    await ask('POST', `/v2/a/blobs/uploads/?digest=${digest}`, { body: bytes });
    expect((await ask('POST', `/v2/b/blobs/uploads/?mount=${digest}&from=a`)).status).toBe(201);
  });

  test('up to a number at the same time', async () => {
    const ask = await startRegistry();
    for (let i = 0; i < 100; i++) await ask('POST', '/v2/a/blobs/uploads/');
    expect(await codeOf(await ask('POST', '/v2/a/blobs/uploads/'))).toBe('429 TOOMANYREQUESTS');
  });
});

test('parts of contents are given', async () => {
  const ask = await startRegistry();
  await ask('POST', `/v2/a/blobs/uploads/?digest=${digest}`, { body: bytes });
  const part = async (range: string): Promise<readonly unknown[]> => {
    const answer = await ask('GET', `/v2/a/blobs/${digest}`, { headers: { range } });
    return [answer.status, answer.headers.get('content-range'), await answer.text()];
  };
  expect(await part('bytes=3-')).toEqual([206, 'bytes 3-9/10', '3456789']);
  expect(await part('bytes=3-4')).toEqual([206, 'bytes 3-4/10', '34']);
  expect(await part('bytes=10-')).toEqual([416, 'bytes */10', '']);
});

describe('manifests', () => {
  test('are found by tag and digest, listed, and kept over a new start', async () => {
    const folder = testFolder();
    const ask = await startRegistry(folder);
    await pushImage(ask, 'team/app', 'v1');
    await pushImage(ask, 'team/app', 'v2');
    const again = await startRegistry(folder);
    for (const name of ['v1', image.target.digest]) {
      const got = await again('GET', `/v2/team/app/manifests/${name}`);
      expect([got.status, got.headers.get('content-type'), digestOf(new Uint8Array(await got.arrayBuffer()))]).toEqual([
        200,
        image.target.mediaType,
        image.target.digest,
      ]);
    }
    expect(await (await again('GET', '/v2/team/app/tags/list')).json()).toEqual({
      name: 'team/app',
      tags: ['v1', 'v2'],
    });
    const page = await again('GET', '/v2/team/app/tags/list?n=1');
    expect([await page.json(), page.headers.get('link')]).toEqual([
      { name: 'team/app', tags: ['v1'] },
      '</v2/team/app/tags/list?n=1&last=v1>; rel="next"',
    ]);
    expect(await (await again('GET', '/v2/team/app/tags/list?n=1&last=v1')).json()).toEqual({
      name: 'team/app',
      tags: ['v2'],
    });
    expect(await (await again('GET', '/v2/_catalog')).json()).toEqual({ repositories: ['team/app'] });
  });

  test('are refused where what they lead to is not there, or they are none', async () => {
    const ask = await startRegistry();
    const put = async (name: string, body: string | Buffer): Promise<string> =>
      codeOf(await ask('PUT', `/v2/a/manifests/${name}`, { body: new Uint8Array(Buffer.from(body)) }));
    const manifest = image.contents.get(image.target.digest) ?? Buffer.alloc(0);
    expect(await put('v1', manifest)).toBe('404 MANIFEST_BLOB_UNKNOWN');
    expect(await put('v1', '{}')).toBe('400 MANIFEST_INVALID');
    expect(await put('v1', 'text')).toBe('400 MANIFEST_INVALID');
    expect(await put(digestOf('x'), manifest)).toBe('400 DIGEST_INVALID');
    expect(await put('.bad', manifest)).toBe('400 MANIFEST_INVALID');
    expect(await put('v1', Buffer.alloc(5 << 20, 'x'))).toBe('413 SIZE_INVALID');
    const index = testIndex([[{ os: 'linux', architecture: 'amd64' }, image]]);
    expect(await put('v1', index.contents.get(index.target.digest) ?? '')).toBe('404 MANIFEST_BLOB_UNKNOWN');
    await pushImage(ask, 'a', 'v1');
    expect(await put('all', index.contents.get(index.target.digest) ?? '')).toBe('201 ');
  });

  test('go with their tags; a tag goes alone; contents that nothing leads to go at the next start', async () => {
    const folder = testFolder();
    const ask = await startRegistry(folder);
    await pushImage(ask, 'a', 'v1');
    await pushImage(ask, 'a', 'v2');
    expect((await ask('DELETE', '/v2/a/manifests/v1')).status).toBe(202);
    expect(await codeOf(await ask('GET', '/v2/a/manifests/v1'))).toBe('404 MANIFEST_UNKNOWN');
    expect((await ask('GET', '/v2/a/manifests/v2')).status).toBe(200);
    expect((await ask('DELETE', `/v2/a/manifests/${image.target.digest}`)).status).toBe(202);
    expect(await codeOf(await ask('GET', '/v2/a/tags/list'))).toBe('404 NAME_UNKNOWN');
    const again = await startRegistry(folder);
    expect(await codeOf(await again('GET', `/v2/a/blobs/${image.id}`))).toBe('404 BLOB_UNKNOWN');
  });
});

test.each([
  ['GET', '/v2/A/tags/list', '400 NAME_INVALID'],
  ['GET', '/v2/a/../../etc/passwd', '404 NAME_UNKNOWN'],
  ['GET', '/v2/a%2f..%2fb/manifests/x', '400 NAME_INVALID'],
  ['GET', '/v2/a/blobs/sha256:..%2f..%2fx', '404 BLOB_UNKNOWN'],
  ['GET', '/v2/a/manifests/%ff', '400 NAME_INVALID'],
  ['GET', '/v2/a/manifests/constructor', '404 MANIFEST_UNKNOWN'],
  ['POST', '/v2/a/manifests/x', '405 UNSUPPORTED'],
  ['GET', '/v2/a/referrers/x', '404 NAME_UNKNOWN'],
])('%s %s is refused', async (method, path, code) => {
  const ask = await startRegistry();
  expect(await codeOf(await ask(method, path))).toBe(code);
});
