/**
 * The target's end of a migration; see the contract for its laws. The machine is made as soon as its kernel has come and filled while the source still runs its own, so that at the handover only the
 * last pages and the state are left. Invariants: nothing of what came is used before it was checked; the machine runs only after the arbiter has said `target`; once a claim is asked only its answer ends this end.
 */
import { errorText } from '#pkg/base/error-text.ts';
import { createMachine } from '../machine.ts';
import type { Machine, MachineState } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { writeBlock } from './block-mover.ts';
import { Claim } from './claim.ts';
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
import { digestText, type Hello, memoryDigest, missingBytes, readHandover, readHello } from './messages.ts';
import { Outbox } from './outbox.ts';
import { type DecoderDeps, decodeBatch } from './page-decoder.ts';
import { takeStream, zeroSum } from './page-format.ts';
import { nameBytes } from './piece-tree.ts';
import { TreeReceiver } from './tree-transfer.ts';
import { Fields, type Frame, FrameReader, reasonBytes, reasonOf, u32Bytes, WireError } from './wire.ts';

/** The source is not waited for longer, once nothing more is to come from it. */
const byeMs = 2000;
const nothing = { pages: 0, rawBytes: 0, sentBytes: 0, cpuMs: 0 };
const noClasses = { zero: nothing, repeated: nothing, similar: nothing, dictionary: nothing, plain: nothing };

type Options = Parameters<CreateTarget>[0];

/** The target's end. */
class MigrationTarget implements MigrationEnd {
  private readonly options: Options;
  private readonly out = new Outbox(0);
  private claim = new Claim('target', this.out);
  private readonly reader = new FrameReader();
  private phase: Phase = 'reserving';
  private isOver = false;
  private nowMs = 0;
  private isLinked = true;
  /** Another connection was made before this end knew that the machine is its. */
  private wasCut = false;
  private hello: Hello | undefined;
  private kernel: Uint8Array = new Uint8Array(0);
  private kernelFilled = 0;
  private machine: Machine | undefined;
  private decoder: DecoderDeps | undefined;
  private readonly hot = new HotCode();
  /** The round that is acknowledged once the hot code is compiled. */
  private roundAsked: number | undefined;
  private tree: TreeReceiver | undefined;
  private disk: BlockStore | undefined;
  private sums = new Uint32Array(0);
  private missing: Uint8Array = new Uint8Array(0);
  private missingCount = 0;
  /** Pages that the guest waits for. */
  private readonly awaited = new Set<number>();
  private receivedBytes = 0;
  private stoppedMs: number | undefined;
  private downtimeMs: number | undefined;
  private completedMs: number | undefined;
  /** Why the machine, which this end has destroyed, is given back to the source. */
  private returnedFor: string | undefined;
  private faults = 0;
  private pushed = 0;
  private prePaged = 0;

  constructor(options: Options) {
    this.options = options;
  }

  get figures(): MigrationFigures {
    const { phase, faults, pushed, prePaged } = this;
    const used = this.missingCount + this.sums.reduce((count, sum) => (sum === zeroSum ? count : count + 1), 0);
    return {
      mode: this.hello?.mode ?? 'pre-copy',
      phase,
      rounds: [],
      sentBytes: this.receivedBytes,
      bandwidth: 0,
      throttle: 1,
      ...(this.downtimeMs === undefined ? {} : { downtimeMs: this.downtimeMs }),
      usedBytes: used * PAGE_SIZE,
      classes: noClasses,
      ...{ faults, pushed, prePaged },
    };
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
        for (const frame of this.reader.push(event.bytes)) if (!this.isOver && this.isLinked) this.receive(frame);
        return;
      case 'sent':
        this.out.hostHas(event.waitingBytes);
        return;
      case 'tick':
        this.claim.tick(this.nowMs);
        this.warm();
        if (this.nowMs - (this.completedMs ?? this.nowMs) > byeMs) this.end('completed', '');
        return;
      case 'fault':
        this.fault(event.page);
        return;
      case 'claimed':
        this.answered(this.claim.answered(event.owner));
        return;
      case 'lost':
        this.isLinked = false;
        if (this.phase === 'completed') this.end('completed', '');
        else if (this.phase === 'reserving' || this.phase === 'copying') this.giveUp(event.reason);
        return;
      case 'reconnected':
        this.reconnected();
        return;
      case 'abort':
        this.abort(event.reason);
        return;
      default:
        event satisfies never;
    }
  }

  private receive(frame: Frame): void {
    const { type, payload } = frame;
    const { phase, hello, machine } = this;
    if (type === 'abort') this.sourceGaveUp(reasonOf(payload));
    else if (type === 'bye' && phase === 'completed') this.end('completed', '');
    else if (type === 'hello' && phase === 'reserving' && hello === undefined) this.greet(readHello(payload));
    else if (type === 'kernel' && phase === 'reserving' && hello !== undefined) this.takeKernel(hello, payload);
    else if (type === 'pages' && phase === 'paging') this.takeMissing(payload);
    else if (phase === 'copying' && machine !== undefined) this.copy(machine, frame);
    else throw new WireError(`Cannot take ${type} while ${phase}`);
  }

  private greet(hello: Hello): void {
    this.hello = hello;
    const problem = this.options.accept(hello.config) ?? this.diskProblem(hello);
    if (problem !== undefined) {
      this.out.send('refuse', reasonBytes(problem));
      this.over('aborted', problem);
      return;
    }
    this.kernel = new Uint8Array(hello.kernelBytes);
  }

  private diskProblem({ blocks }: Hello): string | undefined {
    return blocks > 0 && this.options.makeDisk === undefined ? 'it has no place for the disk' : undefined;
  }

  private takeKernel(hello: Hello, payload: Uint8Array): void {
    const fields = new Fields(payload);
    const piece = takeStream(fields);
    fields.end();
    if (piece.length === 0 || this.kernelFilled + piece.length > this.kernel.length)
      throw new WireError('Cannot take a kernel of another length');
    this.kernel.set(piece, this.kernelFilled);
    this.kernelFilled += piece.length;
    if (this.kernelFilled < this.kernel.length) return;
    if (digestText(this.kernel) !== hello.kernelDigest)
      throw new WireError('Cannot use the kernel: its digest is another');
    const machine = this.make(hello);
    this.machine = machine;
    this.sums = new Uint32Array(machine.pages).fill(zeroSum);
    this.missing = new Uint8Array(machine.pages);
    this.decoder = { pages: machine.pages, dictionary: this.kernel, read: (page) => machine.readPage(page) };
    if (hello.blocks > 0) this.disk = this.options.makeDisk?.(hello.blocks);
    this.phase = 'copying';
    this.out.send('accept');
  }

  private make({ config, state }: Hello): Machine {
    try {
      return createMachine({ ...config, kernel: this.kernel }, state);
    } catch (error) {
      throw new WireError(errorText(error));
    }
  }

  private copy(machine: Machine, { type, payload }: Frame): void {
    if (type === 'pages') this.takePages(machine, payload);
    else if (type === 'blocks') writeBlock(payload, this.disk);
    else if (type === 'round') this.endRound(new Fields(payload).u32());
    else if (type === 'hot') this.hot.take(payload);
    else if (type === 'root' && this.tree === undefined && this.hello?.mode === 'suspend')
      this.startTree(machine, payload);
    else if (type === 'piece' && this.tree !== undefined) this.tree.take(payload);
    else if (type === 'state') this.takeState(machine, payload);
    else throw new WireError(`Cannot take ${type} while copying`);
  }

  private endRound(round: number): void {
    this.roundAsked = round;
    if (this.hot.isDone) this.acknowledge();
  }

  private acknowledge(): void {
    if (this.roundAsked === undefined || !this.isLinked) return;
    this.out.send('acknowledge', u32Bytes(this.roundAsked), true);
    this.roundAsked = undefined;
  }

  private warm(): void {
    if (this.phase !== 'copying' || this.machine === undefined || this.hot.isDone) return;
    this.hot.warm(this.machine);
    if (this.hot.isDone) this.acknowledge();
  }

  private takePages(machine: Machine, payload: Uint8Array): void {
    if (this.decoder === undefined) return;
    const { pages } = decodeBatch(payload, { deps: this.decoder, isAlone: false });
    for (const { page, bytes, sum, isZero } of pages) {
      // What is zeros already is not looked at, so that the host need not give memory for it.
      if (!isZero || this.sums[page] !== zeroSum) machine.writePage(page, bytes);
      this.sums[page] = sum;
    }
  }

  private startTree(machine: Machine, root: Uint8Array): void {
    if (root.length !== nameBytes) throw new WireError('Cannot read the name of a memory');
    this.tree = new TreeReceiver({ machine, out: this.out, dictionary: this.kernel, store: this.options.pieces }, root);
  }

  /** The machine as it was at the handover; one that was off is made anew. */
  private machineAt(machine: Machine, state: MachineState | undefined): Machine {
    const mode = this.hello?.mode;
    const isLacking = mode === 'suspend' && this.tree?.isDone !== true;
    if ((state === undefined) !== (mode === 'cold') || isLacking)
      throw new WireError('Cannot run the machine: not all of it has come');
    try {
      if (state === undefined) return createMachine(machine.config);
      machine.restoreState(state);
      return machine;
    } catch (error) {
      throw new WireError(errorText(error));
    }
  }

  private takeState(machine: Machine, payload: Uint8Array): void {
    const { state, digest, missing } = readHandover(payload, machine.pages);
    if (Buffer.compare(memoryDigest(this.sums, missing), digest) !== 0) {
      throw new WireError('Cannot run the machine: its memory is not what the source says it sent');
    }
    this.machine = this.machineAt(machine, state);
    this.missing = missing;
    for (let page = missing.indexOf(1); page >= 0; page = missing.indexOf(1, page + 1)) {
      this.machine.forgetPage(page);
      this.sums[page] = zeroSum;
      this.missingCount++;
    }
    this.stoppedMs = this.nowMs;
    this.phase = 'committing';
    this.claim.ask(this.nowMs);
  }

  private answered(owner: 'source' | 'target' | undefined): void {
    if (owner === undefined || this.machine === undefined) return;
    if (this.returnedFor !== undefined) {
      this.over('aborted', this.returnedFor);
      return;
    }
    if (owner === 'source') {
      this.giveUp('the source has kept the machine');
      return;
    }
    this.downtimeMs = this.nowMs - (this.stoppedMs ?? this.nowMs);
    this.out.push({ type: 'activate', machine: this.machine });
    this.phase = 'paging';
    if (this.isLinked) this.out.send('active', undefined, true);
    if (this.missingCount === 0) this.complete();
    else if (this.wasCut && this.isLinked) this.askMissing();
  }

  private fault(page: number): void {
    if (this.phase !== 'paging' && this.phase !== 'completed') return;
    if (this.missing[page] !== 1) {
      this.out.push({ type: 'page', page });
      return;
    }
    if (this.awaited.has(page)) return;
    this.awaited.add(page);
    this.faults++;
    if (this.isLinked) this.out.send('request', u32Bytes(page), true);
  }

  private takeMissing(payload: Uint8Array): void {
    if (this.decoder === undefined) return;
    const { pages, origin } = decodeBatch(payload, { deps: this.decoder, isAlone: true });
    for (const { page, bytes, sum } of pages) {
      // It is there already, and the guest may have written it.
      if (this.missing[page] !== 1) continue;
      this.machine?.writePage(page, bytes);
      this.sums[page] = sum;
      this.missing[page] = 0;
      this.missingCount--;
      if (this.awaited.delete(page)) this.out.push({ type: 'page', page });
      else if (origin === 'push') this.pushed++;
      else this.prePaged++;
    }
    if (this.missingCount === 0) this.complete();
  }

  private complete(): void {
    this.phase = 'completed';
    this.completedMs = this.nowMs;
    if (!this.isLinked) {
      this.end('completed', '');
      return;
    }
    this.out.send('complete', undefined, true);
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
    this.out.send('missing', missingBytes(this.missing), true);
    for (const page of this.awaited) this.out.send('request', u32Bytes(page), true);
  }

  private abort(reason: string): void {
    if (this.phase === 'reserving' || this.phase === 'copying') {
      this.fail(reason);
      return;
    }
    if (this.phase !== 'paging' || this.isLinked || this.returnedFor !== undefined) return;
    // The source's copy, as it was at the handover, can go on.
    this.returnedFor = `the source is gone (${reason}) and with it ${this.missingCount} pages: the machine cannot go on here`;
    this.out.push({ type: 'destroy' });
    this.claim = new Claim('source', this.out);
    this.claim.ask(this.nowMs);
  }

  private sourceGaveUp(reason: string): void {
    // After a claim was asked only its answer counts.
    if (this.phase === 'reserving' || this.phase === 'copying') this.giveUp(`the source has given up: ${reason}`);
  }

  private fail(reason: string): void {
    if (this.phase === 'reserving' || this.phase === 'copying') {
      if (this.isLinked) this.out.send('abort', reasonBytes(reason));
      this.giveUp(reason);
    } else {
      if (this.isLinked) this.out.send('abort', reasonBytes(reason));
      this.isLinked = false;
      this.out.push({ type: 'close' });
    }
  }

  private giveUp(reason: string): void {
    this.out.push({ type: 'destroy' });
    this.over('aborted', reason);
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
