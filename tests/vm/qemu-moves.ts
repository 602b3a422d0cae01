/**
 * Moves of the same guest between processes of QEMU, for comparison: in a network namespace of their own, where a bridge has a port for each of the two, so that connections survive and the switch learns by
 * QEMU's announcement where the guest is. Takes root.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { eventually, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { qemuMissing } from './compare.ts';

const kernel = join(root, 'pkg/vmm/guests/kernel/kernel.elf');
const guestPort = 8090;
const guest = '10.0.2.15';
const gateway = '10.0.2.2/24';
const ports = ['guest0', 'guest1'] as const;
/** How many there were. */
let count = 0;

/** Why QEMU cannot be compared with here, or undefined. */
export const qemuMovesMissing: string | undefined =
  qemuMissing ?? (process.getuid?.() === 0 ? undefined : 'its network takes root');

/** QEMU has lost the guest, as it does now and then: its version 7.2 may find that the guest's rings are not those of which its device knows. */
export class QemuFailure extends Error {}

/** What QEMU's monitor has answered. */
interface Answer {
  readonly status?: string;
  readonly downtime?: number;
}

/** A line of it; others are news. */
interface Message {
  readonly return?: Answer;
  readonly error?: { readonly desc: string };
}

/** A guest that moves from one QEMU to the next. */
export class QemuMoves {
  /** Where the guest answers, within the namespace. */
  readonly host = guest;
  readonly port = guestPort;
  /** What QEMU says of each move: ms for which the guest stood still. */
  readonly saysMs: number[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'qemu-moves-'));
  readonly #namespace = `qemu-moves-${process.pid}-${++count}`;
  readonly #running = new Set<Qemu>();
  #place = 0;
  #current: Qemu | undefined;

  /** `saysMs`: where it is noted. */
  constructor(saysMs: number[]) {
    this.saysMs = saysMs;
  }

  /** Starts the first; resolves when the guest answers. */
  async start(): Promise<void> {
    const ip = (...args: readonly string[]): void => void execFileSync('ip', args);
    ip('netns', 'add', this.#namespace);
    const own = (...args: readonly string[]): void => ip('-n', this.#namespace, ...args);
    own('link', 'add', 'guests', 'type', 'bridge', 'forward_delay', '0');
    own('address', 'add', gateway, 'dev', 'guests');
    for (const name of ports) {
      own('tuntap', 'add', 'dev', name, 'mode', 'tap');
      own('link', 'set', name, 'master', 'guests', 'up');
    }
    own('link', 'set', 'guests', 'up');
    this.#current = await this.#next();
    const [program = '', ...before] = this.within;
    const knock = `echo > /dev/tcp/${guest}/${guestPort}`;
    await eventually(
      () => run(program, [...before, 'timeout', '2', 'bash', '-c', knock]),
      ({ code }) => code === 0,
    );
  }

  /** What runs a program within the namespace. */
  get within(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespace];
  }

  /** Makes the next QEMU, which waits for the guest; the call that is returned moves it. */
  async prepare(): Promise<() => Promise<void>> {
    const source = this.#current;
    const wire = `unix:${join(this.#folder, `wire-${this.#place}`)}`;
    const target = await this.#next(wire);
    return async () => {
      await source?.ask('migrate', { arguments: { uri: wire } });
      const result = await eventually(
        async () => (await source?.ask('query-migrate')) ?? {},
        ({ status }) => status === 'completed' || status === 'failed',
      );
      if (result.status !== 'completed') throw new QemuFailure('it did not move the guest');
      await eventually(
        () => target.ask('query-status'),
        ({ status }) => status === 'running',
      );
      this.saysMs.push(result.downtime ?? 0);
      this.#current = target;
      if (source === undefined) return;
      await source.end();
      this.#running.delete(source);
    };
  }

  async stop(): Promise<void> {
    for (const qemu of this.#running) await qemu.end();
    execFileSync('ip', ['netns', 'delete', this.#namespace]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #next(incoming?: string): Promise<Qemu> {
    const place = this.#place++;
    const port = ports[place % ports.length] ?? '';
    const network = `tap,id=net,ifname=${port},script=no,downscript=no`;
    const socket = join(this.#folder, `monitor-${place}`);
    const args = [
      ...['-M', 'virt', '-m', '64M', '-bios', 'none', '-display', 'none', '-monitor', 'none', '-serial', 'null'],
      ...['-global', 'virtio-mmio.force-legacy=false', '-netdev', network, '-device', 'virtio-net-device,netdev=net'],
      ...['-kernel', kernel, '-append', `ip=${guest}/24 port=${guestPort}`],
      ...['-qmp', `unix:${socket},server=on,wait=off`, ...(incoming === undefined ? [] : ['-incoming', incoming])],
    ];
    const [program = '', ...before] = this.within;
    const child = spawn(program, [...before, 'qemu-system-riscv64', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const monitor = await eventually(
      () => connected(socket),
      (found) => found !== undefined,
    );
    if (monitor === undefined) throw new Error('QEMU has no monitor');
    const qemu = new Qemu(child, monitor);
    await qemu.ask('qmp_capabilities');
    this.#running.add(qemu);
    const limits = { 'max-bandwidth': 64 << 20, 'downtime-limit': 20 };
    await qemu.ask('migrate-set-parameters', { arguments: limits });
    return qemu;
  }
}

/** One process of QEMU and its monitor. */
class Qemu {
  readonly #child: ChildProcess;
  readonly #monitor: Socket;
  readonly #answers: PromiseWithResolvers<Answer>[] = [];
  #isGone = false;

  constructor(child: ChildProcess, monitor: Socket) {
    this.#child = child;
    this.#monitor = monitor;
    let text = '';
    child.once('exit', () => {
      this.#isGone = true;
      for (const answer of this.#answers) answer.reject(new QemuFailure('its process has ended'));
    });
    monitor.on('data', (bytes) => {
      text += bytes.toString();
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const { return: answer, error }: Message = JSON.parse(line);
        if (answer !== undefined) this.#answers.shift()?.resolve(answer);
        else if (error !== undefined) this.#answers.shift()?.reject(new Error(error.desc));
      }
    });
  }

  ask(execute: string, more: object = {}): Promise<Answer> {
    const answer = Promise.withResolvers<Answer>();
    this.#answers.push(answer);
    if (this.#isGone) answer.reject(new QemuFailure('its process has ended'));
    this.#monitor.write(`${JSON.stringify({ execute, ...more })}\n`);
    return answer.promise;
  }

  async end(): Promise<void> {
    this.#monitor.destroy();
    if (this.#isGone) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}
