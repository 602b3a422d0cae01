/**
 * One guest's thread: makes its machine or waits for one, runs it, relays its ports and does what the runtime asks. It ends with the machine, after its last message,
 * or when the runtime ends it. A guest that wants to be started again is, with fresh memory.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';
import { GuestHost, machineConfig } from './guest-host.ts';
import type { Moves } from './moves.ts';
import type { FromGuest, GuestStart, SavedGuest, ToGuest } from './protocol.ts';
import { settle } from './settle.ts';

const start: GuestStart = workerData.start;
const clock = new SystemClock();
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

/** Loaded with the first migration: most machines never move. */
function movesOf(): Promise<Moves> {
  moves ??= import('./moves.ts').then((module) => new module.Moves({ host, start, clock, tell }));
  return moves;
}

/** What saves machines and makes them again is loaded by those that need it. */
async function save(): Promise<SavedGuest> {
  const { saveImage } = await import('#pkg/vmm/migration/image.ts');
  return host.save(saveImage);
}

async function restored(image: Uint8Array): Promise<Machine> {
  const { restoreImage } = await import('#pkg/vmm/migration/image.ts');
  return restoreImage(machineConfig(start), image);
}

function received(message: ToGuest): void {
  switch (message.type) {
    case 'input':
      host.input(message.bytes);
      return;
    case 'figures':
      tell({ type: 'figures', id: message.id, figures: host.figures() });
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

try {
  const machine = start.image === undefined ? undefined : await restored(start.image);
  host = new GuestHost({ start, clock, machine, tell, end });
  parentPort?.on('message', received);
  for (const port of start.ports) await host.relay.listen(start.address, port);
  tell({ type: 'started' });
  settle(clock);
} catch (error) {
  end(128, errorText(error));
}
