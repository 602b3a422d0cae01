import { expect, test } from 'vitest';
import { SendMemory } from './send-memory.ts';

/** Takes what is written, and lets go of it when it is told to. */
class Target {
  readonly written: Buffer[] = [];
  #left: (() => void)[] = [];

  write(bytes: Buffer, done?: unknown): boolean {
    this.written.push(bytes);
    if (typeof done === 'function') this.#left.push(() => void done());
    return true;
  }

  leave(): void {
    const left = this.#left;
    this.#left = [];
    for (const done of left) done();
  }
}

const texts = (target: Target): readonly string[] => target.written.map((bytes) => bytes.toString());
const large = (text: string, bytes = 10_000): readonly Buffer[] => [Buffer.from(text), Buffer.from(text.repeat(bytes))];
const joined = (text: string, bytes = 10_000): string => text.repeat(bytes + 1);

test('what was written stays as it was until it has left, and then its memory has what comes next', () => {
  const target = new Target();
  const memory = new SendMemory();
  memory.write(target, large('a'));
  memory.write(target, large('b'));
  expect(texts(target)).toEqual([joined('a'), joined('b')]);
  target.leave();
  memory.write(target, large('c'));
  expect(target.written[2]?.buffer).toBe(target.written[0]?.buffer);
  expect(texts(target).slice(1)).toEqual([joined('b'), joined('c')]);
});

test('little and very much have memory of their own, and what is more than before has more', () => {
  const target = new Target();
  const memory = new SendMemory();
  for (const bytes of [10, 10_000, 200_000, 300_000]) {
    memory.write(target, large('x', bytes));
    expect(target.written.at(-1)?.toString()).toBe(joined('x', bytes));
    target.leave();
  }
  expect(new Set(target.written.map(({ buffer }) => buffer)).size).toBe(4);
});
