/**
 * The memory of a machine that comes: rounds of pages while its source runs it, and after a post-copy's handover those that it still lacks. Invariant: a page that the guest may have written is not
 * overwritten. Knows neither connections nor whose the machine is.
 */
import type { Machine } from '../machine-contract.ts';
import { memoryDigest, missingBytes } from './messages.ts';
import { type DecoderDeps, decodeBatch } from './page-decoder.ts';
import { filledPages, zeroSum } from './page-format.ts';
import { WireError } from './wire.ts';

const nothing = { pages: 0, rawBytes: 0, sentBytes: 0, cpuMs: 0 };

/** Figures of an end that tells no pages. */
export const noClasses = { zero: nothing, repeated: nothing, similar: nothing, dictionary: nothing, plain: nothing };

/** Pages of one machine, and what is known of them. */
export class TargetMemory {
  private readonly machine: Machine;
  private readonly decoder: DecoderDeps;
  private readonly sums: Uint32Array;
  private missing: Uint8Array;
  private missingCount = 0;
  /** Pages that the guest waits for. */
  private readonly awaited = new Set<number>();
  faults = 0;
  pushed = 0;
  prePaged = 0;

  constructor(machine: Machine, kernel: Uint8Array) {
    this.machine = machine;
    this.sums = new Uint32Array(machine.pages).fill(zeroSum);
    this.missing = new Uint8Array(machine.pages);
    this.decoder = { pages: machine.pages, dictionary: kernel, read: (page) => machine.readPage(page) };
  }

  /** Pages that are not zeros, those that are still to come among them. */
  get usedPages(): number {
    return this.missingCount + filledPages(this.sums);
  }

  get isWhole(): boolean {
    return this.missingCount === 0;
  }

  /** What is lacking, as it is told to the source. */
  get lacking(): Uint8Array {
    return missingBytes(this.missing);
  }

  get waitedFor(): Iterable<number> {
    return this.awaited;
  }

  /** A batch of a round. */
  takePages(payload: Uint8Array): void {
    const { pages } = decodeBatch(payload, { deps: this.decoder, isAlone: false });
    for (const { page, bytes, sum, isZero } of pages) {
      // What is zeros already is not looked at, so that the host need not give memory for it.
      if (!isZero || this.sums[page] !== zeroSum) this.machine.writePage(page, bytes);
      this.sums[page] = sum;
    }
  }

  /** Throws a WireError unless what came is what the source says that it sent. */
  check({ digest, missing }: { readonly digest: Uint8Array; readonly missing: Uint8Array }): void {
    if (Buffer.compare(memoryDigest(this.sums, missing), digest) !== 0)
      throw new WireError('Cannot run the machine: its memory is not what the source says it sent');
  }

  /** These pages come later: whoever touches one waits for it. */
  lack(missing: Uint8Array): void {
    this.missing = missing;
    for (let page = missing.indexOf(1); page >= 0; page = missing.indexOf(1, page + 1)) {
      this.machine.forgetPage(page);
      this.sums[page] = zeroSum;
      this.missingCount++;
    }
  }

  /** The guest has touched a page: it is here after all, it was asked for already, or it is to be asked for. */
  touched(page: number): 'asked' | 'here' | 'wanted' {
    if (this.missing[page] !== 1) return 'here';
    if (this.awaited.has(page)) return 'asked';
    this.awaited.add(page);
    this.faults++;
    return 'wanted';
  }

  /** A batch of pages that were lacking; those that the guest waits for. */
  takeMissing(payload: Uint8Array): readonly number[] {
    const { pages, origin } = decodeBatch(payload, { deps: this.decoder, isAlone: true });
    const arrived: number[] = [];
    for (const { page, bytes, sum } of pages) {
      // It is there already, and the guest may have written it.
      if (this.missing[page] !== 1) continue;
      this.machine.writePage(page, bytes);
      this.sums[page] = sum;
      this.missing[page] = 0;
      this.missingCount--;
      if (this.awaited.delete(page)) arrived.push(page);
      else if (origin === 'push') this.pushed++;
      else this.prePaged++;
    }
    return arrived;
  }
}
