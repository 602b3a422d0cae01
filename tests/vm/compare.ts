/** One guest on our machine and on QEMU (TCG, one hart, 64 MiB), and what both print. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { MachineConfig } from '#pkg/vmm/machine-contract.ts';

const MEMORY = 64 << 20;
const QEMU = 'qemu-system-riscv64';

/** Why QEMU cannot be asked, or undefined. */
export const qemuMissing: string | undefined =
  spawnSync(QEMU, ['--version']).status === 0 ? undefined : `${QEMU} is not installed (Debian: qemu-system-misc)`;

/** What a guest prints until it switches itself off on our machine; hot code is compiled after so many visits. */
export function runOurs(kernel: Uint8Array, engine: MachineConfig['engine'], compileAfter?: number): string {
  const config = { memory: MEMORY, harts: 1, kernel, commandLine: '', engine };
  const machine = createMachine(config, undefined, compileAfter === undefined ? {} : { compileAfter });
  let text = '';
  for (;;) {
    const stop = machine.run(10_000_000);
    text += Buffer.from(machine.takeConsole()).toString();
    if (stop.reason === 'off') return text;
    if (stop.reason !== 'budget' && stop.reason !== 'output') throw new Error(JSON.stringify(stop));
  }
}

/** What it prints there: into a file, as its serial port drops what a pipe has no room for when who reads is slow. One that takes too long is no answer, though QEMU says by its status that it ended well. */
export function runQemu(kernel: Uint8Array, timeoutMs = 1_200_000): string {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-vm-'));
  try {
    const [file, printed] = [join(folder, 'guest.elf'), join(folder, 'printed')];
    writeFileSync(file, kernel);
    const board = '-M virt -m 64M -bios none -display none -monitor none'.split(' ');
    const { stderr, status, error } = spawnSync(QEMU, [...board, '-serial', `file:${printed}`, '-kernel', file], {
      encoding: 'utf8',
      timeout: timeoutMs,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (error !== undefined) throw new Error(`QEMU did not end: ${error.message}`);
    if (status !== 0) throw new Error(`QEMU ended with ${status}: ${stderr}`);
    return readFileSync(printed, 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Numbers of programs whose lines differ, or are there once only. */
export function differences(a: string, b: string): readonly number[] {
  const [ours, others] = [a.split('\n'), b.split('\n')];
  const count = Math.max(ours.length, others.length);
  return Array.from({ length: count }, (_, index) => index).filter((index) => ours[index] !== others[index]);
}
