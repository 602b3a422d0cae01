/**
 * Regions of code that a thread's machines have run, so that the next machine with the same code, such as one that comes back, begins with what the engine has made of it: to find a region, write its
 * module and have it compiled takes a millisecond or two, and the engine compiles well only what has run long. Invariant: which machine asks, and whether a region is found, changes nothing but time.
 */
import { hash } from 'node:crypto';
import { RecentMap } from '#pkg/base/recent-map.ts';

/** Regions of a generation: a small kernel and its programs have some 80. Each takes some 30 KiB. */
const regionsMax = 256;

/** What a region comes to, at whatever address and in whichever machine its page is. */
export interface ShelvedRegion {
  readonly module: WebAssembly.Module;
  /** Offsets in the page at which it is entered, by the numbers of the entries. */
  readonly entries: readonly number[];
  /** Instructions of the page by which it was found: offsets and lengths, by turns. When one of them changes it does not hold any more. */
  readonly decoded: readonly number[];
}

/** Regions of one thread. */
export class ModuleShelf {
  private readonly regions = new RecentMap<ShelvedRegion>(regionsMax);

  /** The region that begins at an offset in a page with these bytes, for a memory of that kind; `make` is called where it is not here. Undefined where that finds none. */
  regionOf(
    { page, offset, memory }: { readonly page: Uint8Array; readonly offset: number; readonly memory: string },
    make: () => ShelvedRegion | undefined,
  ): ShelvedRegion | undefined {
    const name = `${hash('sha256', page, 'base64')} ${offset} ${memory}`;
    const known = this.regions.get(name);
    if (known !== undefined) return known;
    const made = make();
    if (made !== undefined) this.regions.set(name, made);
    return made;
  }
}
