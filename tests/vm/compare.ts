/** One guest on our machine and on QEMU (TCG, one hart, 64 MiB), and what both print. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

/** What it prints there. */
export function runQemu(kernel: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-vm-'));
  try {
    const file = join(folder, 'guest.elf');
    writeFileSync(file, kernel);
    const options = [
      '-M',
      'virt',
      '-m',
      '64M',
      '-bios',
      'none',
      '-display',
      'none',
      '-monitor',
      'none',
      '-serial',
      'stdio',
    ];
    const { stdout, stderr, status } = spawnSync(QEMU, [...options, '-kernel', file], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      timeout: 120_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (status !== 0) throw new Error(`QEMU ended with ${status}: ${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Numbers of programs whose lines differ. */
export function differences(a: string, b: string): readonly number[] {
  const others = b.split('\n');
  return a.split('\n').flatMap((line, index) => (line === others[index] ? [] : [index]));
}
