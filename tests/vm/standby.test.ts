/** A machine whose kubelet, a process of its own, is killed goes on on the node that stands by for it, and has done all that it had told anybody. */
import { request } from 'node:http';
import process from 'node:process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, hookMs } from '#tests/e2e/running-cluster.ts';
import { MovingCluster, port } from './moving-cluster.ts';

/** What is written, one after the other. */
const writes = 20;
const patientMs = 300_000;
let moving: MovingCluster;

beforeAll(async () => {
  moving = await MovingCluster.start();
}, hookMs);

afterAll(async () => {
  await moving?.remove();
}, hookMs);

/** What the machine answers; rejects where it does not. */
async function ask(method: 'GET' | 'PUT', path: string, body = ''): Promise<string> {
  const host = await moving.status('address');
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path, method, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(`${answer.statusCode} ${text}`));
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const figures = (path: string): Promise<string> =>
  moving.kubectl(
    'get',
    'virtualmachinemigrations',
    '-o',
    `jsonpath={.items[?(@.spec.mode=="standby")].status.source.figures.standby.${path}}`,
  );

/** The process of a node's kubelet. */
async function kubeletOf(node: string): Promise<number> {
  const { stdout } = await moving.cluster.coxswain(['status', '-o', 'json']);
  const { processes }: { processes: { name: string; pid?: number }[] } = JSON.parse(stdout);
  const found = processes.find(({ name }) => name.includes('kubelet') && name.endsWith(node));
  if (found?.pid === undefined) throw new Error(`no kubelet of ${node}: ${stdout}`);
  return found.pid;
}

test('a machine goes on where a stand-by of it is when its node dies, and knows all that it had answered', {
  timeout: patientMs,
}, async () => {
  const node = await moving.status('nodeName');
  const patch = { spec: { standby: { intervalMilliseconds: 100, takeoverMilliseconds: 10_000 } } };
  await moving.kubectl('patch', 'vm', 'store', '--type=merge', '-p', JSON.stringify(patch));
  await eventually(
    () => figures('acknowledged'),
    (count) => Number(count) > 0,
  );
  const pid = await kubeletOf(node);
  for (let at = 0; at < writes; at++) expect(await ask('PUT', `/key-${at}`, `value ${at}`)).toBe('204 ');
  // Nothing is waited for: what was answered is known elsewhere.
  process.kill(pid, 'SIGKILL');
  await eventually(
    () => moving.status('migration.owner'),
    (owner) => owner === 'target',
    patientMs / 2,
  );
  const answer = await eventually(
    () => ask('GET', '/key-0').catch(String),
    (text) => text.startsWith('200 '),
    patientMs / 2,
  );
  expect(answer).toBe('200 value 0');
  for (let at = 1; at < writes; at++) expect(await ask('GET', `/key-${at}`)).toBe(`200 value ${at}`);
  await eventually(
    () => moving.status('nodeName'),
    (now) => now !== node,
  );
  // It is the same run: no kernel has booted, here or on the node that came back.
  expect(await moving.status('runs')).toBe('1');
});

test('somebody may have the stand-by take over while both nodes live', { timeout: patientMs }, async () => {
  const node = await moving.status('nodeName');
  const list = async () => (await moving.cluster.coxswain(['vm', 'list'])).stdout;
  // Once the kubelet that was killed runs again, its node stands by.
  await eventually(list, (text) => / ms behind/.test(text), patientMs / 2);
  const { stdout } = await moving.cluster.coxswain(['vm', 'failover', 'store']);
  expect(stdout).toMatch(/^store goes on on \S+, as it was at its last checkpoint\n$/);
  await eventually(
    () => moving.status('nodeName'),
    (now) => now !== node,
  );
  const answer = await eventually(
    () => ask('GET', '/key-0').catch(String),
    (text) => text.startsWith('200 '),
  );
  expect(answer).toBe('200 value 0');
  expect(await moving.status('runs')).toBe('1');
});
