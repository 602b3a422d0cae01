/** A guest's disk: bytes in memory, and which blocks of it were written while somebody wants to know. */
import type { BlockStore } from '#pkg/vmm/migration/contract.ts';

/** What moves at a time. */
const blockBytes = 64 * 1024;

/** A disk: by bytes for the guest, by blocks for whoever moves it. */
export class GuestDisk {
  readonly bytes: Uint8Array;
  #dirty: Set<number> | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Of as many blocks, all zeros. */
  static ofBlocks(blocks: number): GuestDisk {
    return new GuestDisk(new Uint8Array(blocks * blockBytes));
  }

  /** Writes what the guest has written. */
  put(at: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, at);
    if (this.#dirty === undefined || bytes.length === 0) return;
    const last = Math.floor((at + bytes.length - 1) / blockBytes);
    for (let block = Math.floor(at / blockBytes); block <= last; block++) this.#dirty.add(block);
  }

  /** The disk as it is moved; a last block that is not whole is filled up with zeros. */
  store(): BlockStore {
    return {
      blocks: Math.ceil(this.bytes.length / blockBytes),
      read: (block) => {
        const bytes = new Uint8Array(blockBytes);
        bytes.set(this.bytes.subarray(block * blockBytes, (block + 1) * blockBytes));
        return bytes;
      },
      write: (block, bytes) => {
        const at = block * blockBytes;
        this.bytes.set(bytes.subarray(0, Math.min(blockBytes, this.bytes.length - at)), at);
      },
      startDirtyLog: () => {
        this.#dirty = new Set();
      },
      takeDirty: () => {
        const taken = [...(this.#dirty ?? [])].sort((a, b) => a - b);
        if (this.#dirty !== undefined) this.#dirty = new Set();
        return taken;
      },
      stopDirtyLog: () => {
        this.#dirty = undefined;
      },
    };
  }
}
