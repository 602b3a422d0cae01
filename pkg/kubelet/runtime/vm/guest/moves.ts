/**
 * Migrations of the machine of one thread: it waits for one, gives its own away, or neither. One at a time. Invariant: the machine runs here exactly while the end of
 * the migration says so.
 */
import process from 'node:process';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { staysWithMonitor } from '#pkg/vmm/machine-contract.ts';
import type { MigrationEnd, Owner } from '#pkg/vmm/migration/contract.ts';
import { createSource } from '#pkg/vmm/migration/source.ts';
import { createStandbySource } from '#pkg/vmm/migration/standby-source.ts';
import { createStandbyTarget } from '#pkg/vmm/migration/standby-target.ts';
import { createTarget } from '#pkg/vmm/migration/target.ts';
import { Drive, type HostEffect } from './drive.ts';
import { GuestDisk } from './guest-disk.ts';
import type { GuestHost } from './guest-host.ts';
import type { ThreadStart } from './guest-machine.ts';
import { type Accepted, connectToNode, type LinkIdentity, listenForNodes } from './link.ts';
import { PieceFiles } from './piece-files.ts';
import type { Arrival, Departure, FromGuest, MigrationSide } from './protocol.ts';
import { rehearse } from './rehearsal.ts';
import { collect } from './settle.ts';

/** How a migration goes is told so often. */
const tellMs = 500;
/** The same of a stand-by, which lasts. */
const tellStandbyMs = 2000;
/** A connection that was lost while pages are missing is made again after so long, and so many times. */
const reconnectMs = 200;
const reconnectsMax = 50;

/** Milliseconds of the processor that this thread has had. */
const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** What is under way. */
interface Move {
  readonly migration: string;
  readonly side: MigrationSide;
  readonly isStandby: boolean;
  readonly drive: Drive;
}

/** What migrations have of their surroundings. */
export interface MovesDeps {
  readonly host: GuestHost;
  readonly start: ThreadStart;
  readonly clock: Clock;
  tell(message: FromGuest): void;
}

/** Migrations of one machine. */
export class Moves {
  readonly #deps: MovesDeps;
  #rehearsal: Promise<void> | undefined;
  #listening: Promise<{ readonly port: number; close(): void }> | undefined;
  #arrival: Arrival | undefined;
  #move: Move | undefined;
  #disk: GuestDisk | undefined;

  constructor(deps: MovesDeps) {
    this.#deps = deps;
  }

  /** Waits for a machine; resolves with the port. A second call for the same migration says the same. */
  async receive(arrival: Arrival): Promise<number> {
    if (this.#deps.host.machine !== undefined) throw new Error('the machine is here already');
    if (this.#move !== undefined && this.#move.migration !== arrival.migration)
      throw new Error('another migration is under way here');
    this.#arrival = arrival;
    this.#deps.host.awaits();
    await this.#rehearse();
    return (await this.#listen(arrival)).port;
  }

  /** Once, in a thread that did not begin with a machine of its own; what that leaves is collected before anybody waits for the thread. What goes wrong in it does not matter. */
  #rehearse(): Promise<void> {
    const { start, clock, host } = this.#deps;
    if (start.waits !== true) return Promise.resolve();
    this.#rehearsal ??= rehearse({ start, clock, modules: host.modules, isCalm: true })
      .then(() => collect(clock))
      .catch(() => undefined);
    return this.#rehearsal;
  }

  /** Gives the machine away. What goes wrong is told as the migration's end. */
  async migrate(departure: Departure): Promise<void> {
    const { host, clock, tell } = this.#deps;
    const { machine, disk } = host;
    const { migration, settings, target, identity, node } = departure;
    if (this.#move !== undefined) return;
    if (machine === undefined) throw new Error('the machine is not here');
    const { mode, bandwidth } = settings;
    const isStandby = mode === 'standby';
    const common = {
      machine,
      config: machine.config,
      ...(disk === undefined ? {} : { disk: disk.store() }),
      cpuMs: threadMs,
      ...this.#pieces(),
    };
    const end =
      settings.mode === 'standby'
        ? createStandbySource({ ...common, settings })
        : createSource({ ...common, settings });
    const drive = this.#drive(end, { migration, side: 'source', isStandby, bandwidth }, () => {
      if (!isStandby) this.#reconnect(departure, reconnectsMax);
    });
    try {
      if (this.#deps.start.monitor !== undefined) throw new Error(staysWithMonitor);
      const { port } = await this.#listen(departure);
      const wire = host.wireState({ host: departure.host, port, node });
      const hello = { kind: 'machine', migration, wire } as const;
      drive.connected(await connectToNode(identity, { address: target, hello, clock }));
      // What moves cold is off: as if its plug were pulled here, and put in there.
      if (mode === 'cold') host.loop?.pause('migration');
      drive.happened({ type: 'start' });
    } catch (error) {
      this.#move = undefined;
      host.watch(undefined);
      const reason = errorText(error);
      drive.happened({ type: 'abort', reason });
      tell({ type: 'migration', migration, side: 'source', figures: end.figures, outcome: 'aborted', reason });
    }
  }

  abort(reason: string): void {
    this.#move?.drive.happened({ type: 'abort', reason });
  }

  takeOver(reason: string): void {
    this.#move?.drive.happened({ type: 'take-over', reason });
  }

  claimed(owner: Owner | 'unknown'): void {
    this.#move?.drive.happened({ type: 'claimed', owner });
  }

  /** Where the node keeps pieces of suspended machines, if it does. */
  #pieces(): { readonly pieces?: PieceFiles } {
    const { start, clock } = this.#deps;
    return start.pieces === undefined ? {} : { pieces: new PieceFiles(start.pieces, { clock }) };
  }

  #listen({ identity, host }: { readonly identity: LinkIdentity; readonly host: string }) {
    this.#listening ??= listenForNodes(identity, {
      host,
      clock: this.#deps.clock,
      accepted: (connection) => void this.#accepted(connection).catch(() => connection.socket.destroy()),
    });
    return this.#listening;
  }

  async #accepted({ hello, node, socket }: Accepted): Promise<void> {
    const { host } = this.#deps;
    if (hello.kind === 'frames') {
      if (hello.secret === host.secret) host.placed(socket);
      else socket.destroy();
      return;
    }
    const arrival = this.#arrival;
    if (arrival?.migration !== hello.migration || arrival.sourceNode !== node || host.machine !== undefined) {
      // One that pages are still missing of goes on with the new connection.
      if (this.#move?.migration === hello.migration && arrival?.sourceNode === node) this.#again(socket);
      else socket.destroy();
      return;
    }
    if (this.#move !== undefined) {
      this.#again(socket);
      return;
    }
    const { isStandby } = arrival;
    const end = (isStandby ? createStandbyTarget : createTarget)({
      accept: (config) => this.#refusal(config.memory),
      ...(this.#deps.start.seat === undefined ? {} : { seat: this.#deps.start.seat }),
      ...this.#pieces(),
      discard: this.#deps.start.discard,
      modules: host.modules,
      makeDisk: (blocks) => {
        this.#disk = GuestDisk.ofBlocks(blocks);
        return this.#disk.store();
      },
    });
    const drive = this.#drive(end, { migration: hello.migration, side: 'target', isStandby }, () => undefined);
    await host.expect(hello.wire, arrival);
    drive.connected(socket);
    drive.happened({ type: 'start' });
    // It may have gone while the relays were looked for.
    if (socket.destroyed) drive.happened({ type: 'lost', reason: 'the connection was closed' });
  }

  #again(socket: TLSSocket): void {
    this.#move?.drive.connected(socket);
    this.#move?.drive.happened({ type: 'reconnected' });
  }

  /** Why a machine cannot be taken. */
  #refusal(memory: number): string | undefined {
    const { memoryBytes } = this.#deps.start;
    return memory <= memoryBytes ? undefined : `it has ${memory} bytes of memory and ${memoryBytes} are kept for it`;
  }

  #drive(
    end: MigrationEnd,
    {
      migration,
      side,
      isStandby,
      bandwidth,
    }: {
      readonly migration: string;
      readonly side: MigrationSide;
      readonly isStandby: boolean;
      readonly bandwidth?: number;
    },
    lost: () => void,
  ): Drive {
    const { host, clock, tell } = this.#deps;
    const drive: Drive = new Drive({
      end,
      clock,
      lost,
      ...(bandwidth === undefined ? {} : { bandwidth }),
      does: (effect) => this.#does(effect, { migration, side, isStandby, drive }),
      done: () => host.begin(),
    });
    this.#move = { migration, side, isStandby, drive };
    host.watch({
      isStandby,
      sliced: () => drive.sliced(),
      missing: (page) => drive.happened({ type: 'fault', page }),
    });
    const report = (): void => {
      if (this.#move?.drive !== drive) return;
      tell({ type: 'migration', migration, side, figures: end.figures });
      clock.setTimeout(report, isStandby ? tellStandbyMs : tellMs);
    };
    clock.setTimeout(report, tellMs);
    return drive;
  }

  #does(effect: HostEffect, { migration, side, drive, isStandby }: Move): void {
    const { host, tell } = this.#deps;
    switch (effect.type) {
      case 'pause':
        if (isStandby) host.loop?.pause('migration');
        else host.leaves();
        return;
      case 'resume':
        if (isStandby) host.loop?.resume('migration');
        else host.stays();
        return;
      case 'throttle':
        host.loop?.throttle(effect.share);
        return;
      case 'activate':
        host.arrived(effect.machine, this.#disk);
        return;
      case 'claim':
        tell({ type: 'claim', migration, side, owner: effect.owner });
        return;
      case 'output':
        this.#holds(effect);
        return;
      case 'page':
        host.loop?.pageArrived(effect.page);
        return;
      case 'destroy':
        if (side === 'source') host.left();
        this.#disk = undefined;
        return;
      case 'ended': {
        const { outcome, reason } = effect;
        if (this.#move?.drive === drive) this.#move = undefined;
        this.#arrival = undefined;
        host.watch(undefined);
        if (drive.end.figures.mode === 'suspend') this.#pieces().pieces?.trim();
        if (side === 'source' && outcome === 'aborted') host.stays();
        tell({ type: 'migration', migration, side, figures: drive.end.figures, outcome, reason });
        if (side === 'target' && outcome === 'aborted') {
          if (host.machine === undefined) host.wire.clear();
          else host.lost(reason);
        }
        return;
      }
      default:
        effect satisfies never;
    }
  }

  #holds(effect: Extract<HostEffect, { readonly type: 'output' }>): void {
    const { host } = this.#deps;
    if (effect.act === 'mark') host.output.mark(effect.checkpoint);
    else if (effect.act === 'release') {
      const { checkpoint } = effect;
      host.let((output) => output.release(checkpoint));
    } else {
      const { act } = effect;
      host.let((output) => output[act]());
    }
  }

  /** Connects once more, for as long as the migration goes on. */
  #reconnect(departure: Departure, tries: number): void {
    const { host, clock } = this.#deps;
    const { migration, target, identity, node } = departure;
    const move = this.#move;
    if (move?.migration !== migration || tries === 0) return;
    clock.setTimeout(() => {
      const wire = host.wireState({ host: departure.host, port: target.port, node });
      connectToNode(identity, { address: target, hello: { kind: 'machine', migration, wire }, clock }).then(
        (socket) => {
          if (this.#move !== move) socket.destroy();
          else {
            move.drive.connected(socket);
            move.drive.happened({ type: 'reconnected' });
          }
        },
        () => this.#reconnect(departure, tries - 1),
      );
    }, reconnectMs);
  }
}
