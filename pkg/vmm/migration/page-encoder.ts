/**
 * Makes batches of pages, each page told in the cheapest way that its characteristics allow, and counts what each way saved and cost. What is known of the target's memory is
 * what was sent: the last version of each page is kept, up to a limit, so that it can be told what differs. Invariant: a batch that is `isAlone` refers to nothing but
 * itself, as the target's memory may be another by then. Source: Svärd et al., "Evaluation of delta compression techniques for efficient live migration of large virtual machines", 2011.
 */
import { crc32 } from 'node:zlib';
import { PAGE_SIZE } from '../memory-map.ts';
import type { ClassFigures } from './contract.ts';
import {
  classes,
  deltaMaskBytes,
  deltaWordsMax,
  FieldWriter,
  origins,
  type PageClass,
  type PageOrigin,
  putStream,
  zeroPage,
  zeroSum,
} from './page-format.ts';

/** Last versions kept: a machine with more memory has the rest sent in full each time. */
const historyBytesMax = 256 * 1024 * 1024;
/** Pages of a run, as its field has 16 bits. */
const runMax = 65_535;

/** Names of the classes as figures have them. */
type FigureClass = 'zero' | 'repeated' | 'similar' | 'dictionary' | 'plain';

/** Figures of all classes. */
export type Classes = Readonly<Record<FigureClass, ClassFigures>>;

const figureOf: Readonly<Record<PageClass, FigureClass>> = {
  zero: 'zero',
  word: 'repeated',
  copy: 'repeated',
  delta: 'similar',
  full: 'dictionary',
};

/** What an encoder has of its surroundings. */
export interface EncoderDeps {
  readonly pages: number;
  readonly isCompressing: boolean;
  /** What the target has for certain: the kernel. */
  readonly dictionary?: Uint8Array;
  /** Processor time in ms, for the figures. */
  readonly cpuMs?: () => number;
  read(page: number): Uint8Array;
}

/** How a batch is made. */
export interface BatchOptions {
  readonly round: number;
  readonly origin: PageOrigin;
  readonly isAlone: boolean;
}

interface Counted {
  pages: number;
  rawBytes: number;
  sentBytes: number;
  cpuMs: number;
}

interface Run {
  readonly kind: PageClass;
  readonly first: number;
  count: number;
}

/** Makes batches. */
export class PageEncoder {
  private readonly deps: EncoderDeps;
  /** Check of each page as the target has it. */
  readonly sums: Uint32Array;
  private readonly sentVersions = new Map<number, Uint8Array>();
  private readonly byContent = new Map<number, number>();
  private readonly counted = new Map<FigureClass, Counted>();
  private readonly nowMs: () => number;

  constructor(deps: EncoderDeps) {
    this.deps = deps;
    this.sums = new Uint32Array(deps.pages).fill(zeroSum);
    this.nowMs = deps.cpuMs ?? (() => 0);
  }

  get classes(): Classes {
    const of = (name: FigureClass): ClassFigures => ({ ...this.count(name) });
    return {
      zero: of('zero'),
      repeated: of('repeated'),
      similar: of('similar'),
      dictionary: of('dictionary'),
      plain: of('plain'),
    };
  }

  /** Whether the target has a version of a page that is not zeros. */
  hasSent(page: number): boolean {
    return this.sums[page] !== zeroSum;
  }

  /** A page that the target has as zeros already, and that is zeros. */
  skipZero(): void {
    const figures = this.count('zero');
    figures.pages++;
    figures.rawBytes += PAGE_SIZE;
  }

  /** A batch of up to `batchPagesMax` pages, in the order in which they are given. */
  encode(pages: readonly number[], options: BatchOptions): Uint8Array {
    const runs: Run[] = [];
    const small = new FieldWriter();
    const deltas = new FieldWriter();
    const full = new FieldWriter();
    const sums = new Uint32Array(pages.length);
    let fullPages = 0;
    for (const [index, page] of pages.entries()) {
      const beganMs = this.nowMs();
      const bytes = this.deps.read(page);
      const sum = crc32(bytes);
      sums[index] = sum;
      const kind = this.tell(page, { bytes, sum, isAlone: options.isAlone, small, deltas, full });
      if (kind === 'full') fullPages++;
      else this.note(kind);
      this.keep(page, { bytes, sum, isAlone: options.isAlone });
      const run = runs.at(-1);
      if (run?.kind === kind && run.first + run.count === page && run.count < runMax) run.count++;
      else runs.push({ kind, first: page, count: 1 });
      this.count(figureOf[kind]).cpuMs += this.nowMs() - beganMs;
    }
    const writer = new FieldWriter();
    writer.u32(crc32(new Uint8Array(sums.buffer)));
    writer.u16(options.round);
    writer.u8(origins.indexOf(options.origin));
    writer.u16(runs.length);
    for (const { kind, first, count } of runs) {
      writer.u8(classes.indexOf(kind));
      writer.u32(first);
      writer.u16(count);
    }
    const { isCompressing, dictionary } = this.deps;
    putStream(writer, small.take(), { isCompressing });
    this.stream(writer, { figure: 'similar', bytes: deltas.take(), isCompressing });
    const more = dictionary === undefined ? {} : { dictionary };
    this.stream(writer, { figure: 'dictionary', bytes: full.take(), isCompressing, pages: fullPages, ...more });
    return writer.take();
  }

  /** The target writes its memory from now on, and lacks some pages: nothing that was sent is known of it. */
  forgetAll(missing: Uint8Array): void {
    for (let page = missing.indexOf(1); page >= 0; page = missing.indexOf(1, page + 1)) this.sums[page] = zeroSum;
    this.sentVersions.clear();
    this.byContent.clear();
  }

  private tell(
    page: number,
    to: {
      bytes: Uint8Array;
      sum: number;
      isAlone: boolean;
      small: FieldWriter;
      deltas: FieldWriter;
      full: FieldWriter;
    },
  ): PageClass {
    const { bytes, sum, isAlone } = to;
    if (sum === zeroSum && Buffer.compare(bytes, zeroPage) === 0) return 'zero';
    if (!this.deps.isCompressing) {
      to.full.put(bytes);
      return 'full';
    }
    if (Buffer.compare(bytes.subarray(8), bytes.subarray(0, PAGE_SIZE - 8)) === 0) {
      to.small.put(bytes.subarray(0, 8));
      this.count('repeated').sentBytes += 8;
      return 'word';
    }
    const before = isAlone ? undefined : this.sentVersions.get(page);
    const twin = isAlone ? undefined : this.twinOf(bytes, sum);
    if (twin !== undefined) {
      to.small.u32(twin);
      this.count('repeated').sentBytes += 4;
      return 'copy';
    }
    const delta = before === undefined ? undefined : difference(before, bytes);
    if (delta !== undefined) {
      to.deltas.put(delta);
      return 'delta';
    }
    to.full.put(bytes);
    return 'full';
  }

  /** Another page that the target has with these bytes. */
  private twinOf(bytes: Uint8Array, sum: number): number | undefined {
    const twin = this.byContent.get(sum);
    if (twin === undefined || this.sums[twin] !== sum) return undefined;
    const version = this.sentVersions.get(twin);
    return version !== undefined && Buffer.compare(version, bytes) === 0 ? twin : undefined;
  }

  private keep(page: number, { bytes, sum, isAlone }: { bytes: Uint8Array; sum: number; isAlone: boolean }): void {
    this.sums[page] = sum;
    if (isAlone || !this.deps.isCompressing) return;
    const isRoom = this.sentVersions.size * PAGE_SIZE < historyBytesMax || this.sentVersions.has(page);
    if (sum === zeroSum || !isRoom) {
      this.sentVersions.delete(page);
      return;
    }
    this.sentVersions.set(page, bytes);
    this.byContent.set(sum, page);
  }

  private stream(
    writer: FieldWriter,
    options: {
      figure: FigureClass;
      bytes: Uint8Array;
      isCompressing: boolean;
      pages?: number;
      dictionary?: Uint8Array;
    },
  ): void {
    const beganMs = this.nowMs();
    const { sentBytes, isSmaller } = putStream(writer, options.bytes, options);
    const figures = this.count(options.figure === 'dictionary' && !isSmaller ? 'plain' : options.figure);
    figures.cpuMs += this.nowMs() - beganMs;
    figures.sentBytes += sentBytes;
    figures.pages += options.pages ?? 0;
    figures.rawBytes += (options.pages ?? 0) * PAGE_SIZE;
  }

  private note(kind: PageClass): void {
    const figures = this.count(figureOf[kind]);
    figures.pages++;
    figures.rawBytes += PAGE_SIZE;
  }

  private count(name: FigureClass): Counted {
    let figures = this.counted.get(name);
    if (figures === undefined) {
      figures = { pages: 0, rawBytes: 0, sentBytes: 0, cpuMs: 0 };
      this.counted.set(name, figures);
    }
    return figures;
  }
}

/** Which words differ, and by what; undefined where that is not worth it. */
function difference(before: Uint8Array, now: Uint8Array): Uint8Array | undefined {
  const old = wordsOf(before);
  const words = wordsOf(now);
  const delta = new Uint8Array(deltaMaskBytes + deltaWordsMax * 4);
  const changed = new Uint32Array(delta.buffer, deltaMaskBytes);
  let count = 0;
  for (let word = 0; word < words.length; word++) {
    const change = (words[word] ?? 0) ^ (old[word] ?? 0);
    if (change === 0) continue;
    if (count === deltaWordsMax) return undefined;
    delta[word >> 3] = (delta[word >> 3] ?? 0) | (1 << (word & 7));
    changed[count++] = change;
  }
  return delta.subarray(0, deltaMaskBytes + count * 4);
}

function wordsOf(page: Uint8Array): Uint32Array {
  return new Uint32Array(page.buffer, page.byteOffset, PAGE_SIZE / 4);
}
