import { expect, test } from 'vitest';
import { rewrittenPage } from './page-links.ts';

async function pass(page: string, chunkBytes = page.length): Promise<string> {
  const bytes = Buffer.from(page);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const parts: Uint8Array[] = [];
  const below = (link: string): string => (link.startsWith('/') ? `/below${link}` : link);
  for await (const part of rewrittenPage(chunks(), below)) parts.push(part);
  return Buffer.concat(parts).toString();
}

const cases: readonly (readonly [string, string, string])[] = [
  ['a link from the root', '<a href="/x">é</a>', '<a href="/below/x">é</a>'],
  ['one that is relative, and one of another tag', '<a href="x"><b href="/x">', '<a href="x"><b href="/x">'],
  [
    'every way to write it',
    '<A HREF=\'/x\'><img src=/y><IMG SRC = "/z" >',
    '<A HREF=\'/below/x\'><img src=/below/y><IMG SRC = "/below/z" >',
  ],
  [
    'several attributes',
    '<input type=image data-src="/a" src="/b" formaction="/c"/>',
    '<input type=image data-src="/a" src="/below/b" formaction="/below/c"/>',
  ],
  [
    'what is no markup',
    '<!-- <a href="/x"> --><script src="/s">"<a href=\'/x\'>"</script><a href="/y">',
    '<!-- <a href="/x"> --><script src="/below/s">"<a href=\'/x\'>"</script><a href="/below/y">',
  ],
  ['a tag within an attribute', '<img alt="<a href=\'/x\'>" src="/y">', '<img alt="<a href=\'/x\'>" src="/below/y">'],
  ['what ends in the middle', '1 < 2 <a href="/x', '1 < 2 <a href="/x'],
  ['a value without an end', '<a href= ><a =/x><a href>', '<a href= ><a =/x><a href>'],
];

test.each(cases)('%s', async (_, page, expected) => {
  expect(await pass(page)).toBe(expected);
  for (const chunkBytes of [1, 2, 3, 7]) expect(await pass(page, chunkBytes)).toBe(expected);
});

test('a tag of any length passes, and tags without ends cost no more than their bytes', async () => {
  const long = `<a title="${'x'.repeat(200_000)}" href="/x">`;
  expect((await pass(long, 16_384)).length).toBe(long.length);
  const open = '<a href'.repeat(40_000);
  expect(await pass(open, 16_384)).toBe(open);
  const spaces = `<a ${' '.repeat(60_000)}=>`;
  expect(await pass(spaces)).toBe(spaces);
});
