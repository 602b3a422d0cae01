/**
 * The machine of a guest's thread, where it has one: made here, or come from another node. Without it the thread relays for the connections that the machine had
 * here, and ends when there are none any more. Invariant: there is a loop exactly while the machine is here.
 */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { ModuleShelf } from '#pkg/vmm/compile/module-shelf.ts';
import { guestAddress, linkLocalHost, slots, UserNetwork } from '#pkg/vmm/host/user-network.ts';
import { type Machine, staysWithMonitor } from '#pkg/vmm/machine-contract.ts';
import { PAGE_SIZE } from '#pkg/vmm/memory-map.ts';
import { DiskService } from './disk-service.ts';
import { FramesAway, FramesHome } from './frame-tunnel.ts';
import { GuestDisk } from './guest-disk.ts';
import { GuestLoop } from './guest-loop.ts';
import { newMachine, type ThreadStart } from './guest-machine.ts';
import { GuestWire } from './guest-wire.ts';
import { HeldOutput } from './held-output.ts';
import type { LinkIdentity, RelayPlace, WireState } from './link.ts';
import { PageSharing } from './page-sharing.ts';
import type { FromGuest, GuestFigures, SavedGuest } from './protocol.ts';
import { GuestRelay } from './relay.ts';
import { ShapedWire } from './shaped-wire.ts';
import type { TapEnd } from './tap-end.ts';

/** As a shell says of a program that was ended by a wild access. */
const faultExitCode = 139;
const notHere = 'the machine is not here';
/** Input that the guest has not taken: it is offered again so often. */
const inputRetryMs = 5;
/** A relay looks this often whether it still has connections, and ends when it had none for so long: Services follow the machine meanwhile. */
const lookMs = 500;
const lingerMs = 10_000;
/** A machine that is to come is waited for so long before the first of it is here: who asked for it gives up then. */
const awaitedMs = 60_000;

/** What a host has of its surroundings. */
export interface GuestHostDeps {
  readonly start: ThreadStart;
  readonly clock: Clock;
  /** What was compiled for machines of this thread. Default: nothing yet. */
  readonly modules?: ModuleShelf;
  /** The machine that it begins as, if that has been made already. */
  readonly machine?: Machine | undefined;
  /** Where others are on its wire; absent: its host is alone there. */
  readonly tap?: TapEnd | undefined;
  /** Processor time of this thread so far, in ms. Default: as the system says. */
  cpuMs?(): number;
  tell(message: FromGuest): void;
  /** The thread is over. */
  end(exitCode: number, message: string): void;
}

/** Told of what a migration has to know. */
export interface MachineWatcher {
  /** The machine stays where it is meanwhile: it may be saved. */
  readonly isStandby?: boolean;
  sliced(): void;
  missing(page: number): void;
}

/** A guest's machine and network. */
export class GuestHost {
  readonly network: UserNetwork;
  readonly relay: GuestRelay;
  readonly modules: ModuleShelf;
  readonly wire: GuestWire;
  /** What the machine gives off, on its way out. */
  readonly output = new HeldOutput();
  /** By which the next places of the machine show that they have it. */
  readonly secret = randomBytes(16).toString('hex');
  readonly #deps: GuestHostDeps;
  readonly #home: FramesHome;
  readonly #shaped: ShapedWire;
  readonly #service: DiskService;
  #machine: Machine | undefined;
  #loop: GuestLoop | undefined;
  #sharing: PageSharing | undefined;
  #disk: GuestDisk | undefined;
  #wantedPages = 0;
  #input: Uint8Array[] = [];
  #watcher: MachineWatcher | undefined;
  #pumpTimer: Timer | undefined;
  #idleSinceMs: number | undefined;
  #lingerMs = lingerMs;
  #awaitedUntilMs = 0;
  #isNew = false;

  constructor(deps: GuestHostDeps) {
    const { start, machine, tap, clock, modules = new ModuleShelf() } = deps;
    const { mac, ownAddress = guestAddress, bandwidth, diskLimits } = start;
    this.modules = modules;
    this.#deps = deps;
    this.network = new UserNetwork(mac, tap === undefined ? undefined : { guest: ownAddress, host: linkLocalHost });
    this.wire = new GuestWire(this.network, tap);
    this.#shaped = new ShapedWire(this.wire, { clock, bandwidth });
    this.#service = new DiskService(diskLimits);
    this.relay = new GuestRelay(this.network, () => this.wake());
    this.#home = new FramesHome(
      (frame) => this.wire.relayed(frame),
      () => this.wake(),
    );
    if (start.waits === true) return;
    this.#disk = start.disk === undefined ? undefined : new GuestDisk(start.disk);
    this.#run(machine ?? newMachine(start, modules));
  }

  get machine(): Machine | undefined {
    return this.#machine;
  }

  get loop(): GuestLoop | undefined {
    return this.#loop;
  }

  get disk(): GuestDisk | undefined {
    return this.#disk;
  }

  /** There is something for the guest, or for where it is. */
  wake(): void {
    if (this.#isAway) this.#pump();
    else this.#loop?.wake();
  }

  /** Told from now on of slices and missing pages; nobody else is. */
  watch(watcher: MachineWatcher | undefined): void {
    this.#watcher = watcher;
  }

  /** A connection of a place that has the machine, or will. */
  placed(...[socket]: Parameters<FramesHome['connected']>): void {
    this.#home.connected(socket);
  }

  /** What moves with the machine: who relays for it, this thread among them. */
  wireState(own: Omit<RelayPlace, 'secret' | 'slot'>): WireState {
    const mac = Buffer.from(this.#machine?.config.mac ?? this.#deps.start.mac).toString('hex');
    const here = { ...own, slot: this.network.slot, secret: this.secret };
    return { mac, address: this.network.guestAddress, relays: [...this.wire.relays, here] };
  }

  /** A machine is about to come: its relays are connected to. One that is not reached now may be later: until then its connections wait. */
  async expect(wire: WireState, { identity }: { readonly identity: LinkIdentity }): Promise<void> {
    const others = wire.relays.filter(({ secret }) => secret !== this.secret);
    const isKnown = others.length < wire.relays.length;
    if (!isKnown) {
      const taken = new Set(others.map(({ slot }) => slot));
      const slot = Array.from({ length: slots }, (_, at) => at).find((at) => !taken.has(at)) ?? 0;
      this.wire.become({ mac: Buffer.from(wire.mac, 'hex'), address: wire.address, slot });
    }
    // Most machines never move.
    const { connectToNode } = await import('./link.ts');
    await Promise.all(
      others.map(async (place) => {
        const hello = { kind: 'frames', secret: place.secret } as const;
        const { clock } = this.#deps;
        const connect = () => connectToNode(identity, { address: place, hello, clock });
        const gone = (): void => this.wire.remove(away);
        const away = { place, frames: new FramesAway({ clock, connect, wake: () => this.wake(), gone }) };
        this.wire.add(away);
        await away.frames.connect();
      }),
    );
  }

  /** The machine is here; `begin` follows. */
  arrived(machine: Machine, disk: GuestDisk | undefined): void {
    this.#pumpTimer?.cancel();
    this.#pumpTimer = undefined;
    this.#disk = disk;
    this.#run(machine);
    this.network.giveAgain(this.#home.takeBack());
    this.#awaitedUntilMs = 0;
    this.#isNew = true;
  }

  /** A machine that has arrived goes on before anybody hears of it: whom that wakes, the system may let run first. */
  begin(): void {
    if (!this.#isNew) return;
    this.#isNew = false;
    this.#loop?.goOn();
    this.#home.over();
    this.wire.begin();
    this.#deps.tell({ type: 'presence', isHere: true });
  }

  /** The machine stands still to go on elsewhere; what is relayed goes there first, so that it finds that with its first instructions. */
  leaves(): void {
    this.#loop?.pause('migration');
    this.#home.leave();
  }

  /** It goes on here after all. */
  stays(): void {
    this.network.giveAgain(this.#home.takeBack());
    this.#home.over();
    this.#loop?.resume('migration');
  }

  /** The machine is elsewhere; what it had here is relayed there. */
  left(): void {
    this.#loop?.stop();
    this.#loop = undefined;
    this.#sharing?.stop();
    this.#machine?.release();
    this.#machine = undefined;
    this.#disk = undefined;
    this.wire.clear();
    this.#deps.tell({ type: 'presence', isHere: false });
    this.#idleSinceMs = undefined;
    this.#pump();
    this.#look();
  }

  /** A machine is to come: a relay does not end before it could. */
  awaits(): void {
    this.#awaitedUntilMs = this.#deps.clock.monotonicMs() + awaitedMs;
  }

  /** What is relayed here ends with the connections that there are. */
  retire(): void {
    this.#lingerMs = 0;
  }

  /** The machine cannot go on: what it needs is gone. */
  lost(reason: string): void {
    this.#loop?.stop();
    this.#deps.end(faultExitCode, reason);
  }

  input(bytes: Uint8Array): void {
    this.#input.push(bytes);
    if (this.#input.length === 1) this.#feed();
  }

  figures(): GuestFigures {
    return {
      memoryBytes: this.#machine === undefined ? 0 : this.#deps.start.memoryBytes,
      balloonBytes: (this.#machine?.ballooned ?? 0) * PAGE_SIZE,
      pages: this.#machine?.pageUse,
      cpuNanoseconds: Math.round(threadCpuMs() * 1e6),
      counters: { ...countersOf(this.#machine), ...this.#counts() },
      isPaused: this.#loop?.isPaused ?? false,
    };
  }

  /** This node wants so many pages of the machine that it has, or will have. */
  inflateTo(pages: number): void {
    this.#wantedPages = pages;
    this.#machine?.inflateTo(pages);
    this.wake();
  }

  /** What is held of the machine's output leaves, some of it or all, or is dropped; the machine hears of what comes of that. */
  let(change: (output: HeldOutput) => void): void {
    change(this.output);
    if (!this.output.isFull) this.#loop?.resume('output');
    this.wake();
  }

  /** Has the guest stand still for the user, or go on. Throws where it is not here. */
  hold(isPaused: boolean): void {
    if (this.#loop === undefined) throw new Error(notHere);
    if (isPaused) this.#loop.pause('user');
    else this.#loop.resume('user');
  }

  /** The machine as it is, its memory by `saveImage`; the guest notices nothing. Throws where it is not here, or on its way. */
  save(saveImage: (machine: Machine) => Uint8Array): SavedGuest {
    const [machine, loop] = [this.#machine, this.#loop];
    if (machine === undefined || loop === undefined) throw new Error(notHere);
    if (this.#deps.start.monitor !== undefined) throw new Error(staysWithMonitor);
    if (this.#watcher !== undefined && this.#watcher.isStandby !== true) throw new Error('the machine is being moved');
    loop.pause('save');
    try {
      const { start } = this.#deps;
      const { memory: memoryBytes, mac = start.mac } = machine.config;
      const disk = this.#disk?.bytes.slice();
      const known = { memoryBytes, mac, address: this.network.guestAddress };
      return { ...known, image: saveImage(machine), ...(disk === undefined ? {} : { disk }) };
    } finally {
      loop.resume('save');
    }
  }

  /** A guest that resets its machine has that made anew for its share: one that does nothing else would have its thread do nothing else. */
  #reset(): void {
    const { start, cpuMs = threadCpuMs } = this.#deps;
    const beganMs = cpuMs();
    const machine = newMachine(start, this.modules);
    this.#run(machine, cpuMs() - beganMs);
  }

  #run(machine: Machine, owedMs = 0): void {
    const { start, clock, tell } = this.#deps;
    const { output } = this;
    const [wire, disk] = [this.#shaped, this.#service];
    // What it says with its end is known to nobody else: the rest of it leaves before.
    const end = (code: number, message: string): void => {
      output.free();
      this.#deps.end(code, message);
    };
    this.#machine = machine;
    machine.inflateTo(this.#wantedPages);
    disk.use(this.#disk);
    this.#sharing?.stop();
    this.#sharing = new PageSharing(machine, clock);
    this.#loop = new GuestLoop({
      machine,
      network: {
        tick: (nowMs) => wire.tick(nowMs),
        flush: (deliver) => wire.flush(deliver),
        receive: (frame) => output.give(frame.length, () => wire.receive(frame)),
        dueMs: (nowMs) => wire.dueMs(nowMs),
      },
      clock,
      disk,
      ...(start.share === undefined ? {} : { share: start.share, owedMs }),
      onConsole: (bytes) => output.give(bytes.length, () => tell({ type: 'console', bytes })),
      onPage: (page) => this.#watcher?.missing(page),
      onSlice: () => {
        if (output.isFull) this.#loop?.pause('output');
        this.#watcher?.sliced();
      },
      onEnd: (stop) => {
        if (stop.reason === 'reset') this.#reset();
        else if (stop.reason === 'off') end(stop.code, '');
        else end(faultExitCode, stop.message);
      },
    });
    this.#loop.wake();
  }

  /** What went through its devices here; none of a machine that is not. */
  #counts(): GuestFigures['counters'] {
    if (this.#machine === undefined) return {};
    const { framesLost, ...wire } = this.#shaped.counts;
    return { ...wire, framesLost: framesLost + (this.#deps.tap?.lost ?? 0), ...this.#service.counts };
  }

  /** Gives the guest what was typed, as far as it takes it. */
  #feed(): void {
    for (let [first] = this.#input; first !== undefined; [first] = this.#input) {
      const taken = this.#machine?.consoleInput(first) ?? 0;
      if (taken > 0) this.#deps.tell({ type: 'taken', bytes: taken });
      if (taken < first.length) {
        this.#input[0] = first.subarray(taken);
        this.#deps.clock.setTimeout(() => this.#feed(), inputRetryMs);
        break;
      }
      this.#input = this.#input.slice(1);
    }
    this.wake();
  }

  /** Another place has the machine, if the copy that stands still here is not yet taken away. */
  get #isAway(): boolean {
    return this.#loop === undefined || (this.#loop.isPaused && this.#home.hasPlace);
  }

  /** Frames of a relay go to where the machine is. */
  #pump(): void {
    if (!this.#isAway) return;
    const { clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    const resendMs = this.wire.tick(nowMs);
    this.wire.flushOwn((frame) => this.#home.send(frame));
    this.#pumpTimer?.cancel();
    this.#pumpTimer =
      resendMs === undefined ? undefined : clock.setTimeout(() => this.#pump(), Math.max(1, resendMs - nowMs));
  }

  #look(): void {
    if (this.#loop !== undefined) return;
    const { clock, end } = this.#deps;
    const nowMs = clock.monotonicMs();
    const isAwaited = this.#watcher !== undefined || nowMs < this.#awaitedUntilMs;
    if (isAwaited || this.wire.connections(nowMs) > 0) this.#idleSinceMs = undefined;
    else this.#idleSinceMs ??= nowMs;
    if (this.#idleSinceMs !== undefined && nowMs - this.#idleSinceMs >= this.#lingerMs) {
      this.#home.over();
      end(0, '');
    } else clock.setTimeout(() => this.#look(), lookMs);
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** By names that are one word, as they are told on. */
function countersOf(machine: Machine | undefined): GuestFigures['counters'] {
  if (machine === undefined) return {};
  const { exits = {}, monitor = {}, ...counters } = machine.counters;
  const byReason = Object.entries(exits).map(([reason, count]) => [`exits.${reason}`, count]);
  const ofMonitor = Object.entries(monitor).map(([name, count]) => [`monitor.${name}`, count]);
  return { ...counters, ...Object.fromEntries([...byReason, ...ofMonitor]) };
}
