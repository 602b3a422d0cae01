/**
 * The row `guest`: how fast the simulated machine runs its compute guest, beside QEMU (TCG) on the same guest, in turns. Processor time counts, as other work on
 * the machine costs both the same; both include their start. The guest checks its own result: a wrong one fails the row.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createMachine } from '#pkg/vmm/machine.ts';
import { print } from './bench.ts';
import { median } from './statistics.ts';

const guest = join(import.meta.dirname, '..', '..', 'pkg', 'vmm', 'guests', 'compute', 'compute.elf');
/** Some 1.3 thousand million instructions. */
const commandLine = 'rounds=20';
const pairs = 5;
/** Of the issue: at least so many instructions a second, and this share of QEMU's speed. */
const targets = { perSecond: 100e6, share: 1 / 3 };

/** Seconds of processor time, and instructions, of one run. */
function runOurs(): { readonly seconds: number; readonly instructions: number } {
  const kernel = readFileSync(guest);
  const before = process.cpuUsage();
  const machine = createMachine({ memory: 64 << 20, harts: 1, kernel, commandLine, engine: 'compile' });
  for (;;) {
    const stop = machine.run(100_000_000);
    machine.takeConsole();
    if (stop.reason === 'budget' || stop.reason === 'output') continue;
    if (stop.reason !== 'off' || stop.code !== 0) throw new Error(`the guest ended with ${JSON.stringify(stop)}`);
    const { user, system } = process.cpuUsage(before);
    return { seconds: (user + system) / 1e6, instructions: machine.counters.instructions };
  }
}

/** Seconds of processor time; undefined where there is no QEMU. */
function runQemu(): number | undefined {
  const options = '-M virt -m 64M -bios none -display none -monitor none -serial null';
  const command = `qemu-system-riscv64 ${options} -kernel "$1" -append ${commandLine} && times`;
  const { status, stdout } = spawnSync('sh', ['-c', command, 'sh', guest], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  // The second line is of what the shell ran: user and system time, as 0m0.65s.
  const times = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return times.reduce((sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds), 0);
}

/** Prints the row; false when a target was missed. */
export function measureGuest(): boolean {
  const rates: number[] = [];
  const shares: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const ours = runOurs();
    const theirs = runQemu();
    rates.push(ours.instructions / ours.seconds);
    if (theirs !== undefined) shares.push(theirs / ours.seconds);
  }
  const rate = median(rates);
  const share = shares.length === 0 ? undefined : median(shares);
  print(
    `guest: ${(rate / 1e6).toFixed(0)} million instructions a second of processor time (at least ${targets.perSecond / 1e6})\n`,
  );
  print(
    share === undefined
      ? 'guest: no QEMU to compare with\n'
      : `guest: ${share.toFixed(2)} of QEMU's speed (at least ${targets.share.toFixed(2)})\n`,
  );
  return rate >= targets.perSecond && (share === undefined || share >= targets.share);
}
