import { Buffer } from 'node:buffer';
import { constants, createDeflate, createInflate, type Deflate } from 'node:zlib';
import { expect, test } from 'vitest';
import { HeaderInflater, HeaderWriter, headerDictionary } from './header-block.ts';

/** A block as other implementations write it. */
function plain(headers: Readonly<Record<string, string>>): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const pairs = Object.entries(headers);
  return Buffer.concat([
    number(pairs.length),
    ...pairs.flatMap((pair) => pair.flatMap((text) => [number(text.length), Buffer.from(text)])),
  ]);
}

function flushed(stream: Deflate | ReturnType<typeof createInflate>, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const take = (chunk: Buffer): void => void chunks.push(chunk);
    stream.on('data', take);
    stream.write(bytes, () => {
      stream.flush(constants.Z_SYNC_FLUSH, () => {
        setImmediate(() => {
          stream.off('data', take);
          resolve(Buffer.concat(chunks));
        });
      });
    });
  });
}

test('the dictionary is the one that everybody has', () => {
  expect(headerDictionary.length).toBe(1423);
  expect(headerDictionary.subarray(0, 11).toString('latin1')).toBe('\0\0\0\x07options');
});

test('blocks are read one after the other, each with what came before as its dictionary', async () => {
  const deflate = createDeflate({ dictionary: headerDictionary });
  const inflater = new HeaderInflater();
  for (let id = 0; id < 200; id++) {
    const headers = {
      streamtype: id % 2 === 0 ? 'data' : 'error',
      port: '8080',
      requestid: String(id),
      long: 'x'.repeat(id * 20),
    };
    expect(inflater.read(await flushed(deflate, plain(headers)))).toEqual(headers);
  }
});

test('what is written is read by others', async () => {
  const inflate = createInflate();
  const writer = new HeaderWriter();
  const blocks: Record<string, string>[] = [{ streamtype: 'data' }, {}, { port: '80', long: 'y'.repeat(70_000) }];
  for (const headers of blocks) {
    expect(await flushed(inflate, writer.write(headers))).toEqual(plain(headers));
  }
});

test.each([
  ['is not compressed', Buffer.from('no zlib at all')],
  ['is cut short', Buffer.from([0x78, 0x01, 0])],
  ['names a header that is longer than it', new HeaderWriter().write({}).fill(0xff, 7, 11)],
])('a block that %s is refused', (_what, block) => {
  expect(() => new HeaderInflater().read(block)).toThrow();
});

test('a block that grows beyond its limit is refused', async () => {
  const deflate = createDeflate({ dictionary: headerDictionary });
  const block = await flushed(deflate, plain({ bomb: 'a'.repeat(10_000_000) }));
  expect(block.length).toBeLessThan(64 * 1024);
  expect(() => new HeaderInflater().read(block)).toThrow();
});
