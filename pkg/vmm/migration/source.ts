/**
 * The source's end of a migration; see the contract for its laws. Phases: `reserving` until the target has accepted, `copying` in rounds while the machine runs, `stopping` from its pause on,
 * `committing` from the moment at which the target may claim it, `paging` while the target runs it and lacks pages. Invariant: up to `stopping` the machine is this end's whatever
 * happens; from `committing` on only an answer of the arbiter makes it so again, or lets this end destroy it.
 */
import type { Machine } from '../machine-contract.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { Claim } from './claim.ts';
import type {
  CreateSource,
  MigrationEffect,
  MigrationEnd,
  MigrationEvent,
  MigrationFigures,
  MigrationSettings,
  Owner,
  Phase,
} from './contract.ts';
import { Copier } from './copier.ts';
import { HotCodeTeller } from './hot-code.ts';
import { introduce } from './introduction.ts';
import { LinkMeter } from './link-meter.ts';
import { handoverBytes, memoryDigest } from './messages.ts';
import { Outbox } from './outbox.ts';
import { PageEncoder } from './page-encoder.ts';
import { batchPagesMax, filledPages, roundPagesMax } from './page-format.ts';
import { firstPages, isLive, writtenPages } from './page-sets.ts';
import { Paging } from './paging.ts';
import { PostCopyStart } from './post-copy-start.ts';
import { nextStep } from './pre-copy-plan.ts';
import { TreeSender } from './tree-transfer.ts';
import { Fields, type Frame, FrameReader, reasonBytes, reasonOf, u32Bytes, WireError } from './wire.ts';

/** A target that has not accepted for so long is given up. */
const acceptMs = 10_000;
/** Without news of the target for so long after the handover, this end asks whose the machine is. */
const commitMs = 3000;

type Options = Parameters<CreateSource>[0];

/** The source's end. */
class MigrationSource implements MigrationEnd {
  private readonly machine: Machine;
  private readonly settings: MigrationSettings;
  private readonly options: Options;
  private readonly out: Outbox;
  private readonly claim: Claim;
  private readonly meter: LinkMeter;
  private readonly encoder: PageEncoder;
  private readonly copier: Copier;
  private readonly reader = new FrameReader();
  private readonly hot = new HotCodeTeller();
  private tree: TreeSender | undefined;
  private paging: Paging | undefined;
  private phase: Phase = 'reserving';
  private nowMs = 0;
  private beganMs = 0;
  private committingMs = 0;
  private pausedMs: number | undefined;
  private downtimeMs: number | undefined;
  private share = 1;
  private isLinked = true;
  /** The target has all that it needs; what is missing is the arbiter's word. */
  private isDone = false;
  /** Nobody makes the connection again over which pages would go. */
  private isGivenUp = false;
  private reason = '';
  private isRoundAsked = false;
  private dirtyBefore = Number.POSITIVE_INFINITY;
  private ahead: PostCopyStart | undefined;
  /** Pages that are not told until the target runs. */
  private missing: Uint8Array;

  constructor(options: Options) {
    const { machine, settings, disk, config, cpuMs } = options;
    this.options = options;
    this.machine = machine;
    this.settings = settings;
    this.out = new Outbox(settings.bandwidth);
    this.claim = new Claim('source', this.out);
    this.meter = new LinkMeter(settings.bandwidth);
    this.missing = new Uint8Array(machine.pages);
    this.encoder = new PageEncoder({
      pages: machine.pages,
      isCompressing: settings.compress,
      dictionary: config.kernel,
      read: (page) => machine.readPage(page),
      ...(cpuMs === undefined ? {} : { cpuMs }),
    });
    this.copier = new Copier({ machine, disk, encoder: this.encoder, out: this.out });
  }

  get figures(): MigrationFigures {
    const { phase, share } = this;
    const { rounds } = this.copier;
    const { left, faults, pushed, prePaged } = this.paging ?? { left: 0, faults: 0, pushed: 0, prePaged: 0 };
    const used = isLive(this.settings.mode) ? left + filledPages(this.encoder.sums) : writtenPages(this.machine).length;
    return {
      mode: this.settings.mode,
      phase,
      rounds: [...rounds],
      sentBytes: this.out.sentBytes,
      bandwidth: this.meter.bandwidth,
      throttle: share,
      ...(this.downtimeMs === undefined ? {} : { downtimeMs: this.downtimeMs }),
      usedBytes: used * PAGE_SIZE,
      classes: this.encoder.classes,
      ...{ faults, pushed, prePaged },
    };
  }

  on(event: MigrationEvent): readonly MigrationEffect[] {
    if (this.isOver) return [];
    this.nowMs = event.nowMs;
    try {
      this.handle(event);
      // While the guest runs the host says when it is time for more.
      if (event.type !== 'tick' || this.phase !== 'copying') this.pump();
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
        this.answered(this.claim.answered(event.owner), event.isWhole !== false);
        return;
      case 'lost':
        this.isLinked = false;
        if (this.phase !== 'paging') this.fail(event.reason);
        return;
      case 'reconnected':
        this.reader.reset();
        this.out.hostHas(0);
        this.isLinked = true;
        this.isGivenUp = false;
        return;
      case 'abort':
        if (this.phase !== 'paging') this.fail(event.reason);
        else if (!this.isLinked) this.giveUpPaging(event.reason);
        return;
      case 'fault':
      case 'take-over':
        return;
      default:
        event satisfies never;
    }
  }

  private begin(): void {
    const { options, copier, machine } = this;
    this.beganMs = this.nowMs;
    introduce(this.out, {
      mode: this.settings.mode,
      config: options.config,
      blocks: copier.blocks,
      state: machine.saveState(),
    });
  }

  private tick(): void {
    this.claim.tick(this.nowMs);
    if (this.phase === 'reserving' && this.nowMs - this.beganMs > acceptMs) this.fail('the target does not answer');
    if (this.phase === 'committing' && this.nowMs - this.committingMs > commitMs) {
      this.askWhose('the target does not say that it runs the machine');
    }
  }

  private receive({ type, payload }: Frame): void {
    const { phase, paging } = this;
    if (type === 'refuse') this.fail(`the target refuses the machine: ${reasonOf(payload)}`);
    else if (type === 'abort') this.fail(`the target has given up: ${reasonOf(payload)}`);
    else if (type === 'accept' && phase === 'reserving') this.startCopying();
    else if (type === 'acknowledge' && phase === 'copying' && this.isRoundAsked) this.acknowledged(payload);
    else if (type === 'active' && (phase === 'committing' || phase === 'paging')) this.targetRuns();
    else if (type === 'missing' && paging !== undefined) {
      this.targetRuns();
      paging.reset(payload);
    } else if (type === 'request' && phase === 'paging') paging?.demand(new Fields(payload).u32(), this.nowMs);
    else if (type === 'want' && phase === 'stopping' && this.tree !== undefined) this.tree.wants(payload);
    else if (type === 'complete' && (phase === 'paging' || phase === 'committing')) this.confirm();
    else throw new WireError(`Cannot take ${type} while ${phase}`);
  }

  private acknowledged(payload: Uint8Array): void {
    if (new Fields(payload).u32() === this.copier.rounds.length) this.endRound();
    else throw new WireError('Cannot go on: the target acknowledges another round');
  }

  private startCopying(): void {
    const { mode } = this.settings;
    this.phase = 'copying';
    if (mode === 'post-copy') this.ahead = new PostCopyStart(writtenPages(this.machine), this.encoder);
    this.copier.start(firstPages(this.machine, mode), this.nowMs);
    if (isLive(mode)) return;
    this.stop([]);
    const { machine, out, options } = this;
    if (mode === 'suspend')
      this.tree = new TreeSender({ machine, out, dictionary: options.config.kernel, store: options.pieces });
  }

  /** The target has all of the round: looks at what was written meanwhile. */
  private endRound(): void {
    const { settings, copier, share, nowMs } = this;
    this.isRoundAsked = false;
    const used = this.machine.touchedPages();
    const { pages, bytes } = copier.endRound(nowMs);
    const step = nextStep({
      settings,
      rounds: copier.rounds.length,
      dirtyPages: pages.length,
      dirtyBefore: this.dirtyBefore,
      restMs: this.meter.msFor(bytes, pages.length),
      share,
    });
    this.dirtyBefore = pages.length;
    switch (step.kind) {
      case 'give-up':
        this.fail(step.reason);
        return;
      case 'round':
        this.throttle(step.share);
        copier.begin(pages, nowMs);
        return;
      case 'stop':
        this.stop(pages);
        return;
      case 'post-copy':
        this.leave(pages, used);
        return;
      default:
        step satisfies never;
    }
  }

  /** Stops for the target to go on without some pages, unless there is something to be sent before: the guest wrote `dirty` in the last round, and used `used`. */
  private leave(dirty: readonly number[], used: readonly number[]): void {
    const { ahead, missing, settings } = this;
    const more = ahead?.more({ dirty, used }) ?? [];
    if (more.length > 0) {
      this.copier.begin(more, this.nowMs);
      return;
    }
    if (ahead === undefined) for (const page of dirty) missing[page] = 1;
    this.stop(ahead?.leave(missing, this.meter.pagesWithin(settings.downtimeMs / 2)) ?? []);
  }

  private throttle(share: number): void {
    if (share === this.share) return;
    this.share = share;
    this.out.push({ type: 'throttle', share });
  }

  /** The machine stands still from here on: what it has not sent yet is sent. */
  private stop(rest: readonly number[]): void {
    this.phase = 'stopping';
    // A machine that is off stands still already.
    if (this.settings.mode !== 'cold') {
      this.pausedMs = this.nowMs;
      this.out.push({ type: 'pause' });
    }
    this.copier.stop();
    this.copier.begin(rest, this.nowMs);
  }

  private letGo(): void {
    const { missing, settings, copier, encoder, out, nowMs } = this;
    copier.note({ dirtied: 0, nowMs });
    const digest = memoryDigest(encoder.sums, missing);
    const state = settings.mode === 'cold' ? undefined : this.machine.saveState();
    this.out.send('state', handoverBytes({ state, digest, missing }));
    this.phase = 'committing';
    this.committingMs = nowMs;
    if (missing.includes(1))
      this.paging = new Paging({ missing, settings, out, encoder, round: copier.rounds.length, nowMs });
    copier.begin([], nowMs);
  }

  private targetRuns(): void {
    this.downtimeMs ??= this.nowMs - (this.pausedMs ?? this.nowMs);
    if (this.paging === undefined) {
      this.confirm();
      return;
    }
    this.phase = 'paging';
    this.paging.isOpen = true;
  }

  /** The target says that it needs nothing more: the arbiter's word is what this end goes by. */
  private confirm(): void {
    this.isDone = true;
    this.claim.askCalmly(this.nowMs);
  }

  /** Makes what there is room for: one batch while the machine runs beside it. */
  private pump(): void {
    if (this.phase === 'paging' && this.isLinked) this.paging?.pump(this.nowMs);
    while (this.out.hasRoom && !this.isRoundAsked && (this.phase === 'copying' || this.phase === 'stopping')) {
      const isCopying = this.phase === 'copying';
      const pagesMax = isCopying ? roundPagesMax(this.copier.rounds.length) : batchPagesMax;
      const isSent = this.copier.send(pagesMax) || this.tree?.send() === true;
      if (isSent && isCopying) return;
      if (isSent) continue;
      if (this.tree?.isDone === false) return;
      if (this.phase === 'stopping') this.letGo();
      else this.askRound();
    }
  }

  private askRound(): void {
    this.isRoundAsked = true;
    this.hot.tell(this.machine, this.out);
    this.out.send('round', u32Bytes(this.copier.rounds.length));
  }

  /** It does not go on. */
  private fail(reason: string): void {
    if (this.isOver) return;
    if (this.phase === 'committing') this.askWhose(reason);
    else if (this.phase === 'paging') {
      this.isLinked = false;
      this.out.push({ type: 'close' });
    } else this.keep(reason);
  }

  /** The target is not reached any more, and nobody tries. */
  private giveUpPaging(reason: string): void {
    this.isGivenUp = true;
    this.askWhose(reason);
  }

  private askWhose(reason: string): void {
    if (this.reason === '') this.reason = reason;
    this.claim.ask(this.nowMs);
  }

  private answered(owner: Owner | undefined, isWhole: boolean): void {
    if (owner !== 'source' && owner !== 'target') return;
    const isNeeded = this.paging !== undefined && !this.isDone && !(this.isGivenUp && isWhole);
    if (owner === 'source') this.keep(this.reason === '' ? "the machine is still the source's" : this.reason);
    else if (!isNeeded) this.finish();
    // The target runs it and lacks pages, which are this end's to give; if nobody reaches it, it will give the machine back or complete.
    else {
      this.phase = 'paging';
      if (this.isGivenUp) this.claim.askLater(this.nowMs);
    }
  }

  /** The machine stays here. */
  private keep(reason: string): void {
    this.copier.stop();
    this.throttle(1);
    if (this.pausedMs !== undefined) this.out.push({ type: 'resume' });
    if (this.isLinked) this.out.send('abort', reasonBytes(reason));
    this.end('aborted', reason);
  }

  /** The machine is the target's. */
  private finish(): void {
    if (this.paging !== undefined) {
      this.copier.note({ dirtied: 0, nowMs: this.nowMs, pages: this.paging.pages });
    }
    if (this.isLinked) this.out.send('bye');
    this.out.push({ type: 'destroy' });
    this.end('completed', this.isDone ? '' : "the machine is the target's");
  }

  private end(outcome: 'completed' | 'aborted', reason: string): void {
    this.phase = outcome;
    this.out.push({ type: 'close' });
    this.out.push({ type: 'ended', outcome, reason });
  }
}

/** Makes the source's end. */
export const createSource: CreateSource = (options) => new MigrationSource(options);
