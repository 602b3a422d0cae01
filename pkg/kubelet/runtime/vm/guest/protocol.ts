/** What a guest's worker and the runtime say to each other. */

/** What a guest is started with. */
export interface GuestStart {
  readonly kernel: Uint8Array;
  readonly memoryBytes: number;
  readonly commandLine: string;
  /** Contents of its disk, a private copy; absent: no disk. */
  readonly disk?: Uint8Array;
  readonly mac: Uint8Array;
  /** Where its ports are relayed, and which. */
  readonly address: string;
  readonly ports: readonly number[];
  /** Part of the instructions that a whole processor runs, above 0; absent: all that it gets. */
  readonly share?: number;
}

/** Figures of a guest. */
export interface GuestFigures {
  readonly memoryBytes: number;
  /** Of pages that are not all zeros. */
  readonly usedBytes: number;
  /** Of pages whose contents another page of the same guest has too. */
  readonly sharableBytes: number;
  readonly cpuNanoseconds: number;
  readonly instructions: number;
  readonly isPaused: boolean;
}

/** To the worker. */
export type ToGuest =
  | { readonly type: 'input'; readonly bytes: Uint8Array }
  /** Asks for a connection to a port of the guest: a port of this machine that takes one. */
  | { readonly type: 'forward'; readonly id: number; readonly port: number }
  | { readonly type: 'figures'; readonly id: number }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' };

/** From the worker. */
export type FromGuest =
  | { readonly type: 'started' }
  | { readonly type: 'console'; readonly bytes: Uint8Array }
  /** So much input was taken. */
  | { readonly type: 'taken'; readonly bytes: number }
  | { readonly type: 'forwarded'; readonly id: number; readonly port?: number; readonly problem?: string }
  | { readonly type: 'figures'; readonly id: number; readonly figures: GuestFigures }
  /** The last message. */
  | { readonly type: 'ended'; readonly exitCode: number; readonly message: string };
