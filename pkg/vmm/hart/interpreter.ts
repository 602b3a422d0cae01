/**
 * Runs a hart one instruction after the other: what the architecture says, and the reference for compiled code. Stops early at `attention`, which
 * whoever calls looks into; so a trap is taken here, an interrupt is not.
 */
import type { CodeCache, PageCode } from '../isa/code-cache.ts';
import { callOperation } from '../isa/system.ts';
import { Fetcher } from './fetcher.ts';
import type { Hart } from './hart.ts';
import { TRAP } from './hart-state.ts';
import { callEnvironment, takeTrap } from './traps.ts';

/** What runs a hart. */
export interface Engine {
  /** Runs up to `hart.left` instructions, and counts them off there. Throws MISSING_PAGE with the hart before the instruction that touched the page. */
  run(hart: Hart): void;
}

/** The interpreter of a machine's harts. */
export class Interpreter implements Engine {
  private readonly fetchers: readonly Fetcher[];

  constructor(harts: readonly Hart[], cache: CodeCache) {
    this.fetchers = harts.map((hart) => new Fetcher(hart, cache));
  }

  run(hart: Hart): void {
    const fetcher = this.fetchers[hart.id];
    if (fetcher === undefined) return;
    while (hart.left > 0 && !hart.attention) {
      this.guarded(hart, () => {
        while (hart.left > 0 && !hart.attention) {
          step(hart, fetcher);
          hart.left--;
        }
      });
    }
  }

  /** Runs on until an instruction goes elsewhere than to the next one, a trap included. */
  runStraight(hart: Hart): void {
    this.guarded(hart, (fetcher) => {
      while (hart.left > 0 && !hart.attention) {
        const isStraight = step(hart, fetcher);
        hart.left--;
        if (!isStraight) return;
      }
    });
  }

  /** Runs one instruction; true if it goes on to the next one in memory. */
  runOne(hart: Hart): boolean {
    const fetcher = this.fetchers[hart.id];
    if (fetcher === undefined) return false;
    let isStraight = false;
    try {
      isStraight = step(hart, fetcher);
    } catch (error) {
      if (error !== TRAP) throw error;
      takeTrap(hart);
    }
    hart.left--;
    return isStraight;
  }

  /** The page of code at a hart's pc; undefined where it must be interpreted, as where the fetch would fault. */
  pageOf(hart: Hart): PageCode | undefined {
    let code: PageCode | undefined;
    try {
      code = this.fetchers[hart.id]?.page();
    } catch (error) {
      if (error !== TRAP) throw error;
    }
    return code;
  }

  private guarded(hart: Hart, run: (fetcher: Fetcher) => void): void {
    const fetcher = this.fetchers[hart.id];
    if (fetcher === undefined) return;
    try {
      run(fetcher);
    } catch (error) {
      if (error !== TRAP) throw error;
      takeTrap(hart);
      hart.left--;
    }
  }
}

/** True if the next instruction in memory is the next to run. */
function step(hart: Hart, fetcher: Fetcher): boolean {
  const instruction = fetcher.fetch();
  if (instruction.operation === callOperation) {
    callEnvironment(hart);
    return false;
  }
  const lo = (hart.pcLo + instruction.length) | 0;
  hart.nextLo = lo;
  hart.nextHi = lo >>> 0 < hart.pcLo >>> 0 ? (hart.pcHi + 1) | 0 : hart.pcHi;
  instruction.run(hart, instruction);
  hart.pcLo = hart.nextLo;
  hart.pcHi = hart.nextHi;
  return hart.pcLo === lo;
}
