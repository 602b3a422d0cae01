import { expect, test } from 'vitest';
import { memoryLine, onceHeader, onceLines, startAlone, type TurnsRow, turnsHeader, turnsLines } from './report.ts';
import type { Comparison } from './statistics.ts';

test('a row of a server that is measured alone stands beside its target', () => {
  const row = { operations: 6_000, tookMs: 1_500, p50Ms: 1.234, p99Ms: 12.5, failures: 0 };
  const lines = [
    onceHeader(),
    onceLines({ name: 'get', target: 2_500 }, { ...row, serverCpuMs: 900 }),
    onceLines({ name: 'watch', target: 8_000, targetP50Ms: 3 }, { ...row, label: ', paced' }),
    onceLines({ name: 'packing', qualityMost: 1.05 }, { operations: 10, tookMs: 100, failures: 0, quality: 1 }),
  ];
  expect(lines.map((line) => line.replace(/ +/g, ' '))).toEqual([
    'row operations p50 ms p99 ms cpu µs target ratio\n',
    'get 4,000/s 1.23 12.50 150 2,500/s 1.60\n',
    'watch, paced 4,000/s 1.23 12.50 - 8,000/s, p50 3 0.50\n',
    'packing 1.000 - - - at most 1.05 1.05\n',
  ]);
});

test('failures are told, and clients that used most of a core', () => {
  const row = { operations: 10, tookMs: 1_000, failures: 2, failure: 'GET /x: 500', clientShare: 0.956 };
  expect(onceLines({ name: 'get' }, row).split('\n').slice(1)).toEqual([
    '  2 failed; first: GET /x: 500',
    '  the clients used 96 % of a core: it may be them that was measured',
    '',
  ]);
  expect(onceLines({ name: 'get' }, { ...row, failures: 0, clientShare: 0.9 }).split('\n')).toHaveLength(2);
});

const comparison: Comparison = {
  ours: 1_234,
  theirs: 1_200,
  ratio: 1.028,
  low: 0.99,
  high: 1.05,
  pairs: 9,
  isOpen: true,
};

test('a row measured in turns has a line for each other side', () => {
  const row: TurnsRow = {
    name: 'get',
    unit: 'perSecond',
    versus: [
      { side: 'abc1234', isCeiling: false, comparison, cpuRatio: 1.1 },
      {
        side: 'kubeconfig',
        isCeiling: false,
        comparison: { ...comparison, ratio: 4, low: 3.9, high: 4.2, isOpen: false },
      },
      { side: 'ceiling', isCeiling: true, comparison: { ...comparison, ratio: 0.7 }, cpuRatio: 0.6 },
      { side: 'gone', isCeiling: false },
    ],
    failures: 0,
  };
  expect(turnsHeader('here').split('\n')[1]?.replace(/ +/g, ' ')).toBe('row here other ratio quartiles cpu pairs');
  expect(turnsLines(row).replace(/(?<=\S) +/g, ' ')).toBe(
    [
      'get 1,234/s 1,200/s 1.028 0.99 to 1.05 1.10 9 no difference seen',
      '  kubeconfig 1,234/s 1,200/s 4.000 3.90 to 4.20 - 9',
      '  of its ceiling 1,234/s 1,200/s 0.700 0.99 to 1.05 0.60 9',
      '  gone - - - - - 0',
      '',
    ].join('\n'),
  );
});

test('a row that only has a ceiling says so beside its name', () => {
  const row: TurnsRow = {
    name: 'get',
    unit: 'ms',
    versus: [{ side: 'ceiling', isCeiling: true, comparison }],
    failures: 0,
  };
  expect(turnsLines(row).replace(/ +/g, ' ')).toBe(
    'get, of its ceiling 1234.00 ms 1200.00 ms 1.028 0.99 to 1.05 - 9\n',
  );
});

test('starts and memory have their units', () => {
  const program = { name: 'here', checkout: '.' };
  const row = (unit: 'seconds' | 'bytes', values: number[]) => ({
    name: 'x',
    unit,
    values: new Map([[program, values]]),
  });
  expect(startAlone(row('seconds', [0.5, 0.7, 0.6])).replace(/ +/g, ' ')).toBe('x 0.600 s\n');
  expect(startAlone(row('bytes', [150_400_000])).replace(/ +/g, ' ')).toBe('x 150 MB\n');
  expect(memoryLine('now', { resident: 250e6, files: 60e6, peak: 0 })).toBe(
    'memory of the cluster now: 250 MB, 60 MB of it files (target 250 MB)\n',
  );
});
