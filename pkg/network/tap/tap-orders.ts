/** What the thread of taps is told, and what it says. */
import type { MessagePort } from 'node:worker_threads';

/** A network namespace with a tap device in it. */
export interface TapPlace {
  /** By which the thread knows it: the descriptor of its device, which whoever has its frames reads and writes. */
  readonly tap: number;
  /** Path of the namespace: there as long as this process is, or until it is closed. */
  readonly namespacePath: string;
}

/** What of the pod's network is to be known to who speaks it by the tap. */
export interface TapRoute {
  /** Absent: nothing leads out. */
  readonly gateway?: string;
  /** Bits of the addresses that are neighbours. */
  readonly prefixBits: number;
}

/** Who has the frames of a tap. */
export interface TapListener {
  /** Told that there are some; nothing is said again until the flag is 0. */
  readonly port: MessagePort;
  /** One number, which is 1 once the port was told. */
  readonly flag: Int32Array<SharedArrayBuffer>;
}

/** What the thread does, by number. */
export type TapOrder = { readonly id: number } & (
  | { readonly what: 'make' }
  | { readonly what: 'join'; readonly tap: number; readonly address: string }
  | { readonly what: 'listen'; readonly tap: number; readonly listener: TapListener }
  | { readonly what: 'close'; readonly tap: number }
  | { readonly what: 'end' }
);

/** What becomes of an order; or, once, where the thread is woken. */
export type TapAnswer =
  | { readonly bell: number }
  | {
      readonly id: number;
      readonly problem?: string;
      readonly place?: TapPlace;
      readonly route?: TapRoute;
    };
