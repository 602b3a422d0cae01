/** A process that was started ahead does nothing unless it is told to, and ends with whoever started it. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startAhead, takeAhead } from './ahead.js';

const main = join(import.meta.dirname, 'bin.js');

test('it ends without a word when it is not needed', async () => {
  const child = startAhead(main, ['--detach', '--no-such-flag']);
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('it is what the command takes, and writes to the log that it is told of', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-ahead-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const child = startAhead(main, ['--detach', '--no-such-flag']);
  expect(takeAhead(main, [])).toBe(child);
  const log = join(folder, 'log');
  child.send({ log });
  expect(await once(child, 'exit')).toEqual([1, null]);
  expect(await readFile(log, 'utf8')).toContain('--no-such-flag');
});
