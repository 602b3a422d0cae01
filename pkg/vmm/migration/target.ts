/**
 * The target's end of a migration; see the contract for its laws. The machine is made as soon as its kernel has come and filled while the source still runs its own, so that at the handover only the
 * last pages and the state are left. Invariants: nothing of what came is used before it was checked; whose the machine is, `Ownership` knows: it runs only after that has said so, and what was asked of the
 * arbiter is answered before this end is over.
 */
import { errorText } from '#pkg/base/error-text.ts';
import { createMachine } from '../machine.ts';
import type { Machine, MachineState } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { writeBlock } from './block-mover.ts';
import type {
  BlockStore,
  CreateTarget,
  MigrationEffect,
  MigrationEnd,
  MigrationEvent,
  MigrationFigures,
  Phase,
} from './contract.ts';
import { HotCode } from './hot-code.ts';
import { readHandover } from './messages.ts';
import { Outbox } from './outbox.ts';
import { Ownership, type Verdict } from './ownership.ts';
import { isLive } from './page-sets.ts';
import { nameBytes } from './piece-tree.ts';
import { Reception } from './reception.ts';
import { Silence } from './silence.ts';
import { noClasses, TargetMemory } from './target-memory.ts';
import { TreeReceiver } from './tree-transfer.ts';
import { Fields, type Frame, FrameReader, reasonBytes, reasonOf, u32Bytes, WireError } from './wire.ts';

/** The source is not waited for longer, once nothing more is to come from it. */
const byeMs = 2000;
/** A source that owes something and says nothing at all for so long is given up: it may stand still and wait for this end's word. */
const silentMs = 30_000;
const nothingCame = { usedPages: 0, faults: 0, pushed: 0, prePaged: 0 };

type Options = Parameters<CreateTarget>[0];

/** The target's end. */
class MigrationTarget implements MigrationEnd {
  private readonly options: Options;
  private readonly out = new Outbox(0);
  private readonly ownership = new Ownership(this.out);
  private readonly reader = new FrameReader();
  private phase: Phase = 'reserving';
  private isOver = false;
  private nowMs = 0;
  private readonly silence = new Silence();
  private isLinked = true;
  /** Another connection was made before this end knew that the machine is its. */
  private wasCut = false;
  private readonly reception: Reception;
  private machine: Machine | undefined;
  private memory: TargetMemory | undefined;
  private readonly hot = new HotCode();
  /** The round that is acknowledged once the hot code is compiled. */
  private roundAsked: number | undefined;
  private tree: TreeReceiver | undefined;
  private disk: BlockStore | undefined;
  private receivedBytes = 0;
  private stoppedMs: number | undefined;
  private downtimeMs: number | undefined;
  private completedMs: number | undefined;
  /** All is done but for what the arbiter has to write down. */
  private isFinished = false;
  /** Why the machine, which this end has destroyed, is given back to the source. */
  private returnedFor: string | undefined;

  constructor(options: Options) {
    this.options = options;
    this.reception = new Reception(options);
  }

  get figures(): MigrationFigures {
    const { phase } = this;
    const { usedPages, faults, pushed, prePaged } = this.memory ?? nothingCame;
    return {
      mode: this.reception.hello?.mode ?? 'pre-copy',
      phase,
      rounds: [],
      sentBytes: this.receivedBytes,
      bandwidth: 0,
      throttle: 1,
      ...(this.downtimeMs === undefined ? {} : { downtimeMs: this.downtimeMs }),
      usedBytes: usedPages * PAGE_SIZE,
      classes: noClasses,
      ...{ faults, pushed, prePaged },
    };
  }

  get isBusy(): boolean {
    return this.phase === 'copying' && !this.hot.isDone;
  }

  on(event: MigrationEvent): readonly MigrationEffect[] {
    if (this.isOver) return [];
    this.nowMs = event.nowMs;
    try {
      this.handle(event);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.fail(error.message);
    }
    return this.out.take();
  }

  private handle(event: MigrationEvent): void {
    switch (event.type) {
      case 'start':
        return;
      case 'received':
        if (!this.isLinked) return;
        this.receivedBytes += event.bytes.length;
        this.silence.heard();
        for (const frame of this.reader.push(event.bytes)) if (!this.isOver && this.isLinked) this.receive(frame);
        return;
      case 'sent':
        this.out.hostHas(event.waitingBytes);
        return;
      case 'tick':
        this.tick();
        return;
      case 'fault':
        this.fault(event.page);
        return;
      case 'claimed':
        this.answered(this.ownership.answered(event.owner));
        return;
      case 'lost':
        this.isLinked = false;
        if (this.phase === 'completed') this.finish();
        else if (this.mayGiveUp) this.giveUp(event.reason);
        return;
      case 'reconnected':
        this.reconnected();
        return;
      case 'abort':
        this.abort(event.reason);
        return;
      case 'take-over':
        return;
      default:
        event satisfies never;
    }
  }

  /** Not all of the machine is here: it has not been taken. */
  private get mayGiveUp(): boolean {
    return this.phase === 'reserving' || this.phase === 'copying';
  }

  private tick(): void {
    this.ownership.tick(this.nowMs);
    this.warm();
    this.silence.tick(this.nowMs);
    if (this.nowMs - (this.completedMs ?? this.nowMs) > byeMs) this.finish();
    const isWaiting = this.phase === 'copying' && this.ownership.isReady && this.roundAsked === undefined;
    if (isWaiting && this.silence.ms > silentMs) this.fail('nothing comes from the source any more');
  }

  private receive(frame: Frame): void {
    const { type, payload } = frame;
    const { phase, machine } = this;
    if (type === 'abort') this.sourceGaveUp(reasonOf(payload));
    else if (type === 'bye' && phase === 'completed') this.finish();
    else if (type === 'hello' && phase === 'reserving') this.greet(payload);
    else if (type === 'kernel' && phase === 'reserving') this.takeKernel(payload);
    else if (type === 'pages' && phase === 'paging') this.takeMissing(payload);
    else if (phase === 'copying' && machine !== undefined) this.copy(machine, frame);
    else throw new WireError(`Cannot take ${type} while ${phase}`);
  }

  private greet(payload: Uint8Array): void {
    const problem = this.reception.greet(payload, { isStandby: false });
    if (problem === undefined) return;
    this.out.send('refuse', reasonBytes(problem));
    this.over('aborted', problem);
  }

  private takeKernel(payload: Uint8Array): void {
    const made = this.reception.takeKernel(payload);
    if (made === undefined) return;
    const { machine, hello } = made;
    this.machine = machine;
    this.memory = new TargetMemory(machine, machine.config.kernel);
    if (hello.blocks > 0) this.disk = this.options.makeDisk?.(hello.blocks);
    this.phase = 'copying';
    if (isLive(hello.mode)) this.ownership.prepare(this.nowMs);
    this.out.send('accept');
  }

  private copy(machine: Machine, { type, payload }: Frame): void {
    if (type === 'pages') this.memory?.takePages(payload);
    else if (type === 'blocks') writeBlock(payload, this.disk);
    else if (type === 'round') this.endRound(new Fields(payload).u32());
    else if (type === 'hot') this.hot.take(payload);
    else if (type === 'root' && this.tree === undefined && this.reception.hello?.mode === 'suspend')
      this.startTree(machine, payload);
    else if (type === 'piece' && this.tree !== undefined) this.tree.take(payload);
    else if (type === 'state') this.takeState(machine, payload);
    else throw new WireError(`Cannot take ${type} while copying`);
  }

  private endRound(round: number): void {
    this.roundAsked = round;
    this.acknowledge();
  }

  private acknowledge(): void {
    if (this.roundAsked === undefined || !this.isLinked || !this.hot.isDone || !this.ownership.isReady) return;
    this.out.send('acknowledge', u32Bytes(this.roundAsked), true);
    this.roundAsked = undefined;
  }

  private warm(): void {
    if (this.phase !== 'copying' || this.machine === undefined || this.hot.isDone) return;
    this.hot.warm(this.machine);
    this.acknowledge();
  }

  private startTree(machine: Machine, root: Uint8Array): void {
    if (root.length !== nameBytes) throw new WireError('Cannot read the name of a memory');
    this.tree = new TreeReceiver(
      { machine, out: this.out, dictionary: machine.config.kernel, store: this.options.pieces },
      root,
    );
  }

  /** The machine as it was at the handover; one that was off is made anew. */
  private machineAt(machine: Machine, state: MachineState | undefined): Machine {
    const mode = this.reception.hello?.mode;
    const isLacking = mode === 'suspend' && this.tree?.isDone !== true;
    if ((state === undefined) !== (mode === 'cold') || isLacking)
      throw new WireError('Cannot run the machine: not all of it has come');
    try {
      if (state === undefined) return createMachine(machine.config, undefined, this.options);
      machine.restoreState(state);
      return machine;
    } catch (error) {
      throw new WireError(errorText(error));
    }
  }

  private takeState(machine: Machine, payload: Uint8Array): void {
    const { memory } = this;
    const handover = readHandover(payload, machine.pages);
    memory?.check(handover);
    this.machine = this.machineAt(machine, handover.state);
    memory?.lack(handover.missing);
    this.stoppedMs = this.nowMs;
    this.phase = 'committing';
    if (this.ownership.take(this.nowMs)) this.activate(this.machine);
  }

  private answered(verdict: Verdict | undefined): void {
    switch (verdict) {
      case undefined:
        return;
      case 'handover':
        this.acknowledge();
        return;
      case 'target':
        if (this.phase === 'committing' && this.machine !== undefined) this.activate(this.machine);
        if (this.isFinished) this.finish();
        return;
      case 'source':
        this.giveUp('the source has kept the machine');
        return;
      case 'returned':
        this.over('aborted', this.returnedFor ?? '');
        return;
      default:
        verdict satisfies never;
    }
  }

  /** The machine runs here from now on. */
  private activate(machine: Machine): void {
    this.downtimeMs = this.nowMs - (this.stoppedMs ?? this.nowMs);
    this.out.push({ type: 'activate', machine });
    this.phase = 'paging';
    if (this.isLinked) this.out.send('active', undefined, true);
    if (this.memory?.isWhole !== false) this.complete();
    else if (this.wasCut && this.isLinked) this.askMissing();
  }

  private fault(page: number): void {
    if (this.phase !== 'paging' && this.phase !== 'completed') return;
    const touched = this.memory?.touched(page) ?? 'here';
    if (touched === 'here') this.out.push({ type: 'page', page });
    else if (touched === 'wanted' && this.isLinked) this.out.send('request', u32Bytes(page), true);
  }

  private takeMissing(payload: Uint8Array): void {
    for (const page of this.memory?.takeMissing(payload) ?? []) this.out.push({ type: 'page', page });
    if (this.memory?.isWhole === true) this.complete();
  }

  private complete(): void {
    this.phase = 'completed';
    this.completedMs = this.nowMs;
    if (this.isLinked) this.out.send('complete', undefined, true);
    else this.finish();
  }

  /** Nothing more is to come. */
  private finish(): void {
    this.isFinished = true;
    if (this.ownership.isDecided) this.end('completed', '');
  }

  private reconnected(): void {
    if ((this.phase !== 'paging' && this.phase !== 'committing') || this.returnedFor !== undefined) return;
    this.reader.reset();
    this.out.hostHas(0);
    this.isLinked = true;
    if (this.phase === 'paging') this.askMissing();
    else this.wasCut = true;
  }

  /** Says what is lacking, as what was under way is lost. */
  private askMissing(): void {
    if (this.memory === undefined) return;
    this.out.send('missing', this.memory.lacking, true);
    for (const page of this.memory.waitedFor) this.out.send('request', u32Bytes(page), true);
  }

  private abort(reason: string): void {
    if (this.mayGiveUp) {
      this.fail(reason);
      return;
    }
    if (this.phase !== 'paging' || this.isLinked || this.returnedFor !== undefined) return;
    // The source's copy, as it was at the handover, can go on.
    this.returnedFor = `the source is gone (${reason}) and with it pages of its memory: the machine cannot go on here`;
    this.out.push({ type: 'destroy' });
    this.ownership.surrender(this.nowMs);
  }

  private sourceGaveUp(reason: string): void {
    if (this.mayGiveUp) this.giveUp(`the source has given up: ${reason}`);
  }

  private fail(reason: string): void {
    if (this.isLinked) this.out.send('abort', reasonBytes(reason));
    if (this.mayGiveUp) {
      this.giveUp(reason);
      return;
    }
    this.isLinked = false;
    this.out.push({ type: 'close' });
  }

  /** The copy here never runs, or never again. */
  private giveUp(reason: string): void {
    this.out.push({ type: 'destroy' });
    if (!this.ownership.giveBack(this.nowMs)) {
      this.over('aborted', reason);
      return;
    }
    this.returnedFor = reason;
    this.phase = 'aborted';
    this.isLinked = false;
    this.out.push({ type: 'close' });
  }

  private over(outcome: 'completed' | 'aborted', reason: string): void {
    this.phase = outcome;
    this.end(outcome, reason);
  }

  private end(outcome: 'completed' | 'aborted', reason: string): void {
    this.isOver = true;
    this.out.push({ type: 'close' });
    this.out.push({ type: 'ended', outcome, reason });
  }
}

/** Makes the target's end. */
export const createTarget: CreateTarget = (options) => new MigrationTarget(options);
