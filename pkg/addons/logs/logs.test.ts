/** What the collector keeps of logs, and what it finds. */
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Informers } from '#pkg/client/informer.ts';
import { collectLogs } from './collector.ts';
import { LogStore, type StoredLine } from './log-store.ts';
import { answerText, questionOf } from './questions.ts';

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-logs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const line = (text: string, fields: Partial<StoredLine> = {}): StoredLine => ({
  ...{ time: '2026-01-01T00:00:00Z', namespace: 'ns', pod: 'p', container: 'c', node: 'n', id: '1' },
  ...fields,
  text,
});

const textsOf = (lines: readonly StoredLine[]): readonly string[] => lines.map(({ text }) => text);

test('lines are found by each of their fields, the last ones first to count', async () => {
  const store = new LogStore({ folder: emptyFolder() });
  store.add([line('one'), line('two', { pod: 'q' }), line('three', { time: '2026-01-02T00:00:00Z' })]);
  store.add([line('four', { namespace: 'other' })]);
  const find = async (query: object) => textsOf(await store.find({ limit: 10, ...query }));
  expect(await find({})).toEqual(['one', 'two', 'three', 'four']);
  expect(await find({ namespace: 'ns', pod: 'p' })).toEqual(['one', 'three']);
  expect(await find({ sinceMs: Date.parse('2026-01-01T12:00:00Z') })).toEqual(['three']);
  expect(await find({ contains: 'o', limit: 2 })).toEqual(['two', 'four']);
});

test('a store that is opened again has its lines, but for one that was cut off, and knows how far each log has come', async () => {
  const folder = emptyFolder();
  const store = new LogStore({ folder });
  store.add([line('one'), line('two')]);
  appendFileSync(join(folder, readdirSync(folder)[0] ?? ''), '{"text":"thr');
  const again = new LogStore({ folder });
  expect(again.progressOf('1')).toEqual({ time: '2026-01-01T00:00:00Z', count: 2 });
  again.add([line('four')]);
  expect(textsOf(await again.find({ limit: 10 }))).toEqual(['one', 'two', 'four']);
});

test('the oldest file goes when there are too many', async () => {
  const folder = emptyFolder();
  const store = new LogStore({ folder, fileBytesMax: 200, filesMax: 3 });
  for (let index = 0; index < 10; index++) store.add([line(`line ${index}`)]);
  expect(readdirSync(folder)).toHaveLength(3);
  expect(textsOf(await store.find({ limit: 10 })).at(-1)).toBe('line 9');
  expect(textsOf(await store.find({ limit: 10 }))).not.toContain('line 0');
});

test.each([
  ['pods=x', 'unknown parameter "pods": there are container, contains, namespace, node, pod, format, limit, since'],
  ['format=xml', 'format must be json or text: "xml"'],
  ['limit=0', 'limit must be a number from 1 to 100000: "0"'],
  ['since=yesterday', 'since must be an RFC 3339 time: "yesterday"'],
])('a question with %s is refused in one line', (query, message) => {
  expect(questionOf(new URLSearchParams(query))).toBe(message);
});

test('a question and its answer in both forms', () => {
  expect(questionOf(new URLSearchParams('pod=p&since=2026-01-01T00:00:00Z'))).toEqual({
    format: 'text',
    query: { pod: 'p', sinceMs: Date.parse('2026-01-01T00:00:00Z'), limit: 1_000 },
  });
  expect(answerText([line('said')], 'text')).toBe('2026-01-01T00:00:00Z ns/p/c said\n');
  expect(JSON.parse(answerText([line('said')], 'json'))).toEqual(line('said'));
});

function podOf(state: object): Pod {
  const status = { name: 'c', containerID: 'fake://1', ready: true, restartCount: 0, image: '', imageID: '', state };
  return {
    metadata: { name: 'p', namespace: 'ns' },
    spec: { nodeName: 'n', containers: [] },
    status: { containerStatuses: [status] },
  };
}

/** Informers that know one pod, which is there from the start. */
function knowing(pod: () => Pod): Informers {
  const informer = { lister: { get: pod, list: () => [pod()] }, addHandler() {} };
  return {
    informer: () => informer as never,
    run: (signal: AbortSignal) => new Promise<void>((done) => signal.addEventListener('abort', () => done())),
  } as unknown as Informers;
}

test('a log that breaks off is taken up after the last line that is kept, and read until its container has ended', async () => {
  const clock = new VirtualClock();
  const store = new LogStore({ folder: emptyFolder() });
  let pod: Pod & KubeObject = podOf({ running: {} });
  const asked: string[] = [];
  const answers = [
    ['T1 one\nT2 two\nT2 three\n', 'broken'],
    ['T2 two\nT2 three\nT2 fo', 'ur\nT3 five\n'],
    ['T3 five\nT4 six\n'],
  ];
  async function* chunksOf(parts: readonly string[]): AsyncGenerator<Uint8Array> {
    for (const part of parts) {
      if (part === 'broken') throw new Error('connection lost');
      yield Buffer.from(part);
    }
  }
  const stop = new AbortController();
  const collecting = collectLogs(
    {
      ...{ store, clock, log: silentLogger, informers: knowing(() => pod) },
      transport: {
        async request({ path, query }) {
          asked.push(`${path}?${query}`);
          if (asked.length === answers.length) pod = podOf({ terminated: { exitCode: 0 } });
          return {
            status: 200,
            headers: {},
            body: { kind: 'stream', chunks: chunksOf(answers[asked.length - 1] ?? []) },
          };
        },
      },
    },
    stop.signal,
  );
  await clock.advance(60_000);
  expect(textsOf(await store.find({ limit: 10 }))).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
  const path = '/api/v1/namespaces/ns/pods/p/log?container=c&follow=true&timestamps=true';
  expect(asked).toEqual([path, `${path}&sinceTime=T2`, `${path}&sinceTime=T3`]);
  stop.abort();
  await collecting;
});
