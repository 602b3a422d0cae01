/** How a saved memory crosses the link: the source says the root of its tree, the target which pieces it lacks, until there are none. Pieces come in the order in which they were asked for. */
import type { Machine } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import type { Outbox } from './outbox.ts';
import { FieldWriter, putStream, takeStream, zeroPage } from './page-format.ts';
import { nameBytes, PieceFetcher, type PieceStore, PieceTree, pieceLimit } from './piece-tree.ts';
import { Fields, WireError } from './wire.ts';

/** Names of one question. */
const namesMax = 1024;

/** What both sides have of their surroundings. */
export interface TreeDeps {
  readonly machine: Machine;
  readonly out: Outbox;
  /** What both have for certain: the kernel. */
  readonly dictionary: Uint8Array;
  /** Where the host keeps pieces. */
  readonly store: PieceStore | undefined;
}

/** The source's side. */
export class TreeSender {
  private readonly deps: TreeDeps;
  private readonly tree: PieceTree;
  private names: string[] = [];
  private isSaid = false;
  /** The target has all. */
  isDone = false;

  constructor(deps: TreeDeps) {
    this.deps = deps;
    this.tree = new PieceTree(deps.machine);
    if (deps.store !== undefined) this.tree.keep(deps.store);
  }

  wants(payload: Uint8Array): void {
    if (payload.length % nameBytes !== 0) throw new WireError('Cannot read names of pieces');
    if (payload.length === 0) this.isDone = true;
    for (let at = 0; at < payload.length; at += nameBytes) {
      this.names.push(Buffer.from(payload.subarray(at, at + nameBytes)).toString('hex'));
    }
    if (this.names.length > namesMax) throw new WireError(`Cannot give more than ${namesMax} pieces at once`);
  }

  /** Sends the root, or a piece that is wanted; false: there is nothing to send. */
  send(): boolean {
    const { out, dictionary } = this.deps;
    if (!this.isSaid) {
      this.isSaid = true;
      out.send('root', new Uint8Array(Buffer.from(this.tree.root, 'hex')));
      return true;
    }
    const name = this.names.shift();
    if (name === undefined) return false;
    const bytes = this.tree.read(name);
    if (bytes === undefined) throw new WireError('Cannot give a piece that is none of this machine');
    const writer = new FieldWriter();
    putStream(writer, bytes, { isCompressing: true, dictionary });
    out.send('piece', writer.take());
    return true;
  }
}

/** The target's side. */
export class TreeReceiver {
  private readonly deps: TreeDeps;
  private readonly fetcher: PieceFetcher;
  private awaited = 0;
  isDone = false;

  constructor(deps: TreeDeps, root: Uint8Array) {
    this.deps = deps;
    const { machine } = deps;
    const kept = new Map<string, Uint8Array>();
    const own = {
      read: (name: string) => kept.get(name),
      write: (name: string, bytes: Uint8Array) => void kept.set(name, bytes),
    };
    const onLeaf = (page: number, bytes: Uint8Array): void => {
      for (let at = 0; at < bytes.length; at += PAGE_SIZE) {
        const content = bytes.subarray(at, at + PAGE_SIZE);
        if (Buffer.compare(content, zeroPage) !== 0) machine.writePage(page + at / PAGE_SIZE, content);
      }
    };
    this.fetcher = new PieceFetcher(
      { pages: machine.pages, store: deps.store ?? own, onLeaf },
      Buffer.from(root).toString('hex'),
    );
    this.ask();
  }

  take(payload: Uint8Array): void {
    const fields = new Fields(payload);
    const bytes = takeStream(fields, { dictionary: this.deps.dictionary, bytesMax: pieceLimit });
    fields.end();
    if (this.awaited === 0 || !this.fetcher.take([bytes]))
      throw new WireError('Cannot use a piece: it is not what was asked for');
    this.awaited--;
    if (this.awaited === 0) this.ask();
  }

  private ask(): void {
    const names = this.fetcher.names.slice(0, namesMax);
    this.awaited = names.length;
    this.isDone = names.length === 0;
    this.deps.out.send('want', new Uint8Array(Buffer.from(names.join(''), 'hex')));
  }
}
