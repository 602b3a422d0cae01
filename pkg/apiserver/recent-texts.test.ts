import { expect, test } from 'vitest';
import { RecentTexts } from './recent-texts.ts';

const long = (index: number): string => `${index}`.padEnd(8 * 1024, 'x');

test('what is asked for stays, what is not is forgotten when room is needed', () => {
  const texts = new RecentTexts<number>();
  texts.set('asked', 1);
  texts.set('left', 2);
  for (let index = 0; index < 200; index++) {
    texts.set(long(index), index);
    expect(texts.get('asked')).toBe(1);
  }
  expect(texts.get('left')).toBeUndefined();
  expect(texts.get(long(199))).toBe(199);
  expect(texts.get(long(0))).toBeUndefined();
});

test('a text that is too long is not kept, and a value can be replaced', () => {
  const texts = new RecentTexts<number>();
  texts.set('x'.repeat(20_000), 1);
  expect(texts.get('x'.repeat(20_000))).toBeUndefined();
  texts.set('a', 1);
  texts.set('a', 2);
  expect(texts.get('a')).toBe(2);
});
