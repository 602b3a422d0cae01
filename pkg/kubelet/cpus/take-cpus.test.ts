/** Which processors go together. */
import { expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { formatCpus, parseCpus } from './cpu-set.ts';
import { type Cpu, takeCpus } from './take-cpus.ts';

/** Threads of a core are numbered as Linux does: the second ones after all first ones. */
function machine({ sockets, cores, threads }: Record<'cores' | 'sockets' | 'threads', number>): readonly Cpu[] {
  return Array.from({ length: sockets * cores * threads }, (_, id) => {
    const core = id % (sockets * cores);
    const socket = Math.floor(core / cores);
    return { id, core: `${socket}/${core}`, socket: `${socket}`, numa: `node${socket}` };
  });
}

const small = machine({ sockets: 1, cores: 4, threads: 2 });
const large = machine({ sockets: 2, cores: 4, threads: 2 });

test.each<[string, readonly Cpu[], string, number, string | undefined]>([
  ['a whole core before parts of two', small, '0-7', 2, '0,4'],
  ['two cores', small, '0-7', 4, '0-1,4-5'],
  ['one of a core that is not whole any more', small, '1-7', 1, '4'],
  ['a core and what is left of another', small, '1-7', 3, '1,4-5'],
  ['a whole socket', large, '0-15', 8, '0-3,8-11'],
  ['a whole socket before cores of two', large, '1-15', 8, '4-7,12-15'],
  ['what is left of a socket that has less', large, '2-15', 2, '2,10'],
  ['more than a socket, near it', large, '0-15', 10, '0-4,8-12'],
  ['all that is free', small, '2,5,7', 3, '2,5,7'],
  ['nothing where there is too little', small, '2,5,7', 4, undefined],
  ['nothing of none', small, '0-7', 0, ''],
])('%s', (_, all, free, count, wanted) => {
  const taken = takeCpus(count, { all, free: new Set(parseCpus(free)) });
  expect(taken === undefined ? undefined : formatCpus(taken)).toBe(wanted);
});

test('whatever is free, so many of it are taken, each once', () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 200; round++) {
    const all = round % 2 === 0 ? small : large;
    const free = new Set(all.map(({ id }) => id).filter(() => randomInt(random, 3) > 0));
    const count = randomInt(random, free.size + 1);
    const taken = takeCpus(count, { all, free }) ?? [];
    expect(new Set(taken).size).toBe(count);
    expect(taken.every((id) => free.has(id))).toBe(true);
  }
});

test.each<[string, readonly number[] | undefined, string]>([
  ['0-2,7', [0, 1, 2, 7], '0-2,7'],
  ['7, 2,1,0', [0, 1, 2, 7], '0-2,7'],
  ['3', [3], '3'],
  ['3-1', undefined, ''],
  ['', undefined, ''],
  ['a', undefined, ''],
  ['-1', undefined, ''],
  ['0-999999', undefined, ''],
])('the list %j', (text, cpus, written) => {
  expect(parseCpus(text)).toEqual(cpus);
  expect(formatCpus(cpus ?? [])).toBe(written);
});
