import { expect, test } from 'vitest';
import { decode } from '../isa/decode.ts';
import { translateBlock } from './translate-block.ts';

const CALL = 0x0000_10ef; /* jal ra, 4096 */
const ADD = 0x0015_0513; /* addi a0, a0, 1 */
const SKIP = 0x0040_8093; /* addi ra, ra, 4 */
const RETURN = 0x0000_8067;
const BREAK = 0x0010_0073;

/** The block at 0x1000, which calls what is at 0x2000 and has a breakpoint after that. */
function blockOf(called: readonly number[]) {
  const words = new Map([
    [0x1000n, CALL],
    [0x1004n, BREAK],
    ...called.map((word, at) => [0x2000n + BigInt(at) * 4n, word] as const),
  ]);
  const fetch = (pc: bigint) => {
    const word = words.get(pc);
    return word === undefined ? undefined : decode(word);
  };
  return translateBlock({ fetch, storeAt: () => 'plain' }, 0x1000n);
}

test('a block goes on in what it calls, and after it where nothing was put into the register that leads back', () => {
  const block = blockOf([ADD, RETURN]);
  expect(block?.places).toEqual([0x1000n, 0x1002n, 0x2000n, 0x2006n, 0x1004n, 0x1006n]);
  expect(block?.exits).toEqual([]);
  const requests = block?.sites.flatMap(({ request, pc }) => (request === undefined ? [] : [{ request, pc }]));
  expect(requests).toEqual([{ request: 'instruction', pc: 0x1004n }]);
});

test('a function that comes back elsewhere ends the block: where to is looked up', () => {
  const block = blockOf([ADD, SKIP, RETURN]);
  expect(block?.places).toEqual([0x1000n, 0x1002n, 0x2000n, 0x200an]);
  const requests = block?.sites.flatMap(({ request, pc }) => (request === undefined ? [] : [{ request, pc }]));
  expect(requests).toEqual([{ request: 'target', pc: 0x2008n }]);
});

test('one that cannot be fetched is left to be come to', () => {
  const block = blockOf([]);
  expect(block?.exits.map(({ pc }) => pc)).toEqual([0x2000n]);
  expect(block?.places.slice(0, 3)).toEqual([0x1000n, 0x1002n, 0x2000n]);
});
