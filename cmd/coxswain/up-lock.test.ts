import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockForUp } from './up-lock.ts';

let place: string;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'coxswain-lock-'));
});
afterEach(() => rm(place, { recursive: true, force: true }));

const never = new AbortController().signal;

test('the second start of a cluster waits for the first, whatever name it has for the folder (faults 46 and 64)', async () => {
  await mkdir(join(place, 'real'));
  await symlink('real', join(place, 'link'));
  const seen: string[] = [];
  const first = await lockForUp(join(place, 'real/dev'), { onWait: () => seen.push('first waits'), signal: never });
  expect(first.waited).toBe(false);
  const waiting = ['second', 'third'].map(async (name) => {
    using lock = await lockForUp(join(place, 'link/dev'), { onWait: () => seen.push(`${name} waits`), signal: never });
    expect(lock.waited).toBe(true);
    seen.push(`${name} has it`);
  });
  using other = await lockForUp(join(place, 'real/other'), { onWait: () => seen.push('other waits'), signal: never });
  expect(other.waited).toBe(false);
  while (seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
  first[Symbol.dispose]();
  await Promise.all(waiting);
  expect(seen.slice(0, 2).sort()).toEqual(['second waits', 'third waits']);
  expect(seen.slice(2).sort()).toEqual(['second has it', 'third has it']);
});

test('whoever is told to stop waits no longer', async () => {
  using _first = await lockForUp(place, { onWait: () => {}, signal: never });
  const controller = new AbortController();
  const why = new Error('enough');
  const second = lockForUp(place, { onWait: () => controller.abort(why), signal: controller.signal });
  await expect(second).rejects.toBe(why);
});
