/** The time of a cluster at its path: who may look and steer, what is refused, and what of the API follows it. */
import { expect, onTestFinished, test } from 'vitest';
import { timePages } from '#pkg/apiserver/time-pages.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SteeredClock } from '#pkg/base/steered-clock.ts';
import { VirtualClock, virtualEpochMs } from '#pkg/base/virtual-clock.ts';
import { defaultSettings, settingsProblem, timeProblem } from './settings.ts';
import { startUsersApi, type UsersApi } from './testing-users.ts';

async function startSteered(): Promise<UsersApi> {
  const networkClock = new SystemClock();
  // Of real time nothing passes for it, so that its own is as the test says.
  const clock = new SteeredClock(new VirtualClock(), virtualEpochMs);
  clock.pause();
  const end = new AbortController();
  const running = clock.run(end.signal);
  const users = await startUsersApi({ clock, networkClock, ownPages: timePages(clock) });
  onTestFinished(async () => {
    await users.stop();
    end.abort();
    await running;
  });
  return users;
}

const start = '2026-01-01T00:00:00.000Z';

test('time is told, stepped, paused, resumed and given a speed', async () => {
  const { admin } = await startSteered();
  expect(await admin('GET', '/debug/time')).toEqual({ status: 200, body: { now: start, paused: true, speed: 1 } });
  const stepped = await admin('POST', '/debug/time/step', { object: { by: '1h30m' } });
  const now = '2026-01-01T01:30:00.000Z';
  expect(stepped.body).toEqual({ now, paused: true, speed: 1, whole: true });
  const fast = await admin('POST', '/debug/time/speed', { object: { speed: 'max' } });
  expect(fast.body).toEqual({ now, paused: true, speed: 'max' });
  expect((await admin('POST', '/debug/time/speed', { object: { speed: 0.5 } })).body).toMatchObject({ speed: 0.5 });
  expect((await admin('POST', '/debug/time/resume')).body).toMatchObject({ paused: false });
  expect((await admin('POST', '/debug/time/pause')).body).toMatchObject({ paused: true });
});

test('what the API writes down has the time of the cluster, which stands still meanwhile', async () => {
  const { admin } = await startSteered();
  const made = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
  const list = '/api/v1/namespaces/default/configmaps';
  expect((await admin('POST', list, { object: made('a') })).body.metadata.creationTimestamp).toBe(
    '2026-01-01T00:00:00Z',
  );
  await admin('POST', '/debug/time/step', { object: { by: '24h' } });
  expect((await admin('POST', list, { object: made('b') })).body.metadata.creationTimestamp).toBe(
    '2026-01-02T00:00:00Z',
  );
});

test('who may look and who may steer is said by roles', async () => {
  const { admin, as, anybody, make } = await startSteered();
  const rule = (verbs: readonly string[], ...nonResourceURLs: string[]) => ({ verbs, nonResourceURLs });
  const rbac = 'rbac.authorization.k8s.io';
  await make(`/apis/${rbac}/v1/clusterroles`, {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: 'watchman' },
    rules: [rule(['get'], '/debug/time'), rule(['post'], '/debug/time/pause')],
  } as never);
  await make(`/apis/${rbac}/v1/clusterrolebindings`, {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'watchman' },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'watchman' },
    subjects: [{ apiGroup: rbac, kind: 'User', name: 'jane' }],
  } as never);
  const jane = as('jane');
  expect((await jane('GET', '/debug/time')).status).toBe(200);
  expect((await jane('POST', '/debug/time/pause')).status).toBe(200);
  const refused = await jane('POST', '/debug/time/step', { object: { by: '1h' } });
  expect([refused.status, refused.body.message]).toEqual([
    403,
    'forbidden: User "jane" cannot post path "/debug/time/step"',
  ]);
  expect((await as('john')('GET', '/debug/time')).status).toBe(403);
  expect((await anybody('GET', '/debug/time')).status).toBe(403);
  expect((await admin('GET', '/debug/time')).body.now).toBe(start);
});

test.each<[string, string, object | undefined, number, string]>([
  ['POST', 'step', { by: 'soon' }, 400, 'by: must be a duration of at most 8784h, such as 10m or 1h30m'],
  ['POST', 'step', { by: '-1s' }, 400, 'by: must be a duration'],
  ['POST', 'step', { by: '9000h' }, 400, 'by: must be a duration'],
  ['POST', 'step', { by: 5 }, 400, 'by: must be a duration'],
  ['POST', 'step', undefined, 400, 'by: must be a duration'],
  ['POST', 'speed', { speed: 0 }, 400, 'speed: must be a number above 0 and at most 1000000, or "max"'],
  ['POST', 'speed', { speed: -60 }, 400, 'speed: must be a number'],
  ['POST', 'speed', { speed: 'fast' }, 400, 'speed: must be a number'],
  ['POST', 'speed', { speed: 1e9 }, 400, 'speed: must be a number'],
  ['GET', 'pause', undefined, 405, 'the server does not allow this method on the requested resource'],
  ['POST', '', {}, 405, 'the server does not allow this method on the requested resource'],
])('%s of %s with %j is refused, and time is as it was', async (method, action, object, status, message) => {
  const { admin } = await startSteered();
  const path = action === '' ? '/debug/time' : `/debug/time/${action}`;
  const answer = await admin(method, path, object === undefined ? {} : { object });
  expect([answer.status, answer.body.message]).toEqual([status, expect.stringContaining(message)]);
  expect((await admin('GET', '/debug/time')).body).toEqual({ now: start, paused: true, speed: 1 });
});

test('where nobody steers it there is no such page', async () => {
  const users = await startUsersApi();
  onTestFinished(() => users.stop());
  expect((await users.admin('GET', '/debug/time')).status).toBe(404);
});

test.each([
  [{ runtime: 'inprocess' }, 'only --runtime fake follows'],
  [{ runtime: 'fake,vm' }, 'only --runtime fake follows'],
  [{ store: 'lmdb' }, 'only --store memory follows'],
  [{ store: 'http://127.0.0.1:2379' }, 'only --store memory follows'],
  [{ network: 'bridge' }, 'only --network loopback follows'],
])('a cluster with %j cannot have it', (other, problem) => {
  const settings = { ...defaultSettings, runtime: 'fake', store: 'memory', virtualTime: true as const };
  expect([timeProblem(settings), settingsProblem(settings)]).toEqual([undefined, undefined]);
  expect(timeProblem({ ...settings, ...other })).toContain(problem);
  expect(timeProblem({ ...defaultSettings, ...other })).toBe(undefined);
});
