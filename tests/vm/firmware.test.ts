/** The firmware that boot images begin on, and a kernel that asks it for everything, on QEMU and on our machine: both say the same. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMachine } from '#pkg/vmm/machine.ts';
import { qemuMissing } from './compare.ts';

const guests = join(import.meta.dirname, '../../pkg/vmm/guests');
const firmware = join(guests, 'firmware/firmware.elf');
const kernel = join(guests, 'supervisor/supervisor.image');

function ours(): string {
  const begins = { kernel: readFileSync(kernel), firmware: readFileSync(firmware) };
  const machine = createMachine({ memory: 64 << 20, harts: 2, ...begins, commandLine: '', engine: 'compile' });
  let text = '';
  for (;;) {
    const stop = machine.run(1_000_000);
    text += Buffer.from(machine.takeConsole()).toString();
    if (stop.reason === 'off') return text;
    if (stop.reason === 'idle') machine.idle(stop.ticks ?? 1000);
    else if (stop.reason !== 'budget' && stop.reason !== 'output') throw new Error(JSON.stringify(stop));
  }
}

test('the firmware answers on QEMU as it does on our machine', (context) => {
  if (qemuMissing !== undefined) {
    console.log(`skipped: ${qemuMissing}`);
    context.skip();
  }
  const options = '-M virt -m 64M -smp 2 -display none -monitor none -serial stdio';
  const { stdout, stderr, status } = spawnSync(
    'qemu-system-riscv64',
    [...options.split(' '), '-bios', firmware, '-kernel', kernel],
    { encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: '', stdout: ours() });
});
