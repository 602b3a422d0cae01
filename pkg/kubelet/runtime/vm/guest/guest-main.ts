/**
 * One guest's thread: makes its machine, runs it, relays its ports and does what the runtime asks. It ends with the machine, after its last message, or when the
 * runtime ends it. A guest that wants to be started again is, with fresh memory.
 */
import { createHash } from 'node:crypto';
import process from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { UserNetwork } from '#pkg/vmm/host/user-network.ts';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';
import { GuestLoop } from './guest-loop.ts';
import type { FromGuest, GuestFigures, GuestStart, ToGuest } from './protocol.ts';
import { GuestRelay } from './relay.ts';

/** As a shell says of a program that was ended by a wild access. */
const faultExitCode = 139;
const sectorBytes = 512;
/** Input that the guest has not taken: it is offered again so often. */
const inputRetryMs = 5;

const start: GuestStart = workerData.start;
const clock = new SystemClock();
const network = new UserNetwork(start.mac);
const relay = new GuestRelay(network, () => loop.wake());
let machine: Machine;
let loop: GuestLoop;
let input: Uint8Array[] = [];

function tell(message: FromGuest): void {
  parentPort?.postMessage(message);
}

function boot(): void {
  const { kernel, memoryBytes: memory, commandLine, disk, mac, share } = start;
  const disks = disk === undefined ? {} : { diskSectors: Math.floor(disk.length / sectorBytes) };
  machine = createMachine({ memory, harts: 1, kernel, commandLine, mac, ...disks, engine: 'compile' });
  loop = new GuestLoop({
    machine,
    network,
    clock,
    ...(disk === undefined ? {} : { disk }),
    ...(share === undefined ? {} : { share }),
    onConsole: (bytes) => tell({ type: 'console', bytes }),
    onEnd: (stop) => {
      if (stop.reason === 'reset') boot();
      else if (stop.reason === 'off') end(stop.code, '');
      else end(faultExitCode, stop.reason === 'fault' ? stop.message : `page ${stop.page} is missing`);
    },
  });
  loop.wake();
}

function end(exitCode: number, message: string): void {
  relay.close();
  tell({ type: 'ended', exitCode, message });
  parentPort?.close();
}

/** Gives the guest what was typed, as far as it takes it. */
function feed(): void {
  for (let [first] = input; first !== undefined; [first] = input) {
    const taken = machine.consoleInput(first);
    if (taken > 0) tell({ type: 'taken', bytes: taken });
    if (taken < first.length) {
      input[0] = first.subarray(taken);
      clock.setTimeout(feed, inputRetryMs);
      break;
    }
    input = input.slice(1);
  }
  loop.wake();
}

function figures(): GuestFigures {
  const seen = new Set<string>();
  let used = 0;
  let same = 0;
  const zeros = new Uint8Array(4096);
  for (let page = 0; page < machine.pages; page++) {
    const bytes = machine.readPage(page);
    if (Buffer.compare(bytes, zeros) === 0) continue;
    used++;
    const digest = createHash('sha1').update(bytes).digest('latin1');
    if (seen.has(digest)) same++;
    seen.add(digest);
  }
  const { user, system } = process.threadCpuUsage();
  return {
    memoryBytes: start.memoryBytes,
    usedBytes: used * 4096,
    sharableBytes: same * 4096,
    cpuNanoseconds: (user + system) * 1000,
    instructions: machine.counters.instructions,
    isPaused: loop.isPaused,
  };
}

function received(message: ToGuest): void {
  if (message.type === 'input') {
    input.push(message.bytes);
    if (input.length === 1) feed();
  } else if (message.type === 'figures') tell({ type: 'figures', id: message.id, figures: figures() });
  else if (message.type === 'pause') loop.pause();
  else if (message.type === 'resume') loop.resume();
  else {
    const { id } = message;
    relay.forward(message.port).then(
      (port) => tell({ type: 'forwarded', id, port }),
      (error) => tell({ type: 'forwarded', id, problem: errorText(error) }),
    );
  }
}

try {
  boot();
  parentPort?.on('message', received);
  for (const port of start.ports) await relay.listen(start.address, port);
  tell({ type: 'started' });
} catch (error) {
  end(128, errorText(error));
}
