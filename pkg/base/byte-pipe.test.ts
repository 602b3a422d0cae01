import { expect, test } from 'vitest';
import { BytePipe } from './byte-pipe.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

test('what is written is read whole and in order, then the end', async () => {
  const pipe = new BytePipe();
  expect(pipe.write(bytes('one '))).toBe(true);
  expect(pipe.write(bytes('two'))).toBe(true);
  pipe.end();
  expect(pipe.write(bytes('late'))).toBe(false);
  let text = '';
  for await (const chunk of pipe) text += Buffer.from(chunk);
  expect(text).toBe('one two');
});

test('a writer waits while too much is unread, and is told when nobody reads any more', async () => {
  const taken: number[] = [];
  const pipe = new BytePipe({ limitBytes: 3, onRead: (count) => taken.push(count) });
  expect(pipe.write(bytes('abc'))).toBe(true);
  const waiting = pipe.write(bytes('d'));
  expect(waiting).toBeInstanceOf(Promise);
  expect(Buffer.from((await pipe.read())!).toString()).toBe('abc');
  expect(await waiting).toBe(true);
  const stuck = pipe.write(bytes('efgh'));
  pipe.cancel();
  expect(await stuck).toBe(false);
  expect(await pipe.read()).toBeUndefined();
  expect(taken).toEqual([3, 5]);
});

test('a reader gets the error after the rest', async () => {
  const pipe = new BytePipe();
  const reading = pipe.read();
  void pipe.write(bytes('last'));
  pipe.end(new Error('gone'));
  expect(Buffer.from((await reading)!).toString()).toBe('last');
  await expect(pipe.read()).rejects.toThrow('gone');
});

test('what is put back is read next', async () => {
  const pipe = new BytePipe();
  void pipe.write(bytes('line\nrest'));
  const chunk = (await pipe.read())!;
  void pipe.write(bytes(' and more'));
  pipe.unread(chunk.subarray(5));
  expect(Buffer.from((await pipe.read())!).toString()).toBe('rest');
  expect(pipe.unreadBytes).toBe(9);
});
