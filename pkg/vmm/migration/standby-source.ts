/**
 * The end of a stand-by whose host has the machine; `standby.ts` has the laws. Phases: `reserving` until the stand-by has accepted, `copying` until it has what a first checkpoint needs, `checkpointing`, then
 * `committing` from when it asks the arbiter. Invariant: in `committing` the machine stands still.
 */
import type { Machine, MachineState } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { blockPayload } from './block-mover.ts';
import { Claim } from './claim.ts';
import type { MigrationEffect, MigrationEnd, MigrationEvent, MigrationFigures, Owner, Phase } from './contract.ts';
import { Copier } from './copier.ts';
import { HotCodeTeller } from './hot-code.ts';
import { introduce } from './introduction.ts';
import { LinkMeter } from './link-meter.ts';
import { checkpointBytes, memoryDigest } from './messages.ts';
import { Outbox } from './outbox.ts';
import { PageEncoder } from './page-encoder.ts';
import { batchPagesMax, filledPages, roundPagesMax } from './page-format.ts';
import { PageQueue } from './page-queue.ts';
import { firstPages } from './page-sets.ts';
import type { CreateStandbySource } from './standby.ts';
import { Lease } from './standby-lease.ts';
import { Fields, type Frame, FrameReader, reasonBytes, reasonOf, u32Bytes, WireError } from './wire.ts';

/** A stand-by that has not accepted for so long is given up. */
const acceptMs = 10_000;
/** Pages that a first checkpoint may have, so that the machine does not stand still for long: with more, another round goes before it, up to so many. */
const firstPagesMax = 512;
const roundsMax = 5;

type Options = Parameters<CreateStandbySource>[0];

/** A checkpoint that is on its way. */
interface Sending {
  readonly number: number;
  readonly takenMs: number;
  readonly state: MachineState;
  /** Pages as they were, those of them that are still to be told. */
  readonly frozen: ReadonlyMap<number, Uint8Array>;
  readonly queue: PageQueue;
  readonly blocks: { readonly block: number; readonly bytes: Uint8Array }[];
  isSent: boolean;
}

class StandbySource implements MigrationEnd {
  private readonly options: Options;
  private readonly machine: Machine;
  private readonly out: Outbox;
  private readonly claim: Claim;
  private readonly meter: LinkMeter;
  private readonly encoder: PageEncoder;
  private readonly copier: Copier;
  private readonly reader = new FrameReader();
  private readonly hot = new HotCodeTeller();
  private readonly lease: Lease;
  private phase: Phase = 'reserving';
  private nowMs = 0;
  private beganMs = 0;
  private isLinked = true;
  private reason = '';
  private sending: Sending | undefined;
  private taken = 0;
  private takenMs = 0;
  private acknowledged = { number: 0, takenMs: 0 };
  private lastPages = 0;
  private stoodMs = 0;

  constructor(options: Options) {
    const { machine, settings, disk, config, cpuMs } = options;
    this.options = options;
    this.machine = machine;
    this.out = new Outbox(settings.bandwidth);
    this.claim = new Claim('source', this.out);
    this.meter = new LinkMeter(settings.bandwidth);
    this.lease = new Lease(settings.takeoverMs);
    this.encoder = new PageEncoder({
      pages: machine.pages,
      isCompressing: settings.compress,
      dictionary: config.kernel,
      read: (page) => this.sending?.frozen.get(page) ?? machine.readPage(page),
      ...(cpuMs === undefined ? {} : { cpuMs }),
    });
    this.copier = new Copier({ machine, disk, encoder: this.encoder, out: this.out });
  }

  get figures(): MigrationFigures {
    const { phase, taken, acknowledged, lastPages: pages, stoodMs } = this;
    return {
      mode: 'standby',
      phase,
      rounds: [...this.copier.rounds],
      sentBytes: this.out.sentBytes,
      bandwidth: this.meter.bandwidth,
      throttle: 1,
      usedBytes: filledPages(this.encoder.sums) * PAGE_SIZE,
      classes: this.encoder.classes,
      ...{ faults: 0, pushed: 0, prePaged: 0 },
      standby: {
        ...{ taken, pages, stoodMs },
        acknowledged: acknowledged.number,
        lagMs: acknowledged.number === 0 ? 0 : this.nowMs - acknowledged.takenMs,
      },
    };
  }

  on(event: MigrationEvent): readonly MigrationEffect[] {
    if (this.isOver) return [];
    this.nowMs = event.nowMs;
    try {
      this.handle(event);
      this.pump();
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.fail(error.message);
    }
    return this.out.take();
  }

  private get isOver(): boolean {
    return this.phase === 'completed' || this.phase === 'aborted';
  }

  private handle(event: MigrationEvent): void {
    switch (event.type) {
      case 'start':
        this.begin();
        return;
      case 'received':
        if (!this.isLinked) return;
        for (const frame of this.reader.push(event.bytes)) if (!this.isOver) this.receive(frame);
        return;
      case 'sent':
        this.out.hostHas(event.waitingBytes);
        this.meter.note({ ...event, sentBytes: this.out.sentBytes });
        return;
      case 'tick':
        this.tick();
        return;
      case 'claimed':
        this.answered(this.claim.answered(event.owner));
        return;
      case 'lost':
        this.isLinked = false;
        this.fail(event.reason);
        return;
      case 'abort':
        this.fail(event.reason);
        return;
      case 'fault':
      case 'reconnected':
      case 'take-over':
        return;
      default:
        event satisfies never;
    }
  }

  private begin(): void {
    const { options, copier, machine, out } = this;
    this.beganMs = this.nowMs;
    const { takeoverMs } = options.settings;
    introduce(out, {
      ...{ mode: 'standby', config: options.config, takeoverMs },
      blocks: copier.blocks,
      state: machine.saveState(),
    });
  }

  private tick(): void {
    const { lease, nowMs, phase } = this;
    this.claim.tick(nowMs);
    if (phase === 'reserving' && nowMs - this.beganMs > acceptMs) this.fail('the stand-by does not answer');
    if (phase !== 'checkpointing') return;
    if (lease.isOver(nowMs)) {
      this.fail('the stand-by does not answer any more');
      return;
    }
    const beat = lease.beat(nowMs);
    if (beat !== undefined) this.out.send('heartbeat', u32Bytes(beat), true);
    if (this.sending === undefined && nowMs - this.takenMs >= this.options.settings.intervalMs)
      this.take(this.machine.takeDirty());
  }

  private receive({ type, payload }: Frame): void {
    const { phase } = this;
    if (phase === 'committing') return;
    if (type === 'refuse') this.fail(`the node refuses to stand by: ${reasonOf(payload)}`);
    else if (type === 'abort') this.fail(`the stand-by has given up: ${reasonOf(payload)}`);
    else if (type === 'accept' && phase === 'reserving') this.startCopying();
    else if (type === 'heartbeat' && phase === 'checkpointing') this.echoed(new Fields(payload).u32());
    else if (type === 'acknowledge' && phase === 'checkpointing') this.kept(new Fields(payload).u32());
    else throw new WireError(`Cannot take ${type} while ${phase}`);
  }

  private echoed(beat: number): void {
    if (!this.lease.echoed(beat)) throw new WireError(`Cannot take the echo of a heartbeat that was not sent: ${beat}`);
  }

  /** The stand-by has all of a checkpoint: what the machine had given off by then may leave. */
  private kept(number: number): void {
    const { sending } = this;
    if (sending?.isSent !== true || sending.number !== number)
      throw new WireError(`Cannot take the acknowledgement of checkpoint ${number}: it was not sent`);
    this.acknowledged = sending;
    this.sending = undefined;
    this.out.push({ type: 'output', act: 'release', checkpoint: number });
  }

  private startCopying(): void {
    this.phase = 'copying';
    this.copier.start(firstPages(this.machine, 'pre-copy'), this.nowMs);
  }

  /** The stand-by has been sent everything once: what was written meanwhile is another round, or the first checkpoint. */
  private endRound(): void {
    const { copier, nowMs } = this;
    const { pages } = copier.endRound(nowMs);
    if (pages.length > firstPagesMax && copier.rounds.length < roundsMax) {
      copier.begin(pages, nowMs);
      return;
    }
    // Blocks of the disk that were written meanwhile.
    while (copier.send(batchPagesMax));
    this.phase = 'checkpointing';
    this.lease.begin(nowMs);
    this.out.push({ type: 'output', act: 'hold' });
    this.take(pages);
  }

  /** Takes a checkpoint: the machine stands still between two slices, so that this is one moment of it. */
  private take(pages: readonly number[]): void {
    const { machine, nowMs } = this;
    const { disk, cpuMs = () => 0 } = this.options;
    const beganMs = cpuMs();
    const number = ++this.taken;
    const queue = new PageQueue();
    queue.add(pages);
    this.sending = {
      ...{ number, takenMs: nowMs, queue, isSent: false },
      state: machine.saveState(),
      frozen: new Map(pages.map((page) => [page, machine.readPage(page)])),
      blocks: (disk?.takeDirty() ?? []).map((block) => ({ block, bytes: disk?.read(block) ?? new Uint8Array(0) })),
    };
    this.takenMs = nowMs;
    this.lastPages = pages.length;
    this.stoodMs = cpuMs() - beganMs;
    this.out.push({ type: 'output', act: 'mark', checkpoint: number });
  }

  /** Makes what there is room for: one batch while the machine runs beside it. */
  private pump(): void {
    if (!this.out.hasRoom || !this.isLinked) return;
    if (this.phase === 'copying' && !this.copier.send(roundPagesMax(this.copier.rounds.length))) this.endRound();
    else if (this.phase === 'checkpointing' && this.sending?.isSent === false) this.sendSome(this.sending);
  }

  private sendSome(sending: Sending): void {
    const { out, encoder, machine } = this;
    const pages = sending.queue.take(batchPagesMax, () => false);
    const block = pages.length > 0 ? undefined : sending.blocks.pop();
    if (pages.length > 0)
      out.send('pages', encoder.encode(pages, { round: this.copier.rounds.length, origin: 'round', isAlone: false }));
    else if (block !== undefined) out.send('blocks', blockPayload(block.block, block.bytes));
    else {
      this.hot.tell(machine, out);
      const { number, state } = sending;
      const digest = memoryDigest(encoder.sums, new Uint8Array(machine.pages));
      out.send('checkpoint', checkpointBytes({ number, state, digest }, machine.pages));
      sending.isSent = true;
    }
  }

  /** It does not go on. Who has sent what could be taken over asks whose the machine is. */
  private fail(reason: string): void {
    if (this.isOver || this.phase === 'committing') return;
    this.reason = reason;
    if (!this.lease.hasBegun) {
      this.keep();
      return;
    }
    this.phase = 'committing';
    this.out.push({ type: 'pause' });
    this.claim.ask(this.nowMs);
  }

  private answered(owner: Owner | undefined): void {
    if (owner === 'source') this.keep();
    else if (owner === 'target') this.leave();
  }

  /** The machine goes on here, alone. */
  private keep(): void {
    this.copier.stop();
    this.out.push({ type: 'output', act: 'free' });
    if (this.lease.hasBegun) this.out.push({ type: 'resume' });
    if (this.isLinked) this.out.send('abort', reasonBytes(this.reason));
    this.end('aborted');
  }

  /** The stand-by has it: what was done here since its checkpoint is nothing. */
  private leave(): void {
    this.out.push({ type: 'output', act: 'drop' });
    this.out.push({ type: 'destroy' });
    this.end('completed');
  }

  private end(outcome: 'completed' | 'aborted'): void {
    this.phase = outcome;
    this.sending = undefined;
    this.out.push({ type: 'close' });
    this.out.push({ type: 'ended', outcome, reason: this.reason });
  }
}

/** Makes the end of the host that has the machine. */
export const createStandbySource: CreateStandbySource = (options) => new StandbySource(options);
