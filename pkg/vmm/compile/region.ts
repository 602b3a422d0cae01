/**
 * What of a page of code is compiled together: basic blocks that lead to each other without leaving the page, and which of them are loops that can be
 * written as such. Pure.
 */
import type { Instruction } from '../isa/instruction.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { canTranslate } from './translate.ts';

/** Instructions of one region, and of one block; longer ones are cut, so that a turn's last instructions are few. */
const REGION_MAX = 600;
const BLOCK_MAX = 48;

/** One instruction and its offset in the page. */
export interface Placed {
  readonly offset: number;
  readonly instruction: Instruction;
}

/** Instructions that run one after the other; only the last may go elsewhere. */
export interface Block {
  readonly offset: number;
  readonly code: readonly Placed[];
  /** Where it goes on if its last instruction does not jump, and where that jumps to if that is known: offsets in the page, or undefined. */
  readonly next: number | undefined;
  readonly target: number | undefined;
  /** The instruction after the block must be interpreted. */
  readonly isCut: boolean;
}

/** A loop from one block through to another, by index. */
export interface Loop {
  readonly first: number;
  readonly last: number;
}

/** Blocks in order of their offsets. */
export interface Region {
  readonly blocks: readonly Block[];
  /** Indices of blocks that can be entered from outside. */
  readonly entries: readonly number[];
  readonly loops: readonly Loop[];
}

type Lookup = (offset: number) => Instruction | undefined;

const isBranch = ({ operation }: Instruction): boolean => operation.format === 'B';
const isJump = ({ operation }: Instruction): boolean => operation.name === 'jal' || operation.name === 'jalr';

/** The offset that a branch or jal goes to, if it is in the page. */
function targetOf({ offset, instruction }: Placed): number | undefined {
  if (!isBranch(instruction) && instruction.operation.name !== 'jal') return undefined;
  const target = offset + instruction.imm;
  return target >= 0 && target < PAGE_SIZE ? target : undefined;
}

/** Offsets reached from a start, and those of them at which a block begins; `entries` are those that are come back to from outside. */
function explore(start: number, lookup: Lookup) {
  const reached = new Set<number>();
  const leaders = new Set([start]);
  const entries = new Set([start]);
  const open = [start];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (let offset = at; !reached.has(offset) && reached.size < REGION_MAX; ) {
      const instruction = offset < PAGE_SIZE ? lookup(offset) : undefined;
      if (instruction === undefined) break;
      const next = offset + instruction.length;
      if (!canTranslate(instruction)) {
        for (const set of [leaders, entries]) set.add(next);
        open.push(next);
        break;
      }
      reached.add(offset);
      const target = targetOf({ offset, instruction });
      if (target !== undefined) {
        leaders.add(target);
        open.push(target);
      }
      if (isJump(instruction)) {
        if (instruction.rd === 0) break;
        for (const set of [leaders, entries]) set.add(next);
        open.push(next);
        break;
      }
      if (isBranch(instruction)) leaders.add(next);
      offset = next;
    }
  }
  return { reached, leaders, entries };
}

function blockAt(offset: number, found: ReturnType<typeof explore>, lookup: Lookup): Block {
  const code: Placed[] = [];
  let at = offset;
  for (;;) {
    const instruction = found.reached.has(at) ? lookup(at) : undefined;
    if (instruction === undefined) return { offset, code, next: undefined, target: undefined, isCut: true };
    const placed = { offset: at, instruction };
    code.push(placed);
    at += instruction.length;
    if (isJump(instruction)) return { offset, code, next: undefined, target: targetOf(placed), isCut: false };
    if (isBranch(instruction)) return { offset, code, next: at, target: targetOf(placed), isCut: false };
    if (found.leaders.has(at) || code.length === BLOCK_MAX) {
      found.leaders.add(at);
      return { offset, code, next: at, target: undefined, isCut: false };
    }
  }
}

/** The region that begins at an offset of a page; undefined where not even its first instruction can be compiled. */
export function findRegion(start: number, lookup: Lookup): Region | undefined {
  const found = explore(start, lookup);
  if (!found.reached.has(start)) return undefined;
  const blocks: Block[] = [];
  for (const offset of found.leaders) if (found.reached.has(offset)) blocks.push(blockAt(offset, found, lookup));
  blocks.sort((a, b) => a.offset - b.offset);
  const index = new Map(blocks.map((block, at) => [block.offset, at]));
  const entries = new Set([...found.entries].flatMap((offset) => index.get(offset) ?? []));
  const edges = blocks.flatMap(({ next, target }, from) =>
    [next, target].flatMap((offset) => {
      const to = offset === undefined ? undefined : index.get(offset);
      return to === undefined ? [] : [{ from, to }];
    }),
  );
  const loops = findLoops(edges, entries);
  return { blocks, entries: [...entries].sort((a, b) => a - b), loops };
}

interface Edge {
  readonly from: number;
  readonly to: number;
}

/**
 * Loops that nothing enters but at their first block and that lie in each other or apart. The first block of any other is made an entry, to which one
 * comes by the region's table; that may spoil loops around it, so it is done until nothing changes.
 */
function findLoops(edges: readonly Edge[], entries: Set<number>): readonly Loop[] {
  const last = new Map<number, number>();
  for (const { from, to } of edges) if (to <= from) last.set(to, Math.max(last.get(to) ?? 0, from));
  let loops = [...last].map(([first, end]): Loop => ({ first, last: end }));
  for (;;) {
    const isWhole = ({ first, last: end }: Loop): boolean => {
      const isInside = (block: number): boolean => block > first && block <= end;
      if ([...entries].some(isInside)) return false;
      if (edges.some(({ from, to }) => isInside(to) && (from < first || from > end))) return false;
      return !loops.some((other) => other.first < first && isCrossing(other, { first, last: end }));
    };
    const spoiled = loops.filter((loop) => !isWhole(loop));
    if (spoiled.length === 0) return loops;
    for (const { first } of spoiled) entries.add(first);
    loops = loops.filter((loop) => !spoiled.includes(loop));
  }
}

const isCrossing = (outer: Loop, inner: Loop): boolean => inner.first <= outer.last && inner.last > outer.last;
