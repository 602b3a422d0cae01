/** Ranges of ids for sandboxes with users of their own. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { UserIds } from './user-ids.ts';

function machine() {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-ids-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return { folder, one: new UserIds({ folder, node: 'one' }), two: new UserIds({ folder, node: 'two' }) };
}

test('no two sandboxes of a machine have the same ids, and none has those of the machine', () => {
  const { one, two } = machine();
  const bases = [one.claim('a'), two.claim('a'), one.claim('b')];
  expect(bases).toEqual([131_072, 196_608, 262_144]);
  two.release('a', 131_072);
  expect(two.claim('c')).toBe(327_680);
  one.release('a', 131_072);
  expect(two.claim('d')).toBe(131_072);
});

test('a node that starts again keeps those of its sandboxes, and gives back its others alone', () => {
  const { folder, one, two } = machine();
  const [a, b, c] = [one.claim('a'), one.claim('b'), two.claim('c')];
  one.keepOnly(new Set(['b']));
  expect(readdirSync(folder).sort()).toEqual([b, c].map((base) => String(base / 65_536)).sort());
  // As after a start of the machine.
  rmSync(folder, { recursive: true });
  one.keep('a', a);
  expect([two.claim('x'), readdirSync(folder).length]).toEqual([196_608, 2]);
});

test('what others put there is left alone', () => {
  const { folder, one } = machine();
  writeFileSync(join(folder, '2'), 'x');
  expect(one.claim('a')).toBe(196_608);
  one.keepOnly(new Set());
  expect(readdirSync(folder)).toEqual(['2']);
});
