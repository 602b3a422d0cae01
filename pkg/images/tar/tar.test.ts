/** Archives as they are read and written, against each other and against what other programs make. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ImageStoreError } from '../image-store.ts';
import { decompressed } from '../layers/decompress.ts';
import { ByteSource } from './byte-source.ts';
import type { TarEntry } from './tar-entry.ts';
import { readTar } from './tar-reader.ts';
import { type NewTarEntry, tarEnd, tarFile, tarHeader } from './tar-writer.ts';

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function read(bytes: Uint8Array, pieceBytes = 700): Promise<readonly (TarEntry & { readonly text: string })[]> {
  const entries: (TarEntry & { readonly text: string })[] = [];
  for await (const { entry, body } of readTar(new ByteSource(inPieces(bytes, pieceBytes)))) {
    const parts: Buffer[] = [];
    for await (const part of body()) parts.push(part);
    entries.push({ ...entry, text: Buffer.concat(parts).toString('latin1') });
  }
  return entries;
}

/** One block with a field changed, and the right sum. */
function patched(block: Buffer, at: number, value: Uint8Array | string): Buffer {
  const copy = Buffer.from(block);
  copy.set(Buffer.from(value), at);
  copy.fill(0x20, 148, 156);
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

describe('what is written is read', () => {
  const long = `${'folder/'.repeat(40)}file`;
  test.each<[string, NewTarEntry]>([
    ['a file', { path: 'etc/passwd', mode: 0o4755, uid: 10, gid: 20, modified: 1_700_000_000 }],
    ['a folder', { kind: 'directory', path: 'tmp/', mode: 0o1777 }],
    ['a link', { kind: 'link', path: 'b', target: 'a' }],
    ['a symbolic link', { kind: 'symlink', path: 'b', target: `/${long}` }],
    ['a device', { kind: 'char', path: 'dev/null', device: { major: 1, minor: 3 } }],
    ['a pipe', { kind: 'fifo', path: 'pipe' }],
    ['a path in two parts', { path: `${'p'.repeat(120)}/name` }],
    ['a path that fits nowhere', { path: long.repeat(3) }],
    ['bytes that are no text', { path: 'a\xff\xfeb' }],
    ['large owners', { path: 'a', uid: 3_000_000_000, gid: 3_000_000_001 }],
    ['a time with a fraction', { path: 'a', modified: 12.25 }],
    ['a time before 1970', { path: 'a', modified: -5 }],
    ['attributes', { path: 'a', attributes: new Map([['security.capability', Buffer.of(1, 0, 10, 61, 32)]]) }],
  ])('%s', async (_, entry) => {
    const contents = (entry.kind ?? 'file') === 'file' ? 'one\ntwo' : '';
    const archive = Buffer.concat([tarFile(entry, contents), tarFile({ path: 'next' }, ''), tarEnd()]);
    for (const pieceBytes of [1, 513, 100_000]) {
      const [first, second, ...rest] = await read(archive, pieceBytes);
      expect(first).toMatchObject({ ...entry, text: contents });
      expect([second?.path, rest]).toEqual(['next', []]);
    }
  });
});

test('headers of GNU tar', async () => {
  const name = 'n'.repeat(150);
  const longName = patched(tarHeader({ path: '././@LongLink', size: 151 }), 156, 'L');
  const body = Buffer.alloc(512);
  body.write(name);
  const binarySize = patched(
    tarHeader({ path: 'short' }),
    124,
    Buffer.from('80000000000000000000000300', 'hex').subarray(0, 12),
  );
  const entries = await read(Buffer.concat([longName, body, binarySize, Buffer.alloc(512, 'x'), Buffer.alloc(1024)]));
  expect(entries.map(({ path, size }) => [path, size])).toEqual([[name, 3]]);
});

describe('what is refused', () => {
  const entry = tarHeader({ path: 'a', size: 5 });
  test.each<[string, Buffer, string]>([
    ['a wrong sum', Buffer.from(entry).fill('z', 0, 1), 'wrong sum'],
    ['an end in the midst of a header', entry.subarray(0, 200), 'ends in the midst'],
    ['an end in the midst of contents', entry, 'ends in the midst'],
    ['sparse files', patched(entry, 156, 'S'), 'not read'],
    ['kinds that nobody knows', patched(entry, 156, 'q'), 'not read'],
    ['numbers that are none', patched(entry, 124, 'zzz'), 'numbers are none'],
    ['numbers beyond all', patched(entry, 124, Buffer.alloc(12, 0xc1)), 'too large'],
    ['extended headers without end', patched(tarHeader({ path: 'x', size: 1 << 30 }), 156, 'x'), 'more than'],
    [
      'records that lie',
      Buffer.concat([patched(tarHeader({ path: 'x', size: 9 }), 156, 'x'), Buffer.alloc(512, '99 a=b\n')]),
      'damaged pax',
    ],
    [
      'contents of what has none',
      Buffer.concat([patched(tarHeader({ kind: 'char', path: 'x', size: 9 }), 156, '3'), Buffer.alloc(512)]),
      'contents for what has none',
    ],
  ])('%s', async (_, archive, message) => {
    const outcome = await read(archive).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(outcome).toBeInstanceOf(ImageStoreError);
    expect(String(outcome)).toContain(message);
  });
});

describe('compression', () => {
  const plain = Buffer.from('layer '.repeat(100_000));
  async function unpacked(bytes: Uint8Array, pieceBytes: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of decompressed(inPieces(bytes, pieceBytes))) parts.push(part);
    return Buffer.concat(parts);
  }

  test.each<[string, Buffer]>([
    ['none', plain],
    ['gzip', gzipSync(plain)],
    ['gzip in several members', Buffer.concat([gzipSync(plain.subarray(0, 1000)), gzipSync(plain.subarray(1000))])],
    ['zstd', zstdCompressSync(plain)],
  ])('%s', async (_, bytes) => {
    // One byte at a time, so that the first bytes come in pieces too.
    expect(
      (await unpacked(bytes.length < 10_000 ? bytes : bytes, bytes.length < 10_000 ? 1 : 60_000)).equals(plain),
    ).toBe(true);
  });

  test.each<[string, Buffer]>([
    ['gzip that ends early', gzipSync(plain).subarray(0, 300)],
    ['gzip with other bytes in it', Buffer.from(gzipSync(plain)).fill(7, 100, 200)],
    ['zstd that ends early', zstdCompressSync(plain).subarray(0, 30)],
  ])('%s is damaged', async (_, bytes) => {
    await expect(unpacked(bytes, 100)).rejects.toMatchObject({ reason: 'damaged' });
  });

  test('what goes wrong before is said as it was', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield gzipSync(plain).subarray(0, 200);
      throw new Error('registry went away');
    }
    await expect(decompressed(failing()).next()).rejects.toThrow('registry went away');
  });
});
