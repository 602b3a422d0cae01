/**
 * Where the bytes of a guest's pages are: which part of a buffer (its frame) each page has. Laws, for every implementation: a page reads as what its guest, its devices and its host last put there, and as zeros
 * before; a frame that is lent is never written, as others read it too; `own` and `drop` change the frames of that page alone, and no other page of any machine reads otherwise afterwards.
 * Whoever has a translation buffer empties it where the frame of a page that it names has changed: `GuestMemory` says when.
 */
import { hartLayout, PAGE_SIZE } from '../memory-map.ts';
import { newWasmMemory } from '../web-assembly.ts';

/** Thrown (this very value) by `own` where there is no frame for the page: nothing has changed, and the same can be tried again. */
export const NO_FRAME = Symbol('no frame');

/** The frames of one machine's pages. */
export interface PageFrames {
  readonly wasm: WebAssembly.Memory;
  /** Whether other threads have the buffer too. */
  readonly isShared: boolean;
  /** Offset of the harts' part of the buffer, which is this machine's own, and zeros at first. */
  readonly harts: number;
  /** Offset of each page's frame. */
  readonly offsets: Uint32Array;
  /** 1 for pages whose frame is not theirs alone. */
  readonly lent: Uint8Array;
  /** Gives a page that is lent a frame of its own with the same bytes. Throws NO_FRAME. */
  own(page: number): void;
  /** The bytes of a page are not needed any more. What it reads as afterwards is only said where it is lent then: zeros. */
  drop(page: number): void;
  /** The machine is over: nothing of it is read again. */
  release(): void;
}

/** The frames of a machine that has a buffer of its own: they lie in the order of their pages, and the system gives them as they are first written. */
export class OwnFrames implements PageFrames {
  readonly wasm: WebAssembly.Memory;
  readonly isShared = false;
  readonly harts = 0;
  readonly offsets: Uint32Array;
  readonly lent: Uint8Array;

  /** `size` bytes, of whole pages, and `harts` harts. */
  constructor(size: number, harts: number) {
    const base = harts * hartLayout.bytes;
    this.wasm = newWasmMemory(base + size);
    this.offsets = Uint32Array.from({ length: size / PAGE_SIZE }, (_, page) => base + page * PAGE_SIZE);
    this.lent = new Uint8Array(size / PAGE_SIZE);
  }

  own(): void {}

  drop(): void {}

  release(): void {}
}
