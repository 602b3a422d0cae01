import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { PieceFiles } from './piece-files.ts';

const root = mkdtempSync(join(tmpdir(), 'pieces-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function piece(text: string) {
  const bytes = new Uint8Array(Buffer.from(text));
  return { bytes, name: createHash('sha256').update(bytes).digest('hex') };
}

test('what is kept is read, by every thread of the node, and what is not there or was spoiled is none', () => {
  const folder = join(root, 'kept');
  const clock = new VirtualClock();
  const [one, other] = [new PieceFiles(folder, { clock }), new PieceFiles(folder, { clock })];
  const { name, bytes } = piece('some pages');
  expect(one.read(name)).toBeUndefined();
  one.write(name, bytes);
  expect(Buffer.from(other.read(name) ?? [])).toEqual(Buffer.from(bytes));
  writeFileSync(join(folder, name), 'no piece');
  expect(one.read(name)).toBeUndefined();
  expect(() => one.write('../elsewhere', bytes)).toThrow('it names no piece');
});

test('beyond the limit those go that were asked for longest ago, and what a thread left unfinished', async () => {
  const folder = join(root, 'limited');
  const clock = new VirtualClock();
  const all = ['first', 'second', 'third'].map(piece);
  const files = new PieceFiles(folder, { clock, bytesMax: 40 });
  const half = join(folder, `${all[0]?.name}.1-1.new`);
  mkdirSync(folder);
  writeFileSync(half, 'half');
  utimesSync(half, 0, 0);
  for (const { name, bytes } of all) {
    files.write(name, bytes);
    await clock.advance(1000);
  }
  files.read(all[0]?.name ?? '');
  files.trim();
  expect(readdirSync(folder).toSorted()).toEqual([all[0]?.name, all[2]?.name].toSorted());
});

test('where nothing can be kept, nothing is', () => {
  const folder = join(root, 'file');
  writeFileSync(folder, 'no folder');
  const files = new PieceFiles(folder, { clock: new VirtualClock() });
  const { name, bytes } = piece('some pages');
  files.write(name, bytes);
  files.trim();
  expect(files.read(name)).toBeUndefined();
});
