/**
 * A memory as a tree of pieces that are named by what they are (a Merkle tree): 64 pages each, above them lists of names, up to one root. A host that keeps pieces finds those that
 * a saved machine has in common with what it has seen, without a list of all of them crossing the link. Invariant: a piece's name is the SHA-256 of its bytes, so nobody can give another for it.
 */
import { createHash } from 'node:crypto';
import { PAGE_SIZE } from '../memory-map.ts';

/** Pages of a leaf, and names of a list. */
const pieceFanOut = 64;
/** Bytes of a name. */
export const nameBytes = 32;
const pieceBytesMax = pieceFanOut * PAGE_SIZE;

/** Where a host keeps pieces; names are hexadecimal digits. May forget any at any time. */
export interface PieceStore {
  read(name: string): Uint8Array | undefined;
  write(name: string, bytes: Uint8Array): void;
}

/** Memory as a tree reads it. */
export interface TreeMemory {
  readonly pages: number;
  isBlank(page: number): boolean;
  readPage(page: number): Uint8Array;
}

/** How many levels of lists are above the leaves of so many pages. */
function treeDepth(pages: number): number {
  let depth = 0;
  for (let nodes = Math.ceil(pages / pieceFanOut); nodes > 1; nodes = Math.ceil(nodes / pieceFanOut)) depth++;
  return depth;
}

/** How many pages the piece with number `index` at a level stands for. */
function pagesOfPiece(pages: number, { level, index }: { readonly level: number; readonly index: number }): number {
  const each = pieceFanOut ** (level + 1);
  return Math.min(each, pages - index * each);
}

/** The name of a piece. */
function nameOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** All pieces of a memory; leaves are read again when they are asked for. */
export class PieceTree {
  readonly root: string;
  private readonly memory: TreeMemory;
  private readonly lists = new Map<string, Uint8Array>();
  private readonly leaves = new Map<string, number>();

  constructor(memory: TreeMemory) {
    this.memory = memory;
    let names = Array.from({ length: Math.ceil(memory.pages / pieceFanOut) }, (_, leaf) => this.leafName(leaf));
    while (names.length > 1) {
      const above: string[] = [];
      for (let at = 0; at < names.length; at += pieceFanOut) {
        const list = new Uint8Array(Buffer.from(names.slice(at, at + pieceFanOut).join(''), 'hex'));
        const name = nameOf(list);
        this.lists.set(name, list);
        above.push(name);
      }
      names = above;
    }
    this.root = names[0] ?? '';
  }

  /** The bytes of a piece of this tree. */
  read(name: string): Uint8Array | undefined {
    const leaf = this.leaves.get(name);
    return leaf === undefined ? this.lists.get(name) : this.leaf(leaf);
  }

  /** Puts all of it where the host keeps pieces. */
  keep(store: PieceStore): void {
    for (const [name, list] of this.lists) store.write(name, list);
    for (const [name, leaf] of this.leaves) if (store.read(name) === undefined) store.write(name, this.leaf(leaf));
  }

  private leafName(leaf: number): string {
    const name = this.isBlank(leaf) ? blankName(this.pagesOf(leaf)) : nameOf(this.leaf(leaf));
    this.leaves.set(name, leaf);
    return name;
  }

  private pagesOf(leaf: number): number {
    return pagesOfPiece(this.memory.pages, { level: 0, index: leaf });
  }

  private isBlank(leaf: number): boolean {
    for (let page = 0; page < this.pagesOf(leaf); page++)
      if (!this.memory.isBlank(leaf * pieceFanOut + page)) return false;
    return true;
  }

  private leaf(leaf: number): Uint8Array {
    const bytes = new Uint8Array(this.pagesOf(leaf) * PAGE_SIZE);
    for (let page = 0; page < this.pagesOf(leaf); page++) {
      const number = leaf * pieceFanOut + page;
      if (!this.memory.isBlank(number)) bytes.set(this.memory.readPage(number), page * PAGE_SIZE);
    }
    return bytes;
  }
}

const blankNames = new Map<number, string>();

/** The name of so many pages of zeros. */
function blankName(pages: number): string {
  let name = blankNames.get(pages);
  if (name === undefined) {
    name = nameOf(new Uint8Array(pages * PAGE_SIZE));
    blankNames.set(pages, name);
  }
  return name;
}

/** A piece that is wanted, and where it is in the tree. */
interface Wanted {
  readonly name: string;
  readonly level: number;
  readonly index: number;
}

/** Fetches a tree from its root down: what the store has is not asked for. Each leaf that is there is given to `onLeaf` with its first page. */
export class PieceFetcher {
  private readonly deps: {
    readonly pages: number;
    readonly store: PieceStore;
    onLeaf(page: number, bytes: Uint8Array): void;
  };
  private wanted: Wanted[] = [];
  /** Pieces that the store had. */
  found = 0;

  constructor(
    deps: { readonly pages: number; readonly store: PieceStore; onLeaf(page: number, bytes: Uint8Array): void },
    root: string,
  ) {
    this.deps = deps;
    this.look({ name: root, level: treeDepth(deps.pages), index: 0 });
  }

  /** Names of the pieces that are to come, in the order in which they are to. */
  get names(): readonly string[] {
    return this.wanted.map(({ name }) => name);
  }

  /** Takes the pieces that were wanted; false: one is not what its name says. */
  take(pieces: readonly Uint8Array[]): boolean {
    const wanted = this.wanted.splice(0, pieces.length);
    if (wanted.length !== pieces.length) return false;
    for (const [index, bytes] of pieces.entries()) {
      const piece = wanted[index];
      if (piece === undefined || nameOf(bytes) !== piece.name || !this.use(piece, bytes)) return false;
      this.deps.store.write(piece.name, bytes);
    }
    return true;
  }

  private look(piece: Wanted): void {
    const { level, index, name } = piece;
    if (level === 0 && name === blankName(pagesOfPiece(this.deps.pages, piece))) return;
    const known = this.deps.store.read(name);
    if (known !== undefined && nameOf(known) === name && this.use({ level, index, name }, known)) this.found++;
    else this.wanted.push(piece);
  }

  private use({ level, index }: Wanted, bytes: Uint8Array): boolean {
    const count = Math.ceil(pagesOfPiece(this.deps.pages, { level, index }) / pieceFanOut ** level);
    if (level === 0) {
      if (bytes.length !== count * PAGE_SIZE) return false;
      this.deps.onLeaf(index * pieceFanOut, bytes);
      return true;
    }
    if (bytes.length !== count * nameBytes) return false;
    for (let child = 0; child < count; child++) {
      const name = Buffer.from(bytes.subarray(child * nameBytes, (child + 1) * nameBytes)).toString('hex');
      this.look({ name, level: level - 1, index: index * pieceFanOut + child });
    }
    return true;
  }
}

/** Bytes that a piece may have. */
export const pieceLimit = pieceBytesMax;
