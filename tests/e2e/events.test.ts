/**
 * Many events (faults 56 and 57): they live on the disk, so that they cost little memory and no time at the start, and are as durable
 * as everything else. `EVENTS=100000` tries harder; `tests/bench/churn.ts` has the figures.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectionOf } from '#cmd/common/connection.ts';
import type { Event } from '#pkg/api/types/core-v1.ts';
import { events } from '#pkg/api/types/refs.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { NetworkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

const count = Number(process.env.EVENTS ?? 6_000);
const clients = 16;

let cluster: RunningCluster;
let transport: NetworkTransport;
let client: Client;

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--store', 'lmdb', '--runtime', 'fake', '--nodes', '3'] });
  transport = await connectionOf(cluster.kubeconfig);
  client = createClient({ transport, userAgent: 'churn' });
}, hookMs);

afterAll(async () => {
  await transport?.close();
  await cluster?.remove();
}, hookMs);

async function pidOf(): Promise<number> {
  const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
  return Number(/"pid": *(\d+)/.exec(stdout)?.[1]);
}

/** Memory of the cluster in MB. */
async function memoryOf(): Promise<number> {
  const status = readFileSync(`/proc/${await pidOf()}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_000;
}

/** All events of the namespace, in pages; by name, with their counts. */
async function listAll(fieldSelector?: string): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  let token: string | undefined;
  do {
    const page = await client.resource(events).list({
      namespace: 'default',
      limit: 500,
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(token !== undefined && { continue: token }),
    });
    for (const { metadata, count: seen = 0 } of page.items) found.set(metadata!.name!, seen);
    token = page.metadata?.continue;
  } while (token !== undefined && token !== '');
  return found;
}

test(`${count} events are written, counted up, deleted, listed and selected, and are all there after a kill`, {
  timeout: 120_000 + count * 5,
}, async () => {
  const random = new SeededRandom(57);
  const expected = new Map<string, number>();
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const name = `${['web', 'db', 'job'][n % 3]}-${n}.e`;
      const event: Event = {
        metadata: { name, namespace: 'default' },
        involvedObject: { kind: 'Pod', namespace: 'default', name: `p${n % 100}`, uid: `uid-${n % 100}` },
        reason: 'Churned',
        message: 'x'.repeat(randomInt(random, 900)),
        type: 'Normal',
        count: 1,
      };
      await client.resource(events).create(event);
      expected.set(name, 1);
      const fate = randomInt(random, 10);
      if (fate === 0) {
        await client.resource(events).patch(name, { count: 2 }, { namespace: 'default', type: 'strategic' });
        expected.set(name, 2);
      } else if (fate === 1) {
        await client.resource(events).delete(name, { namespace: 'default' });
        expected.delete(name);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, writer));
  const churned = async (): Promise<unknown> =>
    [...(await listAll('reason=Churned'))].sort(([a], [b]) => (a < b ? -1 : 1));
  const wanted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(await churned()).toEqual(wanted);
  const ofOne = [...(await listAll('involvedObject.uid=uid-17')).keys()].sort();
  expect(ofOne).toEqual(wanted.map(([name]) => name).filter((name) => Number(/\d+/.exec(name)![0]) % 100 === 17));
  process.kill(await pidOf(), 'SIGKILL');
  const { code, stderr } = await cluster.up();
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  expect(await churned()).toEqual(wanted);
  expect([...(await listAll()).keys()].filter((name) => name.endsWith('.e')).length).toBe(wanted.length);
  await eventually(memoryOf, (megabytes) => megabytes < 300);
  expect(statSync(join(cluster.dataDir, 'store/data.mdb')).size).toBeLessThan(40_000_000 + count * 2_000);
});
