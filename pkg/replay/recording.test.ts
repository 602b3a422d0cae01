/** A cluster is recorded into a file, and the file is read as what happened. */
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { secrets } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { depsOf } from '#pkg/cluster/parts.ts';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';
import { causesOf } from './causes.ts';
import { type Change, historyVersion, type Renewals } from './history.ts';
import { record } from './recorder.ts';
import { mendRecording, RecordingWriter, readRecording } from './recording-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recording-'));
});
afterEach(() => rm(folder, { recursive: true }));

const header = { coxswain: 'recording', version: historyVersion, startMs: 0, secrets: false } as const;

test('all changes are told with their times, renewals as a number, and Secrets without their data', async () => {
  const cluster = await startTestCluster({ nodes: 2 });
  const { clock, random, handle, client } = cluster;
  const transport = inProcessTransport(handle, { commonName: 'recorder', organizations: ['system:masters'] });
  const deps = depsOf({ transport, clock, random, log: silentLogger, metrics: new Metrics() }, 'recorder');
  const told: (Change | Renewals)[] = [];
  const stop = new AbortController();
  const options = {
    deps,
    startMs: clock.nowMs(),
    secrets: false,
    tell: (one: Change | Renewals) => void told.push(one),
  };
  const recording = record(options, stop.signal);
  await cluster.advance(30_000);
  await client.resource(secrets).create({ metadata: { name: 's', namespace: 'default' }, data: { key: 'aGlkZGVu' } });
  await cluster.apply(makeDeployment('web', { replicas: 2 }));
  await cluster.advance(690_000);
  stop.abort();
  await cluster.clock.settle();
  expect(await recording).toEqual([]);
  await cluster.stop();
  const changes = told.filter((one): one is Change => 'object' in one);
  const causes = causesOf(changes).map((cause) =>
    'node' in cause ? `${cause.act} ${cause.node}` : `${cause.act} ${cause.object.kind}`,
  );
  expect(causes).toEqual(['join node-1', 'join node-2', 'put StorageClass', 'put Secret', 'put Deployment']);
  expect(JSON.stringify(changes)).not.toContain('aGlkZGVu');
  expect(changes.find(({ object }) => object.kind === 'Deployment')).toMatchObject({ ms: 30_000, type: 'ADDED' });
  const renewals = told.reduce((sum, one) => sum + ('renewals' in one ? one.renewals : 0), 0);
  // Of two nodes, each ten seconds and each five minutes.
  expect(renewals).toBe(2 * 72 + 2 * 2);
  expect(changes.filter(({ ms, object }) => object.kind === 'Node' && ms > 0)).toEqual([]);
  expect(told.some((one) => 'leases' in one && one.leases === 2)).toBe(true);
});

test('a recording that is ended while it asks what there is has ended', async () => {
  const cluster = await startTestCluster({ nodes: 0 });
  const { clock, random, handle } = cluster;
  const transport = inProcessTransport(handle, { commonName: 'recorder', organizations: ['system:masters'] });
  const deps = depsOf({ transport, clock, random, log: silentLogger, metrics: new Metrics() }, 'recorder');
  const told: (Change | Renewals)[] = [];
  const options = { deps, startMs: 0, secrets: false, tell: (one: Change | Renewals) => void told.push(one) };
  expect(await record(options, AbortSignal.abort())).toEqual([]);
  expect(told).toEqual([]);
  await cluster.stop();
});

const change: Change = {
  ms: 5,
  type: 'ADDED',
  object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } },
};

test('a file is read as it was written, also gone on with, and as far as it goes', async () => {
  const path = join(folder, 'r');
  const first = new RecordingWriter(path, header, { append: false });
  first.write(change);
  first.write({ ms: 7, renewals: 3, leases: 1 });
  await first.close();
  expect(await readRecording(path)).toEqual({ header, changes: [change], renewals: 3, endMs: 7, isWhole: true });
  const second = new RecordingWriter(path, header, { append: true });
  second.write({ ...change, ms: 9 });
  await second.flush();
  await second.close();
  expect((await readRecording(path)).changes.map(({ ms }) => ms)).toEqual([5, 9]);
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length - 10));
  expect(await readRecording(path)).toMatchObject({ isWhole: false, endMs: 9 });
});

test('a file that was cut off anywhere is mended as far as it goes, and gone on with', async () => {
  const path = join(folder, 'r');
  const whole = new RecordingWriter(path, header, { append: false });
  for (let ms = 1; ms <= 40; ms++) {
    whole.write({ ...change, ms });
    await whole.flush();
  }
  await whole.close();
  const bytes = await readFile(path);
  for (const share of [0.5, 0.9, 0.99]) {
    await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * share)));
    const before = await readRecording(path);
    expect([before.isWhole, before.changes.length > 0]).toEqual([false, true]);
    await mendRecording(path);
    expect(await readRecording(path)).toEqual({ ...before, isWhole: true });
    const more = new RecordingWriter(path, header, { append: true });
    more.write({ ...change, ms: 99 });
    await more.close();
    const after = await readRecording(path);
    expect([after.isWhole, after.changes.length, after.endMs]).toEqual([true, before.changes.length + 1, 99]);
  }
  expect(await readdir(folder)).toEqual(['r']);
});

test.each([
  [gzipSync('{"coxswain":"recording","version":2,"startMs":0}\n'), 'a recording of version 2, and 1 is read'],
  [gzipSync('{"ms":1}\n'), 'it has no header'],
  [gzipSync('nothing\n'), 'a line is no object of JSON'],
  [gzipSync(''), 'it is empty'],
  [Buffer.from('plain'), 'Cannot read'],
])('what is no recording is refused: %#', async (bytes, message) => {
  const path = join(folder, 'r');
  await writeFile(path, bytes);
  await appendFile(path, '');
  await expect(readRecording(path)).rejects.toThrow(message);
});
