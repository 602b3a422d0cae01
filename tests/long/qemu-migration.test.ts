/**
 * How long QEMU's own migration keeps clients of the same guest waiting, for comparison: prints what QEMU says and what a client sees, who asks at both ends all the time, as connections do not survive there.
 * `node tests/run.ts long tests/long/qemu-migration.test.ts`
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { eventually } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { qemuMissing } from '#tests/vm/compare.ts';

const moves = 5;
const kernel = join(root, 'pkg/vmm/guests/kernel/kernel.elf');
const guestPort = 8090;
const folder = mkdtempSync(join(tmpdir(), 'qemu-migration-'));
const running = new Set<ChildProcess>();

afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** What QEMU's monitor has answered. */
interface Answer {
  readonly status?: string;
  readonly downtime?: number;
  readonly 'total-time'?: number;
}

/** One QEMU with the guest; with `incoming` it waits for one. */
class Qemu {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #monitor: Socket;
  readonly #answers: ((answer: Answer) => void)[] = [];

  private constructor(port: number, child: ChildProcess, monitor: Socket) {
    this.port = port;
    this.#child = child;
    this.#monitor = monitor;
    let text = '';
    monitor.on('data', (bytes) => {
      text += bytes.toString();
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const message: { readonly return?: Answer } = JSON.parse(line);
        if (message.return !== undefined) this.#answers.shift()?.(message.return);
      }
    });
  }

  static async start(name: string, incoming?: string): Promise<Qemu> {
    const port = await freePort();
    const socket = join(folder, name);
    const network = `user,id=net,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:${guestPort}`;
    const child = spawn(
      'qemu-system-riscv64',
      [
        ...['-M', 'virt', '-m', '64M', '-bios', 'none', '-display', 'none', '-monitor', 'none', '-serial', 'null'],
        ...['-global', 'virtio-mmio.force-legacy=false', '-netdev', network, '-device', 'virtio-net-device,netdev=net'],
        ...['-kernel', kernel, '-append', `ip=10.0.2.15/24 port=${guestPort}`],
        ...['-qmp', `unix:${socket},server=on,wait=off`, ...(incoming === undefined ? [] : ['-incoming', incoming])],
      ],
      { stdio: 'ignore' },
    );
    running.add(child);
    const monitor = await eventually(
      () => connected(socket),
      (found) => found !== undefined,
    );
    if (monitor === undefined) throw new Error('no monitor');
    const qemu = new Qemu(port, child, monitor);
    await qemu.ask('qmp_capabilities');
    return qemu;
  }

  ask(execute: string, more: object = {}): Promise<Answer> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#monitor.write(`${JSON.stringify({ execute, ...more })}\n`);
    });
  }

  stop(): void {
    this.#monitor.destroy();
    this.#child.kill('SIGKILL');
    running.delete(this.#child);
  }
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Asks one port all the time, over a connection for each question; an answer that does not come in 200 ms is given up. */
function ask(port: number, answered: () => void): { stop(): void } {
  let goesOn = true;
  const next = (): void => {
    if (!goesOn) return;
    let isOver = false;
    const done = (): void => {
      if (isOver) return;
      isOver = true;
      request.destroy();
      setImmediate(next);
    };
    const request = get({ host: '127.0.0.1', port, path: '/healthz', agent: false, timeout: 200 }, (answer) => {
      answer.resume();
      answer.on('end', () => {
        answered();
        done();
      });
    });
    request.on('timeout', done);
    request.on('error', done);
  };
  next();
  return {
    stop: () => {
      goesOn = false;
    },
  };
}

/** Moves one guest from one QEMU to another; ms that QEMU says and that the clients saw. */
async function move(name: string) {
  const wire = `unix:${join(folder, `${name}-wire`)}`;
  const source = await Qemu.start(`${name}-source`);
  const target = await Qemu.start(`${name}-target`, wire);
  let answers = 0;
  let lastMs = performance.now();
  let longestMs = 0;
  const answered = (): void => {
    const nowMs = performance.now();
    // The guest's start is not looked at.
    if (answers++ > 0) longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  };
  const more = (): Promise<unknown> => {
    const before = answers;
    return eventually(
      async () => answers,
      (now) => now > before + 50,
    );
  };
  const clients = [ask(source.port, answered), ask(target.port, answered)];
  await more();
  longestMs = 0;
  await source.ask('migrate-set-parameters', { arguments: { 'max-bandwidth': 64 << 20, 'downtime-limit': 20 } });
  await source.ask('migrate', { arguments: { uri: wire } });
  const result = await eventually(
    () => source.ask('query-migrate'),
    ({ status }) => status === 'completed' || status === 'failed',
  );
  expect(result.status).toBe('completed');
  await more();
  for (const client of clients) client.stop();
  source.stop();
  target.stop();
  return { saysMs: result.downtime ?? 0, longestMs };
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

if (qemuMissing !== undefined) console.log(`Skipped: ${qemuMissing}`);
test.skipIf(qemuMissing !== undefined)('QEMU moves the guest, and a client waits', { timeout: 600_000 }, async () => {
  const seen: { readonly saysMs: number; readonly longestMs: number }[] = [];
  for (let at = 0; at < moves; at++) seen.push(await move(`${at}`));
  const says = middle(seen.map(({ saysMs }) => saysMs));
  const waited = middle(seen.map(({ longestMs }) => longestMs));
  console.log(
    `QEMU, ${moves} moves: it says p50 ${says} ms; the longest that a client waited: p50 ${waited.toFixed(1)} ms`,
  );
});
