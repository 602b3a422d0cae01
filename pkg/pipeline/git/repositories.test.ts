/** Pushes as they are found in a real repository, and who is asked about whom. */
import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { placesIn } from '../places.ts';
import { tokenOf } from './access.ts';
import { git } from './git.ts';
import { Repositories } from './repositories.ts';

let folder: string;
let repositories: Repositories;
let bare: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-repositories-'));
  const places = placesIn(folder);
  repositories = new Repositories(places);
  bare = places.repository('ci', 'shop');
  await repositories.ensure('ci', 'shop');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A commit of nothing, on a branch. */
async function commit(ref: string, message: string): Promise<string> {
  const who = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.com'];
  const tree = (await git(bare, ['mktree', '--missing'])).trim();
  const made = (await git(bare, [...who, 'commit-tree', tree, '-m', message])).trim();
  await git(bare, ['update-ref', ref, made]);
  return made;
}

test('each move of a reference is a push with a number of its own, seen once', async () => {
  expect(await repositories.look('ci', 'shop')).toEqual([]);
  const first = await commit('refs/heads/main', 'one');
  expect(await repositories.look('ci', 'shop')).toEqual([{ sequence: 1, ref: 'refs/heads/main', commit: first }]);
  const second = await commit('refs/heads/main', 'two');
  await git(bare, ['-c', 'user.name=Ann', '-c', 'user.email=a@b', 'tag', '-a', 'v1', '-m', 'release', second]);
  const looks = await Promise.all([repositories.look('ci', 'shop'), repositories.look('ci', 'shop')]);
  const seen = [
    { sequence: 2, ref: 'refs/heads/main', commit: second },
    { sequence: 3, ref: 'refs/tags/v1', commit: second },
  ];
  expect(looks).toEqual([seen, seen]);
  // Back to the first commit is a push too.
  await git(bare, ['update-ref', 'refs/heads/main', first]);
  await git(bare, ['tag', '-d', 'v1']);
  expect(await repositories.look('ci', 'shop')).toEqual([
    { sequence: 4, ref: 'refs/heads/main', commit: first },
    { sequence: 5, ref: 'refs/tags/v1', commit: '' },
  ]);
  expect(await repositories.author('ci', { repository: 'shop', commit: first })).toBe('Ann <ann@example.com>');
});

test('a push whose line was cut off by a crash is found again', async () => {
  const made = await commit('refs/heads/main', 'one');
  await repositories.look('ci', 'shop');
  const log = join(bare, 'coxswain-pushes');
  truncateSync(log, statSync(log).size - 5);
  const again = new Repositories(placesIn(folder));
  const [push] = await again.look('ci', 'shop');
  expect(push).toMatchObject({ ref: 'refs/heads/main', commit: made });
  expect(await again.look('ci', 'shop')).toEqual([push]);
});

test.each([
  [undefined, undefined],
  ['Bearer abc', 'abc'],
  ['bearer abc', 'abc'],
  [`Basic ${Buffer.from('ann:abc:d').toString('base64')}`, 'abc:d'],
  [`Basic ${Buffer.from('ann:').toString('base64')}`, undefined],
  ['Digest abc', undefined],
  ['Bearer', undefined],
])('the token of %j is %j', (header, token) => {
  expect(tokenOf(header)).toBe(token);
});
