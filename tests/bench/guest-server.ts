/**
 * The second part of the row `guest`: what the guest that serves HTTP takes of the processor for each answer, on our machine and on QEMU (TCG), of which both run and are asked in turns by the same
 * client. Of ours it is the machine's thread, with its relay; of QEMU its process, with its user network. What the client takes counts for neither.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { createVmRuntime } from '#pkg/kubelet/runtime/vm/vm-runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { print } from './bench.ts';
import { median } from './statistics.ts';

const kernel = join(import.meta.dirname, '..', '..', 'pkg', 'vmm', 'guests', 'kernel', 'kernel.elf');
const memoryBytes = 64 << 20;
const guestPort = 8090;
const pairs = 5;
const requests = 500;
/** Of so many requests, before anything is measured. */
const warmRounds = 6;
const connections = 4;
const valueBytes = 4096;
/** A guest that has not answered after this does not boot. */
const bootMs = 60_000;
/** Of the issue: this share of QEMU's speed. */
const shareMin = 1 / 3;
const qemu = 'qemu-system-riscv64';
const clock = new SystemClock();

/** A guest that serves. */
interface Serving {
  readonly host: string;
  readonly port: number;
  /** Processor time that it has taken so far, in seconds. */
  seconds(): Promise<number>;
  end(): Promise<void>;
}

async function serveOurs(): Promise<Serving> {
  const runtime = createVmRuntime({ clock, random: new SystemRandom() });
  const host = '127.77.2.1';
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig());
  const config = { image: 'coxswain.dev/vm/kernel', args: [`port=${guestPort}`], addresses: [host] };
  const resources = { memoryLimitBytes: memoryBytes };
  const id = await runtime.containers.create(sandbox.id, makeContainerConfig({ ...config, resources }));
  await runtime.containers.start(id);
  return {
    host,
    port: guestPort,
    seconds: async () => ((await runtime.inspection.stats(id)).cpuNanoseconds ?? 0) / 1e9,
    end: () => runtime.close(),
  };
}

async function serveQemu(): Promise<Serving> {
  const port = await freePort();
  const network = `user,id=net,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:${guestPort}`;
  const board =
    '-M virt -m 64M -bios none -display none -monitor none -serial null -global virtio-mmio.force-legacy=false';
  const options = [...board.split(' '), '-netdev', network, '-device', 'virtio-net-device,netdev=net'];
  const started = ['-kernel', kernel, '-append', `ip=10.0.2.15/24 port=${guestPort}`];
  const child: ChildProcess = spawn(qemu, [...options, ...started], { stdio: 'ignore' });
  return {
    host: '127.0.0.1',
    port,
    // Of all its threads; the first number is that of nanoseconds on a processor.
    seconds: async () => {
      const tasks = `/proc/${child.pid}/task`;
      const times = readdirSync(tasks).map((id) => readFileSync(join(tasks, id, 'schedstat'), 'latin1').split(' ')[0]);
      return times.reduce((sum, time) => sum + Number(time), 0) / 1e9;
    },
    end: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Asks once; resolves with the length of what came, undefined where it was no answer. */
function ask({ host, port }: Serving, agent: Agent, body?: Buffer): Promise<number | undefined> {
  return new Promise((resolve) => {
    const method = body === undefined ? 'GET' : 'PUT';
    const asked = request({ host, port, path: '/value', method, agent }, (answer: IncomingMessage) => {
      let length = 0;
      answer.on('data', (bytes: Buffer) => {
        length += bytes.length;
      });
      answer.on('end', () => resolve((answer.statusCode ?? 500) < 300 ? length : undefined));
      answer.on('error', () => resolve(undefined));
    });
    asked.on('error', () => resolve(undefined));
    asked.end(body);
  });
}

/** Processor seconds for one answer, of many. Throws where an answer is wrong. */
async function measure(guest: Serving): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  try {
    const before = await guest.seconds();
    let left = requests;
    const client = async (): Promise<void> => {
      while (left-- > 0) if ((await ask(guest, agent)) !== valueBytes) throw new Error('the guest gave a wrong answer');
    };
    await Promise.all(Array.from({ length: connections }, client));
    return ((await guest.seconds()) - before) / requests;
  } finally {
    agent.destroy();
  }
}

/** Gives it what it is asked for; it may be booting. Throws when it does not take it for `bootMs`, and when the signal comes. */
async function filled(guest: Serving, signal: AbortSignal): Promise<void> {
  const agent = new Agent();
  const value = Buffer.alloc(valueBytes, 'x');
  const untilMs = clock.monotonicMs() + bootMs;
  while ((await ask(guest, agent, value)) === undefined) {
    if (clock.monotonicMs() > untilMs) throw new Error(`the guest at ${guest.host}:${guest.port} does not answer`);
    await sleep(clock, 50, signal);
    signal.throwIfAborted();
  }
  agent.destroy();
  // For what is compiled by then: on a busy machine an engine comes to that late.
  for (let round = 0; round < warmRounds; round++) await measure(guest);
}

/** Prints the figures; false when the target was missed. Throws where a guest does not answer, and when the signal comes; both guests are ended then. */
export async function measureServingGuest(signal: AbortSignal): Promise<boolean> {
  const hasQemu = spawnSync(qemu, ['--version']).status === 0;
  const guests = [await serveOurs(), ...(hasQemu ? [await serveQemu()] : [])];
  try {
    for (const guest of guests) await filled(guest, signal);
    const turns: (readonly number[])[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const times: number[] = [];
      for (const guest of guests) {
        signal.throwIfAborted();
        times.push(await measure(guest));
      }
      turns.push(times);
    }
    const microseconds = median(turns.map(([ours = 0]) => ours)) * 1e6;
    print(`guest: ${microseconds.toFixed(0)} µs of processor time for an answer of the guest that serves\n`);
    if (!hasQemu) return true;
    const share = median(turns.map(([ours = 1, theirs = 0]) => theirs / ours));
    print(`guest: ${share.toFixed(2)} of QEMU's speed when it serves (at least ${shareMin.toFixed(2)})\n`);
    return share >= shareMin;
  } finally {
    for (const guest of guests) await guest.end();
  }
}
