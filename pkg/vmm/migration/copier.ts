/** The source's side of a round: which blocks and pages are still to be sent, and figures of the rounds that are over. Invariant: what is written after it was sent is in the next round. */
import type { Machine } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { BlockMover, blockBytes } from './block-mover.ts';
import type { BlockStore, RoundFigures } from './contract.ts';
import type { Outbox } from './outbox.ts';
import type { PageEncoder } from './page-encoder.ts';
import { zeroSum } from './page-format.ts';
import { PageQueue } from './page-queue.ts';

/** What a copier has of its surroundings. */
export interface CopierDeps {
  readonly machine: Machine;
  readonly disk: BlockStore | undefined;
  readonly encoder: PageEncoder;
  readonly out: Outbox;
}

/** What was written during a round. */
export interface Written {
  readonly pages: readonly number[];
  /** What it would be on the link, pages as those of the last round were. */
  readonly bytes: number;
}

/** Copies rounds of one machine. */
export class Copier {
  readonly rounds: RoundFigures[] = [];
  private readonly deps: CopierDeps;
  private readonly disk: BlockMover;
  private readonly queue = new PageQueue();
  private round = { beganMs: 0, pages: 0, sentBefore: 0 };

  constructor(deps: CopierDeps) {
    this.deps = deps;
    this.disk = new BlockMover(deps.disk);
  }

  get blocks(): number {
    return this.disk.blocks;
  }

  /** Begins to note what is written, and with these pages. */
  start(pages: readonly number[], nowMs: number): void {
    this.deps.machine.startDirtyLog();
    this.disk.start();
    this.begin(pages, nowMs);
  }

  /** A round of these pages, and of the blocks that were written. */
  begin(pages: readonly number[], nowMs: number): void {
    this.queue.add(pages);
    this.round = { beganMs: nowMs, pages: 0, sentBefore: this.deps.out.sentBytes };
  }

  /** The round is over: what was written meanwhile. */
  endRound(nowMs: number): Written {
    const pages = this.deps.machine.takeDirty();
    const blocks = this.disk.again();
    this.note({ dirtied: pages.length, nowMs });
    const last = this.rounds.at(-1);
    const perPage = last === undefined || last.pages === 0 ? PAGE_SIZE : Math.min(PAGE_SIZE, last.bytes / last.pages);
    return { pages, bytes: pages.length * perPage + blocks * blockBytes };
  }

  /** Adds the figures of the round; `pages` where they went another way. */
  note({
    dirtied,
    nowMs,
    pages = this.round.pages,
  }: {
    readonly dirtied: number;
    readonly nowMs: number;
    readonly pages?: number;
  }): void {
    const { beganMs, sentBefore } = this.round;
    const figures = { bytes: this.deps.out.sentBytes - sentBefore, durationMs: nowMs - beganMs, dirtied };
    this.rounds.push({ round: this.rounds.length, pages, ...figures });
  }

  /** Nothing is noted any more. */
  stop(): void {
    this.deps.machine.stopDirtyLog();
    this.disk.stop();
  }

  /** Sends a block or a batch of up to so many pages; false: the round has no more. */
  send(pagesMax: number): boolean {
    const block = this.disk.next();
    if (block === undefined) return this.sendPages(pagesMax);
    this.deps.out.send('blocks', block);
    return true;
  }

  private sendPages(pagesMax: number): boolean {
    const { machine, encoder, out } = this.deps;
    const pages = this.queue.take(pagesMax, (page) => {
      if (encoder.sums[page] !== zeroSum || !machine.isBlank(page)) return false;
      encoder.skipZero();
      return true;
    });
    if (pages.length === 0) return false;
    this.round.pages += pages.length;
    out.send('pages', encoder.encode(pages, { round: this.rounds.length, origin: 'round', isAlone: false }));
    return true;
  }
}
