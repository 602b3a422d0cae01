/** The server over sockets of this machine, before an API that is a function: who is answered, and what becomes of sessions. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as ask, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StatusError, unauthorized } from '#pkg/apimachinery/status-error.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type ApiCall, createKubeApi } from '#pkg/kubectl/api.ts';
import { type Dashboard, startDashboard } from './dashboard.ts';
import type { UserApi } from './identities.ts';

const names: Readonly<Record<string, string>> = { local: 'kubernetes-admin', 'token-of-ann': 'ann' };

let clock: VirtualClock;
let served: Dashboard;
let code: string;
let folder: string;
let revoked: Set<string>;
let asked: string[];

/** An API that knows users and nothing else. */
function connectAs(secret: string): Promise<UserApi> {
  const answer = (call: ApiCall): object => {
    asked.push(`${names[secret]} ${call.method} ${call.path}`);
    if (revoked.has(secret) || names[secret] === undefined) throw unauthorized();
    if (call.path.endsWith('/selfsubjectreviews'))
      return { status: { userInfo: { username: names[secret], groups: [] } } };
    if (secret === 'local' && call.path.startsWith('/debug/time'))
      return { now: '2026-01-01T00:10:00.000Z', paused: true, speed: 60, whole: true };
    throw new StatusError({ code: 403, reason: 'Forbidden', message: `${names[secret]} may not` });
  };
  const api = createKubeApi({
    namespace: 'default',
    send: async (call) => {
      const text = JSON.stringify(answer(call));
      const chunks = (async function* () {
        yield Buffer.from(text);
      })();
      return { status: 200, warnings: [], chunks };
    },
  });
  return Promise.resolve({ ...api, close: () => void asked.push(`${names[secret]} closed`) });
}

beforeEach(async () => {
  clock = new VirtualClock();
  folder = mkdtempSync(join(tmpdir(), 'coxswain-dashboard-'));
  writeFileSync(join(folder, 'index.html'), '<p>the page</p>');
  revoked = new Set();
  asked = [];
  served = await startDashboard({
    cluster: 'dev',
    assets: folder,
    port: 0,
    clock,
    log: silentLogger,
    connectLocal: () => connectAs('local'),
    connectWith: connectAs,
    explain: async () => ({ nodes: [] }),
    onCode: (text) => {
      code = text;
    },
    sessionLimits: { idleMs: 60_000, lastsMs: 600_000 },
  });
});

afterEach(async () => {
  await served.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Asks as a browser would for the page, unless it is told otherwise. */
function send(path: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<Answer> {
  const { host, origin, port, hostname } = new URL(served.address);
  const own = method === 'GET' ? { host } : { host, origin, 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = ask({ hostname, port, path, method, headers: { ...own, ...headers }, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }));
    });
    sent.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve({ status: answer.statusCode ?? 0, text: '', headers: answer.headers });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function signIn(body: unknown): Promise<string> {
  const { headers } = await send('/api/session', { method: 'POST', body });
  return headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

const summary = ({ status, text }: Answer): string => `${status} ${text}`;

test('the page is for everybody, and says what a browser may do with it', async () => {
  const { status, text, headers } = await send('/');
  expect([status, text]).toEqual([200, '<p>the page</p>']);
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
  expect(headers['x-frame-options']).toBe('DENY');
  expect(summary(await send('/api/session'))).toBe('200 {"cluster":"dev"}');
  expect(summary(await send('/api/resources'))).toBe('401 {"message":"Unauthorized","reason":"Unauthorized"}');
});

test('one acts as who one signed in as, and as nobody else', async () => {
  const local = await signIn({ code });
  const ann = await signIn({ token: 'token-of-ann' });
  expect([local, ann].map((cookie) => cookie.length > 40)).toEqual([true, true]);
  for (const [cookie, name] of [
    [local, 'kubernetes-admin'],
    [ann, 'ann'],
  ] as const)
    expect(summary(await send('/api/objects/-/v1/secrets/default/x', { headers: { cookie } }))).toBe(
      `403 {"message":"${name} may not","reason":"Forbidden"}`,
    );
  expect(asked.filter((line) => line.includes('secrets'))).toEqual([
    'kubernetes-admin GET /api/v1/namespaces/default/secrets/x',
    'ann GET /api/v1/namespaces/default/secrets/x',
  ]);
});

test.each([
  [{ code: 'AAAAA-AAAAA' }, '401 {"message":"this is not the code that the terminal shows now"}'],
  [{ token: 'of nobody' }, '401 {"message":"Unauthorized","reason":"Unauthorized"}'],
  [{}, '400 {"message":"sign in with a token, or with the code of the terminal","reason":"BadRequest"}'],
])('%j signs nobody in', async (body, answer) => {
  const got = await send('/api/session', { method: 'POST', body });
  expect([summary(got), got.headers['set-cookie']]).toEqual([answer, undefined]);
});

test('other pages, other names and frames are refused with one line', async () => {
  const cookie = await signIn({ code });
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    cookie,
  };
  const { origin } = new URL(served.address);
  const refusals: readonly (readonly [string, Asked, number])[] = [
    ['/api/resources', { headers: { cookie, host: 'evil.example' } }, 421],
    ['/api/objects/-/v1/pods/default/x', { method: 'DELETE', headers: { cookie, origin: 'http://evil.example' } }, 403],
    ['/api/resources', { headers: { cookie, 'sec-fetch-site': 'cross-site' } }, 403],
    ['/', { headers: { 'sec-fetch-dest': 'iframe' } }, 403],
    ['/?token=abc', {}, 400],
    ['/socket', { headers: { ...upgrade, origin: 'http://evil.example' } }, 403],
    ['/socket', { headers: upgrade }, 403],
    ['/socket', { headers: { ...upgrade, origin, cookie: '' } }, 401],
    ['/socket', { headers: { ...upgrade, origin, 'sec-websocket-key': 'short' } }, 400],
    ['/socket', { headers: { ...upgrade, origin } }, 101],
  ];
  for (const [path, what, status] of refusals)
    expect([path, what.headers, (await send(path, what)).status]).toEqual([path, what.headers, status]);
  expect(asked.filter((line) => line.includes('/pods/'))).toEqual([]);
});

test('a body that is no JSON, and one that is too large, are refused', async () => {
  const broken = await send('/api/session', { method: 'POST', headers: { 'content-length': '0' } });
  expect(broken.status).toBe(400);
  const large = await send('/api/session', { method: 'POST', body: { token: 'x'.repeat(9 * 1024 * 1024) } });
  expect(large.status).toBe(413);
});

test('a session that is not used ends, and its connection with it', async () => {
  const cookie = await signIn({ token: 'token-of-ann' });
  expect((await send('/api/session', { headers: { cookie } })).text).toContain('"name":"ann"');
  await clock.advance(61_000);
  expect((await send('/api/session', { headers: { cookie } })).text).toBe('{"cluster":"dev"}');
  expect(asked.at(-1)).toBe('ann closed');
});

test('a token that the API server takes no more ends its session', async () => {
  const cookie = await signIn({ token: 'token-of-ann' });
  revoked.add('token-of-ann');
  expect((await send('/api/resources', { headers: { cookie } })).status).toBe(401);
  expect((await send('/api/session', { headers: { cookie } })).text).toBe('{"cluster":"dev"}');
});

test('who signs out is out, wherever they were signed in with that session', async () => {
  const cookie = await signIn({ code });
  const { headers } = await send('/api/session', { method: 'DELETE', headers: { cookie } });
  expect(headers['set-cookie']?.[0]).toContain('Max-Age=0');
  expect((await send('/api/resources', { headers: { cookie } })).status).toBe(401);
});

test('a path of an object leads nowhere else', async () => {
  const cookie = await signIn({ code });
  asked.length = 0;
  for (const name of ['..', '%2E%2E', 'a%2Fb', '.'])
    expect(
      (await send(`/api/objects/-/v1/pods/default/${name}`, { headers: { cookie } })).status,
    ).toBeGreaterThanOrEqual(400);
  expect(asked).toEqual([]);
});

test('time is steered in the user’s name, by what there is to do with it', async () => {
  const cookie = await signIn({ code });
  const steer = async (body: unknown, as = cookie): Promise<string> =>
    summary(await send('/api/time', { method: 'POST', headers: { cookie: as }, body }));
  expect(await steer({ action: 'step', by: '10m' })).toBe(
    '200 {"now":"2026-01-01T00:10:00.000Z","paused":true,"speed":"60"}',
  );
  expect(asked.at(-1)).toBe('kubernetes-admin POST /debug/time/step');
  expect(await steer({ action: '../faults' })).toContain('400 {"message":"there is no action \\"../faults\\" on time"');
  expect(asked.at(-1)).toBe('kubernetes-admin POST /debug/time/step');
  const ann = await signIn({ token: 'token-of-ann' });
  expect(await steer({ action: 'pause' }, ann)).toBe('403 {"message":"ann may not","reason":"Forbidden"}');
});
