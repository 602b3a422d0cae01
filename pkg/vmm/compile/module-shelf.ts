/**
 * Modules of code that a thread's machines have run, so that the next machine with the same code, such as one that comes back, begins with what the engine has made of it: to write a module and have it
 * compiled takes a millisecond or two, and the engine compiles well only what has run long. Invariant: which machine asks, and whether a module is found, changes nothing but time.
 */
import { createHash } from 'node:crypto';
import { RecentMap } from '#pkg/base/recent-map.ts';

/** Modules of a generation: a small kernel and its programs have some 80. Each takes some 30 KiB. */
const modulesMax = 256;

/** Modules of one thread. */
export class ModuleShelf {
  private readonly modules = new RecentMap<WebAssembly.Module>(modulesMax);

  /** The module of what begins at an offset in a page with these bytes, for a memory of that kind; `make` is called where it is not here. */
  moduleOf(
    { page, offset, memory }: { readonly page: Uint8Array; readonly offset: number; readonly memory: string },
    make: () => WebAssembly.Module,
  ): WebAssembly.Module {
    const name = `${createHash('sha256').update(page).digest('base64')} ${offset} ${memory}`;
    const known = this.modules.get(name);
    if (known !== undefined) return known;
    const made = make();
    this.modules.set(name, made);
    return made;
  }
}
