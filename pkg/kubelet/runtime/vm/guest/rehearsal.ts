/**
 * What a thread does before a machine comes to it, or is made in it: it boots a machine beside, asks its ports for something, and throws it away. A thread that has run nothing yet is slow for its
 * first second, as nothing of the simulator is compiled for it, and whoever waits for an answer of a machine that has just come, or booted, would wait for that. Nothing of the rehearsal is kept, so
 * each machine boots from its first instruction, and it reaches nobody: it has no disk, and a network of its own. Bounded by time; what goes wrong in it does not matter.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { ModuleShelf } from '#pkg/vmm/compile/module-shelf.ts';
import { UserNetwork } from '#pkg/vmm/host/user-network.ts';
import { GuestLoop } from './guest-loop.ts';
import { newMachine } from './guest-machine.ts';
import { GuestWire } from './guest-wire.ts';
import type { GuestStart } from './protocol.ts';
import { collect } from './settle.ts';

/** How long it takes at most, and how many answers are enough. */
const rehearsalMs = 2000;
const answersMax = 200;
/** A port on which nobody listens yet is tried again after so long. */
const retryMs = 20;
/** One that is calm rests as long as it has run, after so long: machines that serve, and who asks them, have the processors meanwhile. */
const turnMs = 2;
/** Most servers have an answer to this. */
const question = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');

/** Boots of a thread that is kept for machines to come, and answers of each: what is compiled after them is compiled seldom or late anyway. */
const boots = 5;
const answersPerBoot = 5;

/** A rehearsal. */
interface RehearsalOptions {
  readonly start: GuestStart;
  readonly clock: Clock;
  /** Keeps what is compiled, for the machine that comes. Default: nothing does. */
  readonly modules?: ModuleShelf;
  /** Aborted, it is over. */
  readonly signal?: AbortSignal;
  /** So many answers are enough. */
  readonly answers?: number;
  /** Others are not to be kept waiting by it. */
  readonly isCalm?: boolean;
}

/** Rehearses booting, several times, and has what that left collected; over at once when the signal is aborted. */
export async function rehearseOften(options: RehearsalOptions & { readonly signal: AbortSignal }): Promise<void> {
  const { clock, signal } = options;
  for (let boot = 0; boot < boots && !signal.aborted; boot++) await rehearse({ ...options, answers: answersPerBoot });
  if (!signal.aborted) await collect(clock);
}

/** Rehearses; resolves when it is over, which is at once for a machine that nobody can ask. */
export async function rehearse({
  start,
  clock,
  modules,
  signal,
  answers: enough = answersMax,
  isCalm = false,
}: RehearsalOptions): Promise<void> {
  const { mac, ports, share } = start;
  if (ports.length === 0 || signal?.aborted === true) return;
  const { disk: _, ...diskless } = start;
  const network = new UserNetwork(mac);
  const over = Promise.withResolvers<void>();
  const nothing = (): void => undefined;
  const machine = newMachine(diskless, modules);
  let runsSinceMs = clock.monotonicMs();
  const rest = (ms: number): void => {
    loop.pause('user');
    clock.setTimeout(() => {
      runsSinceMs = clock.monotonicMs();
      loop.resume('user');
    }, ms);
  };
  const loop: GuestLoop = new GuestLoop({
    machine,
    network: new GuestWire(network),
    clock,
    ...(share === undefined ? {} : { share }),
    onConsole: nothing,
    onPage: nothing,
    onSlice: () => {
      const ranMs = clock.monotonicMs() - runsSinceMs;
      if (isCalm && ranMs >= turnMs) rest(ranMs);
    },
    onEnd: () => over.resolve(),
  });
  const timer = clock.setTimeout(() => over.resolve(), rehearsalMs);
  signal?.addEventListener('abort', () => over.resolve(), { once: true });
  let answers = 0;
  let isOver = false;
  const ask = (port: number): void => {
    if (isOver) return;
    const say = (): void => {
      connection?.write(question);
      loop.wake();
    };
    const connection = network.connect(port, {
      opened: say,
      data: (bytes) => {
        connection?.consumed(bytes.length);
        if (++answers < enough) say();
        else over.resolve();
      },
      ended: () => connection?.end(),
      drained: nothing,
      closed: () => void clock.setTimeout(() => ask(port), retryMs),
    });
    loop.wake();
  };
  for (const port of ports) ask(port);
  await over.promise;
  isOver = true;
  timer.cancel();
  loop.stop();
  machine.release();
}
