/**
 * Looks through an LMDB file before the library does. The library trusts what it finds: a damaged page number ends the process, or worse,
 * a live page is taken for a free one and overwritten. So every page that the current state refers to is checked: that it is in the
 * file and the page it says it is, that what it holds lies within it and in order, that there is as much as there should be, and that no page
 * is used twice. What the log's values hold is not looked at here: they have checksums (`write-group.ts`).
 *
 * Costs a read of each page of the trees, which are few, and of the head of each value that has pages of its own: some 3 µs each.
 * Source: LMDB `mdb.c`: `MDB_meta`, `MDB_page_header`, `MDB_node`, `MDB_ovpage`, `mdb_env_pick_meta`; `midl.c` of the lmdb package for runs of
 * free pages.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';

const magic = 0xbeefc0de;
const dataVersion = 2;
const headBytes = 24;
const nodeHeadBytes = 8;
const pageBytesMin = 256;
const pageBytesMax = 65_536;

const isBranch = 0x01;
const isLeaf = 0x02;
const isOverflow = 0x04;
/** The node's value is on pages of its own, or describes a tree. */
const isBig = 0x01;
const isTree = 0x02;

/** `MDB_db`, and where its fields are. */
const treeBytes = 48;
const depthAt = 6;
const entriesAt = 32;
const rootAt = 40;
/** The root of an empty tree. */
const noPage = 0xffff_ffff_ffff_ffffn;
const freeName = 'the list of free pages';
/** Free pages at the end that a sound file may lack. More would be a damaged number. */
const freePagesMissingMax = 2 ** 20;
/** Deeper than any tree that fits on a disk. */
const depthMax = 32;

/** What is wrong with the file, in words; undefined when it is sound, empty or missing. Makes it as long as it says it is. */
export function findDamage(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r+');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    // An empty file is what a first start leaves that was killed at once.
    if (fstatSync(file).size > 0) new FileCheck(file).run();
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  } finally {
    closeSync(file);
  }
}

class Damage extends Error {}

/** A check that holds of every sound file. */
function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Damage(otherwise);
}

interface Tree {
  readonly name: string;
  readonly depth: number;
  readonly entries: number;
  readonly root: bigint;
}

interface PageRun {
  readonly page: number;
  readonly count: number;
}

interface Meta {
  readonly transaction: number;
  readonly lastPage: number;
  readonly free: Tree;
  readonly main: Tree;
}

interface Node {
  readonly key: Buffer;
  readonly isTree: boolean;
  /** The value, or the pages it is on. */
  readonly value: Buffer | { readonly page: number; readonly bytes: number };
}

class FileCheck {
  readonly #file: number;
  readonly #fileBytes: number;
  #pageBytes = 4096;
  #lastPage = 1;
  #transaction = 0;
  /** Pages that something was found to use: a byte for each of the file. */
  #used = new Uint8Array(0);

  constructor(file: number) {
    this.#file = file;
    this.#fileBytes = fstatSync(file).size;
  }

  run(): void {
    const meta = this.#readMeta();
    this.#lastPage = meta.lastPage;
    this.#transaction = meta.transaction;
    demand(this.#lastPage < this.#fileBytes / this.#pageBytes + freePagesMissingMax, 'its end is missing');
    this.#used = new Uint8Array(this.#lastPage + 1);
    this.#walk(meta.main, (node) => {
      if (!node.isTree) return;
      demand(Buffer.isBuffer(node.value) && node.value.length === treeBytes, 'the description of a table is cut off');
      this.#walk(treeAt(node.value, 0, `table ${node.key.toString('latin1').replace('\0', '')}`), () => {});
    });
    const free: PageRun[] = [];
    this.#walk(meta.free, (node) => free.push(...this.#freePages(node)));
    for (const { page, count } of free) this.#use(page, count, freeName);
    // Free pages at the end may be missing, which is no loss; but the library would die of reading them.
    const wholeBytes = (this.#lastPage + 1) * this.#pageBytes;
    if (this.#fileBytes < wholeBytes) ftruncateSync(this.#file, wholeBytes);
  }

  /** The newer of the two descriptions that a file begins with; they are written in turns. */
  #readMeta(): Meta {
    const first = this.#read(0, pageBytesMin);
    demand(first.readUInt32LE(headBytes) === magic, 'it is not a database');
    this.#pageBytes = first.readUInt32LE(headBytes + 24);
    const { log2 } = Math;
    const isSize = this.#pageBytes >= pageBytesMin && this.#pageBytes <= pageBytesMax;
    demand(isSize && log2(this.#pageBytes) % 1 === 0, 'its head is not as it should be');
    const [even, odd] = [first, this.#read(this.#pageBytes, pageBytesMin)].map(metaOf) as [Meta, Meta];
    const newest = even.transaction > odd.transaction ? even : odd;
    demand(newest.transaction === 0 || Math.abs(even.transaction - odd.transaction) === 1, 'its two heads do not fit');
    demand(newest.transaction % 2 === (newest === even ? 0 : 1) || newest.transaction === 0, 'its heads are swapped');
    return newest;
  }

  #walk(tree: Tree, onNode: (node: Node) => void): void {
    if (tree.root === noPage) {
      demand(tree.entries === 0, `${tree.name} has lost its entries`);
      return;
    }
    demand(tree.depth > 0 && tree.depth <= depthMax, `the depth of ${tree.name} is impossible`);
    let entries = 0;
    let last: Buffer | undefined;
    const walkPage = (page: number, depth: number): void => {
      this.#use(page, 1, tree.name);
      const bytes = this.#read(page * this.#pageBytes, this.#pageBytes);
      const kind = depth === 1 ? isLeaf : isBranch;
      this.#checkHead(bytes, { page, kind, name: tree.name });
      for (const at of nodesOf(bytes, page)) {
        if (depth > 1) {
          walkPage(childOf(bytes, at), depth - 1);
          continue;
        }
        const node = this.#leafNode(bytes, at, tree.name);
        // The list of free pages has its keys in the machine's byte order; its order is checked by its pages being used once.
        demand(
          last === undefined || tree.name === freeName || last.compare(node.key) < 0,
          `${tree.name} is out of order`,
        );
        last = Buffer.from(node.key);
        entries++;
        onNode(node);
      }
    };
    walkPage(Number(tree.root), tree.depth);
    demand(entries === tree.entries, `${tree.name} has ${entries} entries and should have ${tree.entries}`);
  }

  #leafNode(bytes: Buffer, at: number, name: string): Node {
    const valueBytes = bytes.readUInt32LE(at);
    const flags = bytes.readUInt16LE(at + 4);
    const valueAt = at + nodeHeadBytes + bytes.readUInt16LE(at + 6);
    const isElsewhere = (flags & isBig) !== 0;
    const end = valueAt + (isElsewhere ? headBytes : valueBytes);
    demand(end <= bytes.length, `an entry of ${name} is cut off`);
    const key = bytes.subarray(at + nodeHeadBytes, valueAt);
    if (!isElsewhere) return { key, isTree: (flags & isTree) !== 0, value: bytes.subarray(valueAt, end) };
    const page = number64(bytes, valueAt);
    const pages = number64(bytes, valueAt + 16);
    demand(headBytes + valueBytes <= pages * this.#pageBytes, `a value of ${name} is larger than its pages`);
    this.#use(page, pages, name);
    this.#checkHead(this.#read(page * this.#pageBytes, headBytes), { page, kind: isOverflow, name });
    return { key, isTree: false, value: { page, bytes: valueBytes } };
  }

  /** What a page says it is. One that says it was written later than the last transaction would be taken for one that is being written. */
  #checkHead(bytes: Buffer, { page, kind, name }: { page: number; kind: number; name: string }): void {
    const isExpected = number64(bytes, 0) === page && bytes.readUInt16LE(18) === kind;
    demand(isExpected && number64(bytes, 8) <= this.#transaction, `page ${page} of ${name} is another one`);
  }

  /** The free pages of one entry: its length, then page numbers, empty places (0), and runs (minus their length and the first page). */
  #freePages({ value }: Node): PageRun[] {
    const list = Buffer.isBuffer(value) ? value : this.#read(value.page * this.#pageBytes + headBytes, value.bytes);
    const length = list.length < 8 ? -1 : number64(list, 0);
    demand(length >= 0 && (length + 1) * 8 <= list.length, `${freeName} is cut off`);
    const runs: PageRun[] = [];
    for (let i = 1; i <= length; i++) {
      const number = Number(list.readBigInt64LE(i * 8));
      if (number > 0) runs.push({ page: number, count: 1 });
      if (number >= 0) continue;
      demand(++i <= length, `${freeName} is cut off`);
      runs.push({ page: number64(list, i * 8), count: -number });
    }
    return runs;
  }

  #use(page: number, count: number, what: string): void {
    const isInside = page > 1 && count > 0 && page + count - 1 <= this.#lastPage;
    demand(isInside, `${what} refers to page ${page}, which there is not`);
    for (let each = page; each < page + count; each++) {
      demand(this.#used[each] === 0, `${what} refers to page ${each}, which is used twice`);
      this.#used[each] = 1;
    }
  }

  #read(at: number, length: number): Buffer {
    demand(at + length <= this.#fileBytes, 'its end is missing');
    const bytes = Buffer.allocUnsafe(length);
    demand(readSync(this.#file, bytes, 0, length, at) === length, 'its end is missing');
    return bytes;
  }
}

function metaOf(bytes: Buffer): Meta {
  const isSound = bytes.readUInt32LE(headBytes) === magic && bytes.readUInt32LE(headBytes + 4) === dataVersion;
  demand(isSound, 'one of its heads is not as it should be');
  return {
    free: treeAt(bytes, headBytes + 24, freeName),
    main: treeAt(bytes, headBytes + 24 + treeBytes, 'the list of tables'),
    lastPage: number64(bytes, headBytes + 24 + 2 * treeBytes),
    transaction: number64(bytes, headBytes + 32 + 2 * treeBytes),
  };
}

function treeAt(bytes: Buffer, at: number, name: string): Tree {
  return {
    name,
    depth: bytes.readUInt16LE(at + depthAt),
    entries: number64(bytes, at + entriesAt),
    root: bytes.readBigUInt64LE(at + rootAt),
  };
}

/** Where the nodes of a page begin. */
function nodesOf(bytes: Buffer, page: number): number[] {
  const lower = bytes.readUInt16LE(20);
  const upper = bytes.readUInt16LE(22);
  const room = bytes.length - headBytes;
  demand(lower > 0 && lower % 2 === 0 && lower <= upper && upper <= room, `page ${page} is not as it was written`);
  return Array.from({ length: lower / 2 }, (_, i) => {
    const at = bytes.readUInt16LE(headBytes + 2 * i);
    const isInside = at >= upper && at + nodeHeadBytes <= room;
    const start = headBytes + at;
    const fits = isInside && start + nodeHeadBytes + bytes.readUInt16LE(start + 6) <= bytes.length;
    demand(fits, `page ${page} is not as it was written`);
    return start;
  });
}

/** The page that a node of a branch leads to: a number of 48 bits. */
function childOf(bytes: Buffer, at: number): number {
  return bytes.readUIntLE(at, 6);
}

/** Larger numbers than JavaScript knows become ones that no file has. */
function number64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}
