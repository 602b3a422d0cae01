/**
 * One guest's thread: is told what its machine is, makes it or waits for it, runs it, relays its ports and does what the runtime asks. It ends with the machine, after its last message,
 * or when the runtime ends it. A guest that wants to be started again is, with fresh memory. A thread that is made before there is a machine for it rehearses until it is told of one.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { ModuleShelf } from '#pkg/vmm/compile/module-shelf.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';
import { GuestHost } from './guest-host.ts';
import { machineConfig, type ThreadStart } from './guest-machine.ts';
import type { Moves } from './moves.ts';
import type { FromGuest, SavedGuest, ThreadData, ToGuest } from './protocol.ts';
import { rehearseOften } from './rehearsal.ts';
import { settle } from './settle.ts';
import type { TapEnd } from './tap-end.ts';

/** What is asked of a thread that has its machine. */
type Asked = Exclude<ToGuest, { readonly type: 'begin' }>;

const { rehearsal, isCalm = false }: ThreadData = workerData;
const clock = new SystemClock();
/** Of the rehearsals too: a machine begins with what they have had compiled. */
const modules = new ModuleShelf();
const began = new AbortController();
/** What was asked before there was a host to do it. */
let early: Asked[] | undefined = [];
let start: ThreadStart;
let host: GuestHost;
let moves: Promise<Moves> | undefined;

function tell(message: FromGuest): void {
  parentPort?.postMessage(message);
}

function end(exitCode: number, message: string): void {
  host?.relay.close();
  tell({ type: 'ended', exitCode, message });
  parentPort?.close();
}

/** What migrations take, in parts of some milliseconds: the guest runs between them. */
const partsOfMoves = [
  () => import('node:tls'),
  () => import('#pkg/vmm/migration/page-encoder.ts'),
  () => import('#pkg/vmm/migration/messages.ts'),
  () => import('#pkg/vmm/migration/source.ts'),
  () => import('#pkg/vmm/migration/target.ts'),
  () => import('#pkg/vmm/migration/standby-source.ts'),
  () => import('#pkg/vmm/migration/standby-target.ts'),
  () => import('./link.ts'),
];

/** Loaded with the first migration: most machines never move. */
function movesOf(): Promise<Moves> {
  moves ??= loadMoves();
  return moves;
}

async function loadMoves(): Promise<Moves> {
  for (const load of partsOfMoves) {
    await load();
    await clock.yield();
  }
  const module = await import('./moves.ts');
  return new module.Moves({ host, start, clock, tell });
}

/** What saves machines and makes them again is loaded by those that need it. */
async function save(): Promise<SavedGuest> {
  const { saveImage } = await import('#pkg/vmm/migration/image.ts');
  return host.save(saveImage);
}

async function restored(image: Uint8Array): Promise<Machine> {
  const { restoreImage } = await import('#pkg/vmm/migration/image.ts');
  return restoreImage(machineConfig(start), image, { ...start, modules });
}

/** What the thread's machine begins as, where it does not begin with its kernel's first instruction on a plain machine. */
async function beginning(): Promise<Machine | undefined> {
  if (start.image !== undefined) return restored(start.image);
  if (start.monitor === undefined) return undefined;
  const { createMonitoredMachine } = await import('#pkg/vmm/monitor/monitored-machine.ts');
  return createMonitoredMachine(machineConfig(start), start.monitor);
}

/** What of the system is not there with every Node. */
async function ownMeans(): Promise<Pick<ThreadStart, 'discard'>> {
  if (start.seat === undefined) return {};
  try {
    const { discard } = await import('../discard.ts');
    return { discard };
  } catch {
    return {};
  }
}

/** The end of the wire where others are. */
async function tapEnd(): Promise<TapEnd | undefined> {
  const { tap } = start;
  if (tap === undefined) return undefined;
  const { openTapEnd } = await import('./guest-tap.ts');
  return openTapEnd(start, { tap, arrived: () => host?.wake() });
}

/** Makes what the thread is for, and does what was asked of it meanwhile. */
async function begin(): Promise<void> {
  try {
    start = { ...start, ...(await ownMeans()) };
    const [machine, tap] = [await beginning(), await tapEnd()];
    host = new GuestHost({ start, clock, modules, machine, tap, tell, end });
    // Who asks for it is there first: the listening would come after the first slices of a machine that runs.
    host.loop?.pause('ports');
    const asked = early ?? [];
    early = undefined;
    for (const message of asked) act(message);
    for (const port of start.ports) await host.relay.listen(start.address, port);
    host.loop?.resume('ports');
    tell({ type: 'started' });
    // One that waits for a machine has that done before: it would be in the midst of its first move.
    if (start.waits !== true) settle(clock);
  } catch (error) {
    end(128, errorText(error));
  }
}

function received(message: ToGuest): void {
  if (message.type === 'begin') {
    start = message.start;
    began.abort();
    void begin();
  } else if (early !== undefined) early.push(message);
  else act(message);
}

function act(message: Asked): void {
  switch (message.type) {
    case 'input':
      host.input(message.bytes);
      return;
    case 'figures':
      tell({ type: 'figures', id: message.id, figures: host.figures() });
      return;
    case 'inflate':
      host.inflateTo(message.pages);
      return;
    case 'pause': {
      const { id, isPaused } = message;
      try {
        host.hold(isPaused);
        tell({ type: 'done', id });
      } catch (error) {
        tell({ type: 'done', id, problem: errorText(error) });
      }
      return;
    }
    case 'save': {
      const { id } = message;
      save().then(
        (saved) => tell({ type: 'saved', id, saved }),
        (error) => tell({ type: 'saved', id, problem: errorText(error) }),
      );
      return;
    }
    case 'retire':
      host.retire();
      return;
    case 'forward': {
      const { id } = message;
      host.relay.forward(message.port).then(
        (port) => tell({ type: 'forwarded', id, port }),
        (error) => tell({ type: 'forwarded', id, problem: errorText(error) }),
      );
      return;
    }
    case 'receive': {
      const { id, arrival } = message;
      movesOf()
        .then((own) => own.receive(arrival))
        .then(
          (port) => tell({ type: 'waiting', id, port }),
          (error) => tell({ type: 'waiting', id, problem: errorText(error) }),
        );
      return;
    }
    case 'migrate': {
      const { departure } = message;
      void movesOf().then((own) => own.migrate(departure));
      return;
    }
    case 'abort':
      void movesOf().then((own) => own.abort(message.reason));
      return;
    case 'take-over':
      void movesOf().then((own) => own.takeOver(message.reason));
      return;
    case 'claimed':
      void movesOf().then((own) => own.claimed(message.owner));
      return;
    default:
      message satisfies never;
  }
}

parentPort?.on('message', received);
if (rehearsal !== undefined)
  await rehearseOften({ start: rehearsal, clock, modules, signal: began.signal, isCalm }).catch(() => undefined);
