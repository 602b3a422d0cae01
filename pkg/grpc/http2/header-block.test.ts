import { expect, test } from 'vitest';
import { HeaderReader, requestBlock } from './header-block.ts';
import { decodeHuffman } from './huffman.ts';

// Source: RFC 7541, appendix C.4 and C.6.
test.each([
  ['f1e3c2e5f23a6ba0ab90f4ff', 'www.example.com'],
  ['a8eb10649cbf', 'no-cache'],
  ['25a849e95ba97d7f', 'custom-key'],
  ['6402', '302'],
  ['d07abe941054d444a8200595040b8166e082a62d1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  [
    '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
  ['', ''],
])('the code %s is read as it is defined', (hex, text) => {
  expect(decodeHuffman(Buffer.from(hex, 'hex'))).toBe(text);
});

test.each([
  ['the end of a text in its midst', 'ffffffff'],
  ['a text that does not end in ones', '00'],
  ['more than an octet of ones', 'f1e3c2e5f23a6ba0ab90f4ffff'],
])('%s is no code', (_, hex) => {
  expect(() => decodeHuffman(Buffer.from(hex, 'hex'))).toThrow('headers that cannot be read');
});

test('what one side writes the other reads, however long it is', () => {
  const token = 'x'.repeat(5_000);
  const request = { isSecure: true, authority: 'etcd.example:2379', path: '/a.B/C' };
  const block = requestBlock(request, { te: 'trailers', token });
  for (const reader of [new HeaderReader(), new HeaderReader()]) {
    expect([...reader.read(block)]).toEqual([
      [':method', 'POST'],
      [':scheme', 'https'],
      [':path', '/a.B/C'],
      [':authority', 'etcd.example:2379'],
      ['te', 'trailers'],
      ['token', token],
    ]);
  }
});

test('entries that a server may keep are read as others, as are its words of how much it keeps', () => {
  // Table size 0; a known header; one that is kept with a known name; one with a name of its own; one that must never be kept.
  const entries = [
    Buffer.from([0x20, 0x88, 0x40 | 31, 4]),
    Buffer.from('grpc'),
    Buffer.from([0x40, 1]),
    Buffer.from('a'),
    Buffer.from([1]),
    Buffer.from('b'),
    Buffer.from([0x10, 1]),
    Buffer.from('c'),
    Buffer.from([1]),
    Buffer.from('d'),
  ];
  const reader = new HeaderReader();
  const block = Buffer.concat(entries);
  for (let times = 0; times < 2; times++) {
    expect([...reader.read(block)]).toEqual([
      [':status', '200'],
      ['content-type', 'grpc'],
      ['a', 'b'],
      ['c', 'd'],
    ]);
  }
});

test.each([
  ['a header of an earlier block', [0x80 | 62]],
  ['header 0', [0x80]],
  ['a number without end', [0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]],
  ['a text that is cut off', [0, 5, 97]],
  ['an entry that is cut off', [0x1f]],
])('%s is refused', (_, bytes) => {
  expect(() => new HeaderReader().read(Buffer.from(bytes))).toThrow('headers that cannot be read');
});
