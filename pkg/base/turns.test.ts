import { expect, test } from 'vitest';
import { Deferred } from './async.ts';
import { Turns } from './turns.ts';

test('work is done by one at a time, in its order, also after one that failed', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const gates = [new Deferred(), new Deferred()];
  const work = (name: string, gate: Deferred) =>
    turns.take(async () => {
      seen.push(`${name} begins`);
      await gate.promise;
      seen.push(`${name} ends`);
      return name;
    });
  const first = work('first', gates[0]!);
  const second = work('second', gates[1]!);
  const third = turns.take(async () => seen.push('third'));
  gates[1]!.resolve();
  gates[0]!.reject(new Error('no'));
  await expect(first).rejects.toThrow('no');
  expect(await second).toBe('second');
  await third;
  expect(seen).toEqual(['first begins', 'second begins', 'second ends', 'third']);
});
