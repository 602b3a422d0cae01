/** The server of repositories at an address of its own, with real git and the users of a cluster on virtual time: what is refused, and that who takes their time, or goes, keeps nobody else waiting. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestOptions, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { namespaces, serviceAccounts } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import { type Places, placesIn } from '../places.ts';
import { git } from './git.ts';
import { gitServer } from './git-server.ts';
import { Repositories } from './repositories.ts';

const rbac = 'rbac.authorization.k8s.io';
/** More than sockets hold on their way. */
const largeBytes = 32 << 20;
/** As many as are answered of one namespace at a time. */
const readers = Array.from({ length: 8 }, (_, at) => at);
const requestMs = 600_000;

let folder: string;
let places: Places;
let cluster: TestCluster;
let server: Server;
let tokens: Readonly<Record<string, string>>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-git-server-'));
  places = placesIn(folder);
  const repositories = new Repositories(places);
  await repositories.ensure('ci', 'shop');
  cluster = await startTestCluster({ nodes: 0, controllers: [] });
  const { client, clock } = cluster;
  const grant = async (namespace: string, name: string, rule: object) => {
    const account = { kind: 'ServiceAccount', name, namespace: 'ci' };
    const roleRef = { apiGroup: rbac, kind: 'Role', name };
    const apiVersion = `${rbac}/v1`;
    const metadata = { name, namespace };
    const role = { apiVersion, kind: 'Role', metadata, rules: [{ apiGroups: ['ci.coxswain.dev'], ...rule }] };
    const binding = { apiVersion, kind: 'RoleBinding', metadata, roleRef, subjects: [account] };
    await cluster.apply(role, binding);
  };
  for (const name of ['ci', 'other']) await client.resource(namespaces).create({ metadata: { name } });
  const made: Record<string, string> = {};
  for (const name of ['developer', 'reader', 'guest']) {
    await client.resource(serviceAccounts).create({ metadata: { name, namespace: 'ci' } });
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const answer = await client.resource(serviceAccounts).createSubresource(name, 'token', asked, { namespace: 'ci' });
    made[name] = (answer as { readonly status?: { readonly token?: string } }).status?.token ?? '';
  }
  tokens = made;
  for (const namespace of ['ci', 'other'])
    await grant(namespace, 'developer', { resources: ['pipelines', 'pipelineruns'], verbs: ['get', 'create'] });
  await grant('ci', 'reader', { resources: ['pipelines'], verbs: ['get'] });
  await grant('ci', 'guest', { resources: ['pipelineruns'], verbs: ['get'], resourceNames: ['shop-1'] });
  const deps = { client, clock, places, repositories, log: silentLogger, path: process.env.PATH, onPush: () => {} };
  server = createServer(gitServer(deps));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends a path as it is; resolves with the answer, of which nothing has been read. */
function ask(
  path: string,
  { user = 'developer', body = '', ...options }: RequestOptions & { user?: string; body?: string } = {},
) {
  const { port } = server.address() as AddressInfo;
  const headers = { authorization: `Bearer ${tokens[user]}`, ...options.headers };
  return new Promise<IncomingMessage>((done, fail) => {
    const sent = request({ host: '127.0.0.1', port, path, agent: false, ...options, headers }, (answer) => {
      answer.on('error', () => {});
      done(answer);
    });
    sent.on('error', fail).end(body);
  });
}

/** The code of an answer, which is let go. */
async function codeOf(answer: Promise<IncomingMessage>): Promise<number | undefined> {
  const { statusCode } = (await answer).resume();
  return statusCode;
}

function makeArtifacts(namespace: string, run: string): void {
  const artifacts = places.artifacts(namespace, run);
  mkdirSync(artifacts, { recursive: true });
  writeFileSync(join(artifacts, 'large'), noise());
}

/** What cannot be compressed. */
function noise(): Uint8Array {
  const random = new SeededRandom(1);
  const block = Uint8Array.from({ length: 1 << 16 }, () => random.next() * 256);
  return Buffer.concat(Array.from({ length: largeBytes >> 16 }, (_, at) => [Buffer.from(String(at)), block]).flat());
}

const push = '/ci/shop.git/git-receive-pack';
const pushType = { 'content-type': 'application/x-git-receive-pack-request' };

test.each([
  ['an address that is none', '//', {}, 400],
  ['a run by a name that leads elsewhere', '/ci/..%2f..%2fx.artifacts.tar.gz', {}, 404],
  ['artefacts that are sent', '/ci/shop-1.artifacts.tar.gz', { method: 'PUT' }, 404],
  ['who may see one run, of that run', '/ci/shop-1.artifacts.tar.gz', { user: 'guest', method: 'HEAD' }, 200],
  ['who may see one run, of another', '/ci/shop-2.artifacts.tar.gz', { user: 'guest' }, 403],
  ['a token in the address', '/ci/shop.git/info/refs?token=a', { headers: { authorization: '' } }, 401],
  ['a reader', '/ci/shop.git/info/refs?service=git-upload-pack', { user: 'reader' }, 200],
  ['a reader who means to push', '/ci/shop.git/info/refs?service=git-receive-pack', { user: 'reader' }, 403],
  ['one who says it behind something', '/ci/shop.git/info/refs?a=b&service=git-receive-pack', { user: 'reader' }, 403],
  ['one who says it in other letters', '/ci/shop.git/info/refs?service=git%2dreceive-pack', { user: 'reader' }, 403],
  ['a push that is compressed', push, { method: 'POST', headers: { ...pushType, 'content-encoding': 'gzip' } }, 415],
])('%s is answered as it should be', async (_, path, options, code) => {
  makeArtifacts('ci', 'shop-1');
  expect(await codeOf(ask(path, options))).toBe(code);
});

test('who does not read what they asked for keeps only their own namespace waiting, and is ended', async () => {
  makeArtifacts('ci', 'shop-1');
  makeArtifacts('other', 'shop-1');
  const slow = await Promise.all(readers.map(() => ask('/ci/shop-1.artifacts.tar.gz')));
  expect(slow.map(({ statusCode }) => statusCode)).toEqual(readers.map(() => 200));
  expect(await codeOf(ask('/ci/shop-1.artifacts.tar.gz', { method: 'HEAD' }))).toBe(503);
  expect(await codeOf(ask('/other/shop-1.artifacts.tar.gz', { method: 'HEAD' }))).toBe(200);
  await cluster.clock.advance(requestMs);
  await Promise.all(slow.map((answer) => new Promise((done) => answer.on('close', done).resume())));
  expect(slow.map(({ complete }) => complete)).toEqual(readers.map(() => false));
  await expect.poll(() => codeOf(ask('/ci/shop-1.artifacts.tar.gz', { method: 'HEAD' }))).toBe(200);
});

test('who goes away in the middle of a clone leaves their place to the next', async () => {
  const bare = places.repository('ci', 'shop');
  const file = join(folder, 'noise');
  writeFileSync(file, noise());
  const blob = (await git(bare, ['hash-object', '-w', file])).trim();
  await git(bare, ['update-ref', 'refs/tags/noise', blob]);
  const want = `want ${blob}\n`;
  const body = `${(want.length + 4).toString(16).padStart(4, '0')}${want}00000009done\n`;
  const headers = { 'content-type': 'application/x-git-upload-pack-request' };
  const clone = () => ask('/ci/shop.git/git-upload-pack', { method: 'POST', headers, body });
  const gone = await Promise.all(readers.map(clone));
  expect(gone.map(({ statusCode }) => statusCode)).toEqual(readers.map(() => 200));
  await Promise.all(gone.map((answer) => new Promise((done) => answer.once('readable', done))));
  expect(await codeOf(clone())).toBe(503);
  for (const answer of gone) answer.destroy();
  await expect.poll(() => codeOf(ask('/ci/shop.git/info/refs?service=git-upload-pack'))).toBe(200);
});
