/** Where audit events go: files that are put aside, batches on virtual time, webhooks that fail. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import type { AuditEvent } from '#pkg/apiserver/audit/event.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { BatchSettings } from './batches.ts';
import { logSink } from './log-sink.ts';
import { RotatingFile, type RotatingFileOptions } from './rotating-file.ts';
import type { SinkLosses } from './sink.ts';
import { webhookSink } from './webhook-sink.ts';

const folder = mkdtempSync(join(tmpdir(), 'audit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function event(name: string, short?: string): AuditEvent {
  return { isFirst: false, isHeld: false, json: `{"name":"${name}"}`, truncated: () => short };
}

function lossCounter(): SinkLosses & { readonly counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  return {
    counts,
    lost(part, count) {
      counts[part] = (counts[part] ?? 0) + count;
    },
  };
}

const batching: BatchSettings = { bufferSize: 5, batchSize: 3, maxWaitMs: 1_000, throttle: undefined, parallel: 1 };

function rotating(name: string, options: Partial<RotatingFileOptions>) {
  const clock = new VirtualClock();
  const file = new RotatingFile({
    path: join(folder, name, 'audit.log'),
    clock,
    sizeMax: 20,
    ageDaysMax: 0,
    backupsMax: 0,
    compress: false,
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  return { file, clock, names: () => readdirSync(join(folder, name)).sort() };
}

test('a file is put aside before a line that it has no room for, and as many are kept as are wanted', async () => {
  const { file, clock, names } = rotating('count', { backupsMax: 2 });
  for (const line of ['first-first', 'second-second', 'third-third', 'fourth-fourth']) {
    file.write(`${line}\n`);
    await clock.advance(1_500);
  }
  await file.close();
  const [oldest, newer, current] = names();
  expect(oldest).toMatch(/^audit-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/);
  expect(names()).toHaveLength(3);
  expect([oldest, newer, current].map((name) => readFileSync(join(folder, 'count', name ?? ''), 'utf8'))).toEqual([
    'second-second\n',
    'third-third\n',
    'fourth-fourth\n',
  ]);
});

test('files that were put aside are compressed, and removed when they are too old', async () => {
  const first = rotating('age', { compress: true, ageDaysMax: 1 });
  first.file.write('first-first\n');
  first.file.write('second-second\n');
  await first.file.close();
  const [packed = ''] = first.names();
  expect(packed).toMatch(/\.log\.gz$/);
  expect(gunzipSync(readFileSync(join(folder, 'age', packed))).toString()).toBe('first-first\n');
  const later = new VirtualClock();
  await later.advance(2 * 86_400_000);
  const second = rotating('age', { ageDaysMax: 1, clock: later });
  await second.file.close();
  expect(second.names()).toEqual(['audit.log']);
});

function logOf(mode: 'batch' | 'blocking' | 'blocking-strict', write: (lines: string) => void) {
  const losses = lossCounter();
  const clock = new VirtualClock();
  const sink = logSink({
    file: { write, async close() {} },
    mode,
    batching: { ...batching, clock },
    truncate: undefined,
    losses,
  });
  return { sink, losses, clock };
}

test('blocking modes write within the request; what cannot be written ends a strict one only', async () => {
  const lines: string[] = [];
  expect(logOf('blocking', (text) => lines.push(text)).sink.record(event('a'))).toBe(true);
  await Promise.resolve();
  expect(lines).toEqual(['{"name":"a"}\n']);
  const { sink: both, clock } = logOf('blocking', (text) => lines.push(text));
  both.record({ ...event('arrives'), isFirst: true });
  expect(lines).toHaveLength(1);
  both.record(event('ends'));
  both.record(event('ends too'));
  await Promise.resolve();
  expect(lines.splice(0)).toEqual(['{"name":"a"}\n', '{"name":"arrives"}\n{"name":"ends"}\n{"name":"ends too"}\n']);
  both.record({ ...event('arrives'), isFirst: true });
  await clock.advance(0);
  expect(lines).toEqual(['{"name":"arrives"}\n']);
  const full = (): never => {
    throw new Error('ENOSPC');
  };
  const { sink, losses } = logOf('blocking', full);
  expect(sink.record(event('a'))).toBe(true);
  await Promise.resolve();
  expect(losses.counts).toEqual({ log: 1 });
  expect(logOf('blocking-strict', full).sink.record(event('a'))).toBe(false);
});

test('what held answers are about is written once for all of them, when the server says that they leave, at the latest by a timer', async () => {
  const lines: string[] = [];
  const { sink, clock } = logOf('blocking', (text) => lines.push(text));
  const held = (name: string): AuditEvent => ({ ...event(name), isHeld: true });
  for (const name of ['a', 'b']) sink.record(held(name));
  await Promise.resolve();
  expect(lines).toEqual([]);
  sink.settle?.();
  expect(lines.splice(0)).toEqual(['{"name":"a"}\n{"name":"b"}\n']);
  sink.settle?.();
  sink.record(held('ends late'));
  await clock.advance(0);
  expect(lines).toEqual(['{"name":"ends late"}\n']);
});

test('batches leave when they are full, when they have waited, and at the end', async () => {
  const writes: string[] = [];
  const { sink, clock } = logOf('batch', (text) => writes.push(text));
  for (const name of ['a', 'b', 'c', 'd']) sink.record(event(name));
  await clock.advance(0);
  expect(writes).toEqual(['{"name":"a"}\n{"name":"b"}\n{"name":"c"}\n']);
  await clock.advance(1_000);
  expect(writes.slice(1)).toEqual(['{"name":"d"}\n']);
  sink.record(event('e'));
  await sink.end();
  expect(writes.slice(2)).toEqual(['{"name":"e"}\n']);
  sink.record(event('late'));
  expect(writes).toHaveLength(3);
});

function webhookOf(post: (body: string) => Promise<void>, settings: Partial<BatchSettings> = {}) {
  const losses = lossCounter();
  const clock = new VirtualClock();
  const sink = webhookSink({
    post,
    batching: { ...batching, ...settings },
    initialBackoffMs: 10_000,
    truncate: { eventBytesMax: 30, batchBytesMax: 40 },
    clock,
    random: new SeededRandom(1),
    losses,
  });
  return { sink, losses, clock };
}

test('a webhook gets lists, no longer than they may be; an event that is too long goes without its objects or is lost', async () => {
  const bodies: string[] = [];
  const { sink, losses, clock } = webhookOf(async (body) => void bodies.push(body));
  sink.record(event('x'.repeat(40), '{"short":true}'));
  sink.record(event('x'.repeat(40)));
  sink.record(event('b'.repeat(12)));
  sink.record(event('c'.repeat(12)));
  await clock.advance(0);
  expect(bodies.map((body) => JSON.parse(body))).toEqual([
    {
      kind: 'EventList',
      apiVersion: 'audit.k8s.io/v1',
      metadata: {},
      items: [{ short: true }, { name: 'b'.repeat(12) }],
    },
    { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items: [{ name: 'c'.repeat(12) }] },
  ]);
  expect(losses.counts).toEqual({ truncate: 1 });
});

test('what fails is tried five times with growing pauses; meanwhile the buffer fills up and the rest is lost', async () => {
  const triesMs: number[] = [];
  const { sink, losses, clock } = webhookOf(async () => {
    triesMs.push(clock.nowMs());
    throw new Error('the audit webhook answered 500');
  });
  const startMs = clock.nowMs();
  for (let i = 0; i < 3 + 5 + 4; i++) sink.record(event('a'));
  expect(losses.counts).toEqual({ buffered: 4 });
  await clock.advance(120_000);
  expect(losses.counts).toMatchObject({ webhook: 3 });
  const pauses = triesMs.slice(0, 5).map((ms, at, all) => ms - (all[at - 1] ?? startMs));
  expect(triesMs.slice(0, 5)).toHaveLength(5);
  [0, 10_000, 15_000, 22_500, 33_750].forEach((least, at) => {
    expect(pauses[at]).toBeGreaterThanOrEqual(least);
    expect(pauses[at]).toBeLessThanOrEqual(least * 1.2 + 1);
  });
});

test('the throttle lets a burst through and then so many a second', async () => {
  const sentMs: number[] = [];
  const { sink, clock } = webhookOf(async () => void sentMs.push(clock.nowMs()), {
    batchSize: 1,
    throttle: { qps: 2, burst: 2 },
  });
  const startMs = clock.nowMs();
  for (let i = 0; i < 5; i++) {
    sink.record(event('a'));
    await clock.advance(0);
  }
  await clock.advance(3_000);
  expect(sentMs.map((ms) => ms - startMs)).toEqual([0, 0, 500, 1_000, 1_500]);
});

test('a webhook that does not answer holds the end of the server up for five seconds', async () => {
  const { sink, losses, clock } = webhookOf(() => Promise.reject(new Error('ECONNREFUSED')));
  sink.record(event('a'));
  const ended = sink.end();
  await clock.advance(5_000);
  await ended;
  expect(losses.counts).toEqual({ webhook: 1 });
});
