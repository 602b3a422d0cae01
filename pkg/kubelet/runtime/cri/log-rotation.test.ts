import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { LogRotation } from './log-rotation.ts';

function bench(reopen: (path: string) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-rotation-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, '0.log');
  const clock = new VirtualClock();
  const rotation = new LogRotation({ clock, bytesMax: 4, reopen: async () => reopen(path) });
  return { folder, path, clock, tend: () => rotation.tend([{ id: 'a', path }]) };
}

test('a log that has grown is put aside, and the newest are kept', async () => {
  const { folder, path, clock, tend } = bench((log) => writeFileSync(log, ''));
  for (let round = 0; round < 8; round++) {
    writeFileSync(path, `round ${round}`);
    await tend();
    await clock.advance(10_000);
  }
  const names = readdirSync(folder).sort();
  expect(names).toHaveLength(5);
  expect(names.map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual([
    '',
    ...[4, 5, 6, 7].map((round) => `round ${round}`),
  ]);
});

test('a small one is left, and nobody looks again before it is time', async () => {
  const { folder, path, tend } = bench((log) => writeFileSync(log, ''));
  writeFileSync(path, 'abc');
  await tend();
  writeFileSync(path, 'abcdef');
  await tend();
  expect(readdirSync(folder)).toEqual(['0.log']);
});

test('one that the runtime does not begin anew gets its name back', async () => {
  const { folder, path, tend } = bench(() => {
    throw new Error('no');
  });
  writeFileSync(path, 'abcdef');
  await tend();
  expect([readdirSync(folder), readFileSync(path, 'utf8')]).toEqual([['0.log'], 'abcdef']);
});
