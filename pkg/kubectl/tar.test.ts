/** Archives of `cp`: what was packed comes out again, however it arrives, and nothing leads out of the folder it goes to. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { packTar, TarReader } from './tar.ts';

const folder = mkdtempSync(join(tmpdir(), 'coxswain-tar-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const longName = `${'n'.repeat(120)}.txt`;
mkdirSync(join(folder, 'from/deep'), { recursive: true });
writeFileSync(join(folder, 'from/empty'), '');
writeFileSync(join(folder, 'from/deep', longName), 'x'.repeat(1_500));

function unpack(archive: Buffer, target: string, pieceBytes: number): readonly string[] {
  const said: string[] = [];
  const reader = new TarReader({ target: join(folder, target), prefix: 'tree', warn: (text) => said.push(text) });
  for (let at = 0; at < archive.length; at += pieceBytes) reader.push(archive.subarray(at, at + pieceBytes));
  reader.end();
  return said;
}

test.each([1, 7, 512, 100_000])('a folder comes out as it went in, in pieces of %i bytes', (pieceBytes) => {
  const archive = Buffer.concat([...packTar(join(folder, 'from'), 'tree')]);
  const target = `to-${pieceBytes}`;
  expect(unpack(archive, target, pieceBytes)).toEqual([]);
  expect(readdirSync(join(folder, target)).toSorted()).toEqual(['deep', 'empty']);
  expect(readFileSync(join(folder, target, 'deep', longName), 'utf8')).toBe('x'.repeat(1_500));
});

test('a link goes as one, wherever it leads, and is left out where it comes out', () => {
  const target = 't'.repeat(150);
  mkdirSync(join(folder, 'linked'));
  writeFileSync(join(folder, 'linked/after'), 'after');
  symlinkSync('..', join(folder, 'linked/a-loop'));
  symlinkSync(target, join(folder, 'linked/a-way'));
  const archive = Buffer.concat([...packTar(join(folder, 'linked'), 'tree')]);
  const link = archive.subarray(archive.indexOf('tree/a-loop'));
  expect([link.toString('latin1', 156, 160), archive.includes(`${target}\0`)]).toEqual(['2..\0', true]);
  expect(unpack(archive, 'unlinked', 100)).toEqual([
    expect.stringContaining('unlinked/a-loop'),
    expect.stringContaining('unlinked/a-way'),
  ]);
  expect(readdirSync(join(folder, 'unlinked'))).toEqual(['after']);
});

/** The archive of one empty file, with the name and the type in its head. */
function oneEntry(name: string, type: string): Buffer {
  const archive = Buffer.concat([...packTar(join(folder, 'from/empty'), name)]);
  archive.write(type, 156);
  return archive;
}

test.each(['tree/../../planted', '../planted', 'other/planted'])('%s is refused', (name) => {
  expect(() => unpack(oneEntry(name, '0'), 'refused', 512)).toThrow('leads out of where it belongs');
});

test.each(['1', '2'])('a link of type %s is left out, and said', (type) => {
  expect(unpack(oneEntry('tree/way', type), `links-${type}`, 512)).toEqual([
    expect.stringContaining('skipping symlink'),
  ]);
});
