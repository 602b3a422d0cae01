/** The source's side of a disk that moves while it changes: which blocks are still to be sent. Invariant: a block that is written after it was sent is sent again. */
import type { BlockStore } from './contract.ts';
import { FieldWriter, putStream, takeStream } from './page-format.ts';
import { Fields, WireError } from './wire.ts';

/** Bytes of a block. */
export const blockBytes = 64 * 1024;

/** Blocks of one disk. */
export class BlockMover {
  private readonly disk: BlockStore | undefined;
  private queue: number[] = [];

  /** Without a disk there is nothing to do. */
  constructor(disk: BlockStore | undefined) {
    this.disk = disk;
  }

  get blocks(): number {
    return this.disk?.blocks ?? 0;
  }

  start(): void {
    this.disk?.startDirtyLog();
    this.queue = Array.from({ length: this.blocks }, (_, block) => this.blocks - 1 - block);
  }

  /** What was written since is to be sent too; says how many blocks wait. */
  again(): number {
    this.queue = [...new Set([...this.queue, ...(this.disk?.takeDirty() ?? [])])];
    return this.queue.length;
  }

  stop(): void {
    this.disk?.stopDirtyLog();
  }

  /** The next block as a payload. */
  next(): Uint8Array | undefined {
    const block = this.queue.pop();
    return block === undefined || this.disk === undefined ? undefined : blockPayload(block, this.disk.read(block));
  }
}

/** A block as a payload. */
export function blockPayload(block: number, bytes: Uint8Array): Uint8Array {
  const writer = new FieldWriter();
  writer.u32(block);
  putStream(writer, bytes, { isCompressing: true });
  return writer.take();
}

/** Writes a block that came to a disk. */
export function writeBlock(payload: Uint8Array, disk: BlockStore | undefined): void {
  const fields = new Fields(payload);
  const block = fields.u32();
  const bytes = takeStream(fields, { bytesMax: blockBytes });
  fields.end();
  if (disk === undefined || block >= disk.blocks)
    throw new WireError(`Cannot take block ${block}: the disk has ${disk?.blocks ?? 0}`);
  if (bytes.length !== blockBytes)
    throw new WireError(`Cannot take a block of ${bytes.length} bytes: it has ${blockBytes}`);
  disk.write(block, bytes);
}
