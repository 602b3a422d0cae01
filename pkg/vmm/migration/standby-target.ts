/**
 * The end of a stand-by that waits; `standby.ts` has the laws. Phases: `reserving` and `copying` before the first checkpoint, `checkpointing`, `committing` from when it asks the arbiter. Invariants: nothing that
 * comes from then on is taken; the machine is made when its kernel is here, and runs no instruction before it is this end's.
 */
import { errorText } from '#pkg/base/error-text.ts';
import type { Machine } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { Claim } from './claim.ts';
import type {
  BlockStore,
  MigrationEffect,
  MigrationEnd,
  MigrationEvent,
  MigrationFigures,
  Owner,
  Phase,
} from './contract.ts';
import { HotCode } from './hot-code.ts';
import { type Checkpoint, readCheckpoint } from './messages.ts';
import { Outbox } from './outbox.ts';
import { Reception } from './reception.ts';
import { Silence } from './silence.ts';
import { StagedMemory } from './staged-memory.ts';
import type { CreateStandbyTarget } from './standby.ts';
import { noClasses } from './target-memory.ts';
import { Fields, type Frame, FrameReader, reasonBytes, reasonOf, u32Bytes, WireError } from './wire.ts';

type Options = Parameters<CreateStandbyTarget>[0];

/** What is here of the machine. */
interface Kept {
  readonly machine: Machine;
  readonly memory: StagedMemory;
  readonly takeoverMs: number;
}

class StandbyTarget implements MigrationEnd {
  private readonly options: Options;
  private readonly out = new Outbox(0);
  private readonly claim = new Claim('target', this.out);
  private readonly reader = new FrameReader();
  private readonly reception: Reception;
  private readonly hot = new HotCode();
  /** Since the last echo: nothing was promised after it. */
  private readonly silence = new Silence();
  private phase: Phase = 'reserving';
  private nowMs = 0;
  private isLinked = true;
  private kept: Kept | undefined;
  private checkpoint: Checkpoint | undefined;
  /** The arbiter has said that the machine is this end's. */
  private isOurs = false;
  private reason = '';
  private receivedBytes = 0;

  constructor(options: Options) {
    this.options = options;
    this.reception = new Reception(options);
  }

  get figures(): MigrationFigures {
    const number = this.checkpoint?.number ?? 0;
    return {
      mode: 'standby',
      phase: this.phase,
      rounds: [],
      sentBytes: this.receivedBytes,
      bandwidth: 0,
      throttle: 1,
      usedBytes: (this.kept?.memory.usedPages ?? 0) * PAGE_SIZE,
      classes: noClasses,
      ...{ faults: 0, pushed: 0, prePaged: 0 },
      standby: { taken: number, acknowledged: number, lagMs: 0, pages: 0, stoodMs: 0 },
    };
  }

  get isBusy(): boolean {
    return !this.hot.isDone;
  }

  on(event: MigrationEvent): readonly MigrationEffect[] {
    if (this.isOver) return [];
    this.nowMs = event.nowMs;
    try {
      this.handle(event);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.giveUp(error.message);
    }
    return this.out.take();
  }

  private get isOver(): boolean {
    return this.phase === 'completed' || this.phase === 'aborted';
  }

  private handle(event: MigrationEvent): void {
    switch (event.type) {
      case 'received':
        if (!this.isLinked) return;
        this.receivedBytes += event.bytes.length;
        for (const frame of this.reader.push(event.bytes)) if (!this.isOver && this.isLinked) this.receive(frame);
        return;
      case 'sent':
        this.out.hostHas(event.waitingBytes);
        return;
      case 'tick':
        this.tick();
        return;
      case 'claimed':
        this.answered(this.claim.answered(event.owner));
        return;
      case 'lost':
        this.isLinked = false;
        if (this.checkpoint === undefined) this.giveUp(event.reason);
        return;
      case 'take-over':
        if (this.checkpoint === undefined) this.giveUp(`no checkpoint has come yet: ${event.reason}`);
        else this.takeOver(event.reason);
        return;
      case 'abort':
        this.giveUp(event.reason);
        return;
      case 'fault':
      case 'reconnected':
      case 'start':
        return;
      default:
        event satisfies never;
    }
  }

  private tick(): void {
    const { kept, phase } = this;
    this.claim.tick(this.nowMs);
    this.silence.tick(this.nowMs);
    if (kept === undefined) return;
    if (!this.hot.isDone) this.hot.warm(kept.machine);
    if (this.silence.ms <= kept.takeoverMs) return;
    if (phase === 'checkpointing') this.takeOver('nothing comes from the source any more');
    else if (this.isOurs) this.activate(kept);
  }

  private receive({ type, payload }: Frame): void {
    const { phase, kept } = this;
    if (type === 'abort') this.giveUp(`the source goes on without it: ${reasonOf(payload)}`);
    else if (type === 'hello' && phase === 'reserving') this.greet(payload);
    else if (type === 'kernel' && phase === 'reserving') this.takeKernel(payload);
    else if (kept === undefined) throw new WireError(`Cannot take ${type} while ${phase}`);
    else if (type === 'pages') kept.memory.takePages(payload);
    else if (type === 'blocks') kept.memory.takeBlock(payload);
    else if (type === 'hot') this.hot.take(payload);
    else if (type === 'checkpoint') this.keep(kept, payload);
    else if (type === 'heartbeat') this.echo(payload);
    else throw new WireError(`Cannot take ${type} while ${phase}`);
  }

  private greet(payload: Uint8Array): void {
    const problem = this.reception.greet(payload, { isStandby: true });
    if (problem === undefined) return;
    this.out.send('refuse', reasonBytes(problem));
    this.end('aborted', problem);
  }

  private takeKernel(payload: Uint8Array): void {
    const made = this.reception.takeKernel(payload);
    if (made === undefined) return;
    const { machine, hello } = made;
    const disk: BlockStore | undefined = hello.blocks > 0 ? this.options.makeDisk?.(hello.blocks) : undefined;
    this.kept = { machine, memory: new StagedMemory(machine, disk), takeoverMs: hello.takeoverMs ?? 0 };
    this.phase = 'copying';
    this.out.send('accept');
  }

  /** All of a checkpoint is here: it takes the place of the one before. */
  private keep({ machine, memory }: Kept, payload: Uint8Array): void {
    const checkpoint = readCheckpoint(payload, machine.pages);
    const before = this.checkpoint?.number ?? 0;
    if (checkpoint.number !== before + 1)
      throw new WireError(`Cannot take checkpoint ${checkpoint.number} after ${before}`);
    memory.commit(checkpoint.digest);
    this.checkpoint = checkpoint;
    this.phase = 'checkpointing';
    if (before === 0) this.silence.heard();
    this.out.send('acknowledge', u32Bytes(checkpoint.number), true);
  }

  private echo(payload: Uint8Array): void {
    this.silence.heard();
    this.out.send('heartbeat', u32Bytes(new Fields(payload).u32()), true);
  }

  /** Nothing of the source is heard from here on, and nothing is promised to it. */
  private takeOver(reason: string): void {
    if (this.phase !== 'checkpointing') return;
    this.reason = reason;
    this.phase = 'committing';
    this.isLinked = false;
    this.claim.ask(this.nowMs);
  }

  private answered(owner: Owner | undefined): void {
    if (owner === 'target') this.isOurs = true;
    else if (owner === 'source') {
      this.out.push({ type: 'destroy' });
      this.end('aborted', 'the source goes on without it');
    }
  }

  private activate({ machine }: Kept): void {
    if (this.checkpoint === undefined) return;
    try {
      machine.restoreState(this.checkpoint.state);
    } catch (error) {
      // The machine has no copy that could run: it is to be started anew.
      this.out.push({ type: 'destroy' });
      this.end('aborted', errorText(error));
      return;
    }
    this.out.push({ type: 'activate', machine });
    this.end('completed', this.reason);
  }

  /** The copy here never runs: who has not asked for the machine may forget it. */
  private giveUp(reason: string): void {
    if (this.isOver || this.phase === 'committing') return;
    if (this.isLinked) this.out.send('abort', reasonBytes(reason));
    this.out.push({ type: 'destroy' });
    this.end('aborted', reason);
  }

  private end(outcome: 'completed' | 'aborted', reason: string): void {
    this.phase = outcome;
    this.out.push({ type: 'close' });
    this.out.push({ type: 'ended', outcome, reason });
  }
}

/** Makes the end of the stand-by. */
export const createStandbyTarget: CreateStandbyTarget = (options) => new StandbyTarget(options);
