import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeFolder } from './make-folder.ts';

const place = mkdtempSync(join(tmpdir(), 'coxswain-folder-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

test('folders that are missing are made, and the uppermost of them is named', async () => {
  expect(await makeFolder(join(place, 'a/b/c'))).toBe(join(place, 'a'));
  expect(statSync(join(place, 'a/b/c')).mode & 0o777).toBe(0o700);
  expect(await makeFolder(join(place, 'a/b/d'))).toBe(join(place, 'a/b/d'));
  expect(await makeFolder(join(place, 'a/b'))).toBeUndefined();
  const [one, other] = await Promise.all([makeFolder(join(place, 'x/y')), makeFolder(join(place, 'x/y'))]);
  expect([one, other]).toContain(join(place, 'x'));
});

test('a file in the way is said to be in the way', async () => {
  writeFileSync(join(place, 'file'), '');
  await expect(makeFolder(join(place, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(place, 'file/a/b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});
