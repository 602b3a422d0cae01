/** The addon `logs`: what containers have written is found, also when their pods are gone, by who may read it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CollectedLogs } from './collected-logs.ts';
import { hookMs, RunningCluster } from './running-cluster.ts';

const longMs = 240_000;
let cluster: RunningCluster;
let logs: CollectedLogs;

const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--addons', 'logs'] });
  logs = await CollectedLogs.of(cluster);
}, hookMs);
afterAll(() => cluster.remove(), hookMs);

test(
  'lines of a pod are found while it runs and when it is gone, each once',
  async () => {
    await kubectl('run', 'teller', '--image=coxswain.dev/echo');
    await kubectl('wait', '--for=condition=Ready', 'pod/teller', '--timeout=120s');
    const query = 'namespace=default&pod=teller&contains=listening';
    const found = await logs.found(query);
    expect(found).toMatch(/^\S+Z default\/teller\/teller listening on \S+\n$/);
    await kubectl('delete', 'pod', 'teller');
    // Its last words, which it says once it is asked to end.
    await logs.found('namespace=default&pod=teller&contains=shutting');
    expect(await logs.found(query)).toBe(found);
    const [first = ''] = (await logs.found(`${query}&format=json`)).split('\n');
    expect(JSON.parse(first)).toMatchObject({ namespace: 'default', pod: 'teller', node: 'dev-node-1' });
  },
  longMs,
);

test(
  'who may not read logs of pods is refused, and so is what is no question',
  async () => {
    const [nobody, unknown] = [await logs.ask('pod=x', ''), await logs.ask('pod=x', 'none')];
    expect([nobody.status, unknown.status]).toEqual([401, 401]);
    expect(nobody.body).toBe('say who you are: a token in the header Authorization\n');
    const weak = (await kubectl('create', 'token', 'default')).trim();
    expect(await logs.ask('namespace=default', weak)).toEqual({
      status: 403,
      body: 'you may not get pods/log in the namespace default\n',
    });
    expect(await logs.ask('pods=x')).toMatchObject({
      status: 400,
      body: expect.stringContaining('unknown parameter "pods"'),
    });
  },
  longMs,
);

test(
  'disabled, nothing of it is left',
  async () => {
    const disabled = await cluster.coxswain(['addon', 'disable', 'logs']);
    expect([disabled.code, disabled.stdout]).toEqual([0, 'logs is disabled\n']);
    const left = await kubectl('get', 'namespace,clusterrole,clusterrolebinding', '-o', 'name');
    expect(left.split('\n').filter((name) => /coxswain-logs|addon:(logs|reader)/.test(name))).toEqual([]);
  },
  longMs,
);
