/**
 * Two hosts, a link between them and an arbiter, all on virtual time, for tests of migrations: the hosts do what the contract says that hosts do, the rest goes wrong as it is told to. Deterministic.
 * Invariant, looked at after every step: at most one of the two machines runs.
 */
import { Heap } from '#pkg/base/heap.ts';
import { createMachine } from '../machine.ts';
import type { Machine, MachineConfig } from '../machine-contract.ts';
import { elfOf } from '../test-guests.ts';
import type { MigrationEffect, MigrationEnd, MigrationEvent, MigrationSettings, Owner } from './contract.ts';

type Side = 'source' | 'target';
/** An event without its time, which the rig knows. */
type Untimed = MigrationEvent extends infer E
  ? E extends { readonly nowMs: number }
    ? Omit<E, 'nowMs'>
    : never
  : never;

const stepMs = 1;
/** A cut is noticed, and another connection made, after so long. */
const noticeMs = 40;
const cutOffMs = 4000;

/** What surrounds the ends. */
export interface RigOptions {
  /** Bytes a second in each direction. */
  readonly bandwidth: number;
  readonly latencyMs: number;
  /** Instructions that a machine runs in a millisecond. */
  readonly instructionsPerMs: number;
  readonly arbiter: {
    readonly delayMs: () => number;
    readonly isLost: () => boolean;
    /** What it makes of a claim. Default: that of a migration. */
    readonly decides?: typeof ownerAfter;
  };
  /** A connection that was cut is made again. Default: true. */
  readonly reconnects?: boolean;
  /** Sizes of the pieces in which bytes arrive. */
  readonly pieceBytes: () => number;
}

/** What goes wrong, each once, at a time. */
export interface Fault {
  readonly atMs: number;
  readonly kind:
    | 'cut'
    | 'cut-for-good'
    | 'source-dies'
    | 'target-dies'
    | 'abort-source'
    | 'abort-target'
    /** The source is cut off from the target for good, and from the arbiter for `cutOffMs`. */
    | 'source-cut-off'
    | 'take-over';
}

/** The connection is cut once so many bytes have been carried, of both directions together: no more of them arrive. */
export interface Cut {
  readonly afterBytes: number;
  readonly kind: 'cut' | 'cut-for-good';
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly urgent: boolean;
}

/** One side's host. */
export class RigHost {
  readonly side: Side;
  machine: Machine | undefined;
  end: MigrationEnd | undefined;
  isRunning = false;
  isDead = false;
  /** Its questions do not reach the arbiter before this time. */
  cutOffUntilMs = 0;
  /** Instructions of the machine at each of its checkpoints, and at the last whose output has left. */
  readonly marks = new Map<number, number>();
  released = 0;
  awaitedPage: number | undefined;
  share = 1;
  outcome: string | undefined;
  reason = '';
  queue: Waiting[] = [];
  sentBytes = 0;
  pausedMs = 0;
  runMs = 0;

  constructor(side: Side) {
    this.side = side;
  }
}

/** What an arbiter makes of a claim. */
export function ownerAfter(
  owner: Owner | undefined,
  { side, wanted, isTargetDead }: { readonly side: Side; readonly wanted: Owner; readonly isTargetDead: boolean },
): Owner {
  if (owner === undefined) return wanted;
  const mayTake = wanted === 'source' || (wanted === 'target' && owner === 'handover');
  // Who is known to be dead owns nothing.
  const isWon = side === 'target' ? mayTake : owner !== 'source' && isTargetDead;
  return isWon ? wanted : owner;
}

/** The whole. */
export class Rig {
  readonly source = new RigHost('source');
  readonly target = new RigHost('target');
  nowMs = 0;
  private readonly options: RigOptions;
  private readonly events = new Heap<{ readonly atMs: number; readonly order: number; readonly run: () => void }>(
    (a, b) => a.atMs - b.atMs || a.order - b.order,
  );
  private order = 0;
  private owner: Owner | undefined;
  /** Raised when a connection ends: what is under way on it does not arrive. */
  private connection = 0;
  private isUp = true;
  private isDownForGood = false;
  private cut: Cut | undefined;
  /** What was carried so far. */
  carriedBytes = 0;
  /** The longest time in which neither ran. */
  stillMs = 0;

  constructor(options: RigOptions) {
    this.options = options;
  }

  /** Runs a migration of `machine` and what goes wrong with it, until both ends are done or `limitMs` is over. */
  run(
    ends: { readonly machine: Machine; readonly source: MigrationEnd; readonly target: MigrationEnd },
    plan: {
      readonly faults: readonly Fault[];
      readonly limitMs: number;
      readonly isOff?: boolean;
      readonly cut?: Cut;
    },
  ): void {
    this.source.machine = ends.machine;
    this.source.isRunning = plan.isOff !== true;
    this.cut = plan.cut;
    this.source.end = ends.source;
    this.target.end = ends.target;
    for (const fault of plan.faults) this.at(fault.atMs, () => this.fail(fault.kind));
    this.give(this.target, { type: 'start' });
    this.give(this.source, { type: 'start' });
    while (this.nowMs < plan.limitMs && !this.isSettled) {
      this.nowMs += stepMs;
      for (let next = this.events.peek(); next !== undefined && next.atMs <= this.nowMs; next = this.events.peek()) {
        this.events.pop();
        next.run();
      }
      for (const host of [this.source, this.target]) this.step(host);
    }
  }

  get isSettled(): boolean {
    return [this.source, this.target].every((host) => host.isDead || host.outcome !== undefined);
  }

  /** Hosts whose machine runs. */
  get running(): readonly RigHost[] {
    return [this.source, this.target].filter((host) => host.isRunning && !host.isDead);
  }

  private at(atMs: number, run: () => void): void {
    this.events.push({ atMs, order: this.order++, run });
  }

  private step(host: RigHost): void {
    if (host.isDead) return;
    this.transmit(host);
    if (host.isRunning && host.awaitedPage === undefined && host.machine !== undefined) {
      const stop = host.machine.run(Math.floor(this.options.instructionsPerMs * host.share));
      if (stop.reason === 'page') {
        host.awaitedPage = stop.page;
        this.give(host, { type: 'fault', page: stop.page });
      }
      host.runMs = this.nowMs;
      this.stillMs = 0;
    } else if (this.running.length === 0) this.stillMs += stepMs;
    this.give(host, { type: 'tick' });
  }

  /** Carries what the bandwidth allows, whole sends that are urgent first. */
  private transmit(host: RigHost): void {
    if (!this.isUp || host.queue.length === 0) return;
    let room = (this.options.bandwidth * stepMs) / 1000;
    const pieces: Uint8Array[] = [];
    while (room > 0 && host.queue.length > 0) {
      const first = host.queue[0]!;
      const length = Math.min(first.bytes.length, Math.ceil(room));
      pieces.push(first.bytes.subarray(0, length));
      room -= length;
      host.sentBytes += length;
      if (length === first.bytes.length) host.queue.shift();
      else host.queue[0] = { bytes: first.bytes.subarray(length), urgent: true };
    }
    const { connection } = this;
    const other = host.side === 'source' ? this.target : this.source;
    const sent = new Uint8Array(Buffer.concat(pieces));
    const cut = this.cutWithin(sent.length);
    const bytes = cut === undefined ? sent : sent.subarray(0, cut.afterBytes - this.carriedBytes);
    this.carriedBytes += sent.length;
    this.at(this.nowMs + this.options.latencyMs, () => {
      for (let at = 0; at < bytes.length && connection === this.connection; ) {
        const size = Math.max(1, this.options.pieceBytes());
        this.give(other, { type: 'received', bytes: bytes.slice(at, at + size) });
        at += size;
      }
      if (cut !== undefined && connection === this.connection) this.fail(cut.kind);
    });
    this.give(host, { type: 'sent', waitingBytes: host.queue.reduce((sum, { bytes: { length } }) => sum + length, 0) });
  }

  /** The cut that comes with the next so many bytes. */
  private cutWithin(bytes: number): Cut | undefined {
    const { cut } = this;
    if (cut === undefined || this.carriedBytes + bytes < cut.afterBytes) return undefined;
    this.cut = undefined;
    return cut;
  }

  private give(host: RigHost, event: Untimed): void {
    if (host.isDead || host.outcome !== undefined) return;
    for (const effect of host.end?.on({ ...event, nowMs: this.nowMs }) ?? []) this.does(host, effect);
    if (this.running.length > 1) throw new Error(`Both machines run at ${this.nowMs} ms`);
  }

  private does(host: RigHost, effect: MigrationEffect): void {
    switch (effect.type) {
      case 'send': {
        const waiting = { bytes: effect.bytes, urgent: effect.urgent };
        const place = effect.urgent ? host.queue.findIndex(({ urgent }) => !urgent) : -1;
        if (place < 0) host.queue.push(waiting);
        else host.queue.splice(place, 0, waiting);
        return;
      }
      case 'pause':
        host.isRunning = false;
        host.pausedMs = this.nowMs;
        return;
      case 'resume':
        host.isRunning = true;
        return;
      case 'throttle':
        host.share = effect.share;
        return;
      case 'activate':
        host.machine = effect.machine;
        host.isRunning = true;
        return;
      case 'claim':
        this.claim(host, effect.owner);
        return;
      case 'output':
        if (effect.act === 'mark') host.marks.set(effect.checkpoint, host.machine?.counters.instructions ?? 0);
        if (effect.act === 'release') host.released = host.marks.get(effect.checkpoint) ?? 0;
        return;
      case 'page':
        if (host.awaitedPage === effect.page) host.awaitedPage = undefined;
        return;
      case 'destroy':
        host.isRunning = false;
        host.machine = undefined;
        return;
      case 'close':
        this.close(host);
        return;
      case 'ended':
        host.outcome = effect.outcome;
        host.reason = effect.reason;
        return;
      default:
        effect satisfies never;
    }
  }

  private claim(host: RigHost, wanted: Owner): void {
    const { delayMs, isLost, decides = ownerAfter } = this.options.arbiter;
    const isAskLost = isLost() || this.nowMs < host.cutOffUntilMs;
    this.at(this.nowMs + delayMs(), () => {
      if (isAskLost) return;
      this.owner = decides(this.owner, { side: host.side, wanted, isTargetDead: this.target.isDead });
      const owner = isLost() ? 'unknown' : this.owner;
      const isWhole = this.target.outcome === 'completed';
      this.at(this.nowMs + delayMs(), () => this.give(host, { type: 'claimed', owner, isWhole }));
    });
  }

  /** An end closes the connection: what it has sent still arrives. */
  private close(host: RigHost): void {
    const { connection } = this;
    const restMs = (host.queue.reduce((sum, { bytes }) => sum + bytes.length, 0) * 1000) / this.options.bandwidth;
    this.at(this.nowMs + restMs + this.options.latencyMs + 2 * stepMs, () => {
      if (connection === this.connection) this.disconnect('the other end has closed the connection');
    });
  }

  private disconnect(reason: string): void {
    this.connection++;
    this.isUp = false;
    this.at(this.nowMs + noticeMs, () => {
      for (const host of [this.source, this.target]) {
        host.queue = [];
        this.give(host, { type: 'lost', reason });
      }
    });
    if (this.options.reconnects !== false) this.at(this.nowMs + 2 * noticeMs, () => this.reconnect(reason));
  }

  private reconnect(reason: string): void {
    const hosts = [this.source, this.target];
    if (this.isDownForGood || hosts.some((host) => host.isDead || host.outcome !== undefined)) {
      // Nobody tries any more. The arbiter of a real cluster hears of a death by leases: the rig's knows it.
      for (const host of hosts) this.give(host, { type: 'abort', reason: `${reason}, and it is not made again` });
      if (!this.isSettled) this.at(this.nowMs + 500, () => this.reconnect(reason));
      return;
    }
    this.isUp = true;
    for (const host of hosts) this.give(host, { type: 'reconnected' });
  }

  private fail(kind: Fault['kind']): void {
    switch (kind) {
      case 'cut':
        if (this.isUp) this.disconnect('connection reset');
        return;
      case 'cut-for-good':
        this.isDownForGood = true;
        this.disconnect('no route to host');
        return;
      case 'source-dies':
      case 'target-dies': {
        const host = kind === 'source-dies' ? this.source : this.target;
        host.isDead = true;
        host.isRunning = false;
        this.disconnect('connection reset');
        return;
      }
      case 'source-cut-off':
        this.source.cutOffUntilMs = this.nowMs + cutOffMs;
        this.disconnect('no route to host');
        return;
      case 'take-over':
        this.give(this.target, { type: 'take-over', reason: 'somebody wants it so' });
        return;
      case 'abort-source':
        this.give(this.source, { type: 'abort', reason: 'somebody wants it ended' });
        return;
      case 'abort-target':
        this.give(this.target, { type: 'abort', reason: 'somebody wants it ended' });
        return;
      default:
        kind satisfies never;
    }
  }
}

/** Settings that a test changes some of. */
export const settings: MigrationSettings = {
  mode: 'pre-copy',
  bandwidth: 4_000_000,
  downtimeMs: 20,
  roundsMax: 12,
  throttle: true,
  push: true,
  prePaging: true,
  compress: true,
};

const text = 'The quick brown fox looks at page after page of what it wrote, and changes some of it. ';

/**
 * A machine whose guest never rests: it adds to words all over a region of its memory, in an order like chance (a linear congruence), with so many loops of two instructions between two of them; beside it
 * lie its code and a region that it never writes, of text.
 *
 *   auipc s0, 0x40; lui s1, region; addi s1, s1, -8; li t0, 1
 * 1: slli t1, t0, 2; add t0, t0, t1; lui t2, 3; addi t2, t2, 57; add t0, t0, t2
 *   srli t3, t0, 13; and t3, t3, s1; add t3, t3, s0; ld t4, 0(t3); add t4, t4, t0; sd t4, 0(t3)
 *   li t5, pause; 2: addi t5, t5, -1; bnez t5, 2b; j 1b
 */
export function restlessConfig({
  regionKiB,
  pause,
  memory = 1 << 20,
  engine = 'interpret',
}: {
  readonly regionKiB: 64 | 128 | 256 | 512;
  readonly pause: number;
  readonly memory?: number;
  readonly engine?: 'compile' | 'interpret';
}): MachineConfig {
  const words = [
    0x0004_0417,
    ((regionKiB / 4) << 12) | 0x4b7,
    0xff84_8493,
    0x0010_0293,
    0x0022_9313,
    0x0062_82b3,
    0x0000_33b7,
    0x0393_8393,
    0x0072_82b3,
    0x00d2_de13,
    0x009e_7e33,
    0x008e_0e33,
    0x000e_3e83,
    0x005e_8eb3,
    0x01de_3023,
    ((pause & 0x7ff) << 20) | 0xf13,
    0xffff_0f13,
    0xfe0f_1ee3,
    0xfc9f_f06f,
  ];
  const code = new Uint8Array(128 * 1024);
  const view = new DataView(code.buffer);
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word >>> 0, true);
  for (let at = 4096; at < code.length; at++) code[at] = text.charCodeAt((at * 7 + (at >> 6)) % text.length);
  return { memory, harts: 1, kernel: elfOf(code), commandLine: '', engine };
}

/** A machine that was never moved, after as many instructions. */
export function twinOf(config: MachineConfig, instructions: number): Machine {
  const twin = createMachine(config);
  twin.run(instructions);
  return twin;
}

/** First page in which two machines differ; undefined where they are the same. */
export function difference(a: Machine, b: Machine): number | undefined {
  for (let page = 0; page < a.pages; page++) if (Buffer.compare(a.readPage(page), b.readPage(page)) !== 0) return page;
  return undefined;
}
