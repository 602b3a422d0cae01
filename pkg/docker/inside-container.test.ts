/** Paths of a container never lead out of its root, and what they mean is what its programs would find. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { archiveOf } from '#pkg/images/tar/folder-archive.ts';
import { OpenRoot, placePath } from '#pkg/images/tar/open-root.ts';
import { tarEnd, tarFile } from '#pkg/images/tar/tar-writer.ts';
import { putArchive } from './put-archive.ts';

const folder = mkdtempSync(join(tmpdir(), 'coxswain-inside-'));
const path = join(folder, 'root');
mkdirSync(join(path, 'etc'), { recursive: true });
mkdirSync(join(path, 'usr/lib'), { recursive: true });
writeFileSync(join(folder, 'secret'), 'outside');
writeFileSync(join(path, 'etc/name'), 'inside');
writeFileSync(join(path, 'usr/lib/code'), 'code');
symlinkSync('usr/lib', join(path, 'lib'));
symlinkSync('/etc/name', join(path, 'absolute'));
symlinkSync('../../../../secret', join(path, 'out'));
symlinkSync(folder, join(path, 'above'));
symlinkSync('loop', join(path, 'loop'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function textAt(asked: string): Promise<string | undefined> {
  await using root = await OpenRoot.open(path);
  const found = await root.at(asked, { followsLast: true, makes: false });
  if (found === undefined) return undefined;
  try {
    return await readFile(placePath(found), 'utf8');
  } finally {
    await found.close();
  }
}

test.each([
  ['/etc/name', 'inside'],
  ['/lib/code', 'code'],
  ['/absolute', 'inside'],
  ['/etc/../../../etc/name', 'inside'],
  ['/out', undefined],
  ['/above/secret', undefined],
  ['/loop', undefined],
  ['/etc/name/below', undefined],
  ['/nothing', undefined],
])('%s', async (asked, expected) => {
  expect(await textAt(asked)).toBe(expected);
});

test('what is read of a folder has links as they are', async () => {
  await using root = await OpenRoot.open(path);
  const found = await root.at('/', { followsLast: true, makes: false });
  const pieces: Uint8Array[] = [];
  for await (const piece of archiveOf(found!, '.', '')) pieces.push(piece);
  await found?.close();
  const text = Buffer.concat(pieces).toString('latin1');
  expect(text).toContain('inside');
  expect(text).toContain('../../../../secret');
  expect(text).not.toContain('outside');
});

const put = async (...entries: readonly Buffer[]): Promise<void> => {
  await using root = await OpenRoot.open(path);
  const archive = async function* () {
    yield Buffer.concat([...entries, tarEnd()]);
  };
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await putArchive(root, '/', archive(), { owner: own });
};

test('an archive is put through links within the root', async () => {
  await put(tarFile({ path: 'lib/new' }, 'new'), tarFile({ path: 'made/below/file' }, 'deep'));
  expect(readFileSync(join(path, 'usr/lib/new'), 'utf8')).toBe('new');
  expect(readFileSync(join(path, 'made/below/file'), 'utf8')).toBe('deep');
});

test.each([
  ['a path with two dots', [tarFile({ path: '../secret' }, 'x')], '".."'],
  ['a file in place of a folder', [tarFile({ path: 'etc' }, 'x')], 'cannot overwrite directory'],
  ['a link to what is not there', [tarFile({ kind: 'link', path: 'l', target: '../secret' }, '')], 'which is no file'],
  ['a device', [tarFile({ kind: 'char', path: 'd' }, '')], 'not supported'],
])('%s is refused', async (_, entries, message) => {
  await expect(put(...entries)).rejects.toThrow(message);
  expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('outside');
});

test('a link of an archive is replaced by the file after it, and not followed', async () => {
  await put(
    tarFile({ kind: 'symlink', path: 'swap', target: join(folder, 'secret') }, ''),
    tarFile({ path: 'swap' }, 'own'),
  );
  expect(readFileSync(join(path, 'swap'), 'utf8')).toBe('own');
  expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('outside');
});
