/**
 * Memory and disk of a stand-by: what came of the next checkpoint lies beside the machine until all of it is here. Invariant: the machine's memory is that of one checkpoint, whatever came since; before
 * the first one it is nobody's, and is filled as it comes.
 */
import type { Machine } from '../machine-contract.ts';
import { writeBlock } from './block-mover.ts';
import type { BlockStore } from './contract.ts';
import { memoryDigest } from './messages.ts';
import { type DecoderDeps, decodeBatch, type ReceivedPage } from './page-decoder.ts';
import { filledPages, zeroSum } from './page-format.ts';
import { WireError } from './wire.ts';

/** Pages and blocks of one machine. */
export class StagedMemory {
  private readonly machine: Machine;
  private readonly disk: BlockStore | undefined;
  private readonly decoder: DecoderDeps;
  private readonly sums: Uint32Array;
  private readonly pages = new Map<number, ReceivedPage>();
  private readonly blocks = new Map<number, Uint8Array>();
  private isOfCheckpoint = false;

  constructor(machine: Machine, disk: BlockStore | undefined) {
    this.machine = machine;
    this.disk = disk;
    this.sums = new Uint32Array(machine.pages).fill(zeroSum);
    this.decoder = {
      pages: machine.pages,
      dictionary: machine.config.kernel,
      read: (page) => this.pages.get(page)?.bytes ?? machine.readPage(page),
    };
  }

  /** Pages that are not zeros. */
  get usedPages(): number {
    return filledPages(this.sums);
  }

  takePages(payload: Uint8Array): void {
    for (const page of decodeBatch(payload, { deps: this.decoder, isAlone: false }).pages) {
      if (this.isOfCheckpoint) this.pages.set(page.page, page);
      else this.write(page);
    }
  }

  takeBlock(payload: Uint8Array): void {
    const { disk, blocks } = this;
    const staging =
      disk === undefined || !this.isOfCheckpoint
        ? disk
        : { ...disk, write: (block: number, bytes: Uint8Array): void => void blocks.set(block, bytes) };
    writeBlock(payload, staging);
  }

  /** All of a checkpoint is here. Throws a WireError, and changes nothing, unless it is what the source says. */
  commit(digest: Uint8Array): void {
    const sums = this.sums.slice();
    for (const { page, sum } of this.pages.values()) sums[page] = sum;
    if (Buffer.compare(memoryDigest(sums, new Uint8Array(sums.length)), digest) !== 0)
      throw new WireError('Cannot use a checkpoint: its memory is not what the source says it sent');
    for (const page of this.pages.values()) this.write(page);
    for (const [block, bytes] of this.blocks) this.disk?.write(block, bytes);
    this.pages.clear();
    this.blocks.clear();
    this.isOfCheckpoint = true;
  }

  private write({ page, bytes, sum, isZero }: ReceivedPage): void {
    // What is zeros already is not touched, so that the host need not give memory for it.
    if (!isZero || this.sums[page] !== zeroSum) this.machine.writePage(page, bytes);
    this.sums[page] = sum;
  }
}
