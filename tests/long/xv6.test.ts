/**
 * xv6 (`mit-pdos/xv6-riscv`, built outside) boots to its shell and passes its own tests: `XV6=FOLDER node tests/run.ts long tests/long/xv6.test.ts`, where the folder has `kernel/kernel` and `fs.img`.
 * `XV6_COMMAND` is what is typed, `XV6_HARTS` how many harts there are; QEMU's time for the same is printed where it is installed.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { createMachine } from '#pkg/vmm/machine.ts';
import { qemuMissing } from '#tests/vm/compare.ts';
import { ask, qemuSeconds, runUntil } from './console-guest.ts';

const folder = process.env.XV6 ?? '';
const command = process.env.XV6_COMMAND ?? 'usertests -q';
const harts = Number(process.env.XV6_HARTS ?? 1);
const memory = 128 << 20;
const sectorBytes = 512;
const passed = 'ALL TESTS PASSED';
/** What ends it without success. */
const failed = /panic|FAILED|SOME TESTS FAILED/;

/** The same on QEMU; resolves with the seconds that it takes. */
async function secondsOnQemu(): Promise<number> {
  const own = mkdtempSync(join(tmpdir(), 'xv6-'));
  const disk = join(own, 'fs.img');
  copyFileSync(join(folder, 'fs.img'), disk);
  const options = `-M virt -bios none -m 128M -smp ${harts} -nographic -monitor none -global virtio-mmio.force-legacy=false`;
  const drive = [
    '-drive',
    `file=${disk},if=none,format=raw,id=x0`,
    '-device',
    'virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0',
  ];
  const machine = [...options.split(' '), '-kernel', join(folder, 'kernel/kernel'), ...drive];
  try {
    const { endSeconds } = await qemuSeconds(machine, { line: command, prompt: /\$ /, end: new RegExp(passed) });
    return endSeconds;
  } finally {
    rmSync(own, { recursive: true });
  }
}

test.skipIf(folder === '')(`xv6 passes ${command}`, { timeout: 7_200_000 }, async () => {
  const kernel = readFileSync(join(folder, 'kernel/kernel'));
  const disk = new Uint8Array(readFileSync(join(folder, 'fs.img')));
  const diskSectors = disk.length / sectorBytes;
  const began = performance.now();
  const machine = createMachine({ memory, harts, kernel, commandLine: '', diskSectors, engine: 'compile' });
  runUntil(machine, /\$ /, disk);
  const booted = performance.now();
  const text = ask(machine, { line: command, end: new RegExp(`${passed}|${failed.source}`), disk });
  const seconds = (performance.now() - began) / 1000;
  console.log(`shell after ${((booted - began) / 1000).toFixed(1)} s, ${command} after ${seconds.toFixed(0)} s`);
  console.log(`${(machine.counters.instructions / 1e6).toFixed(0)} million instructions`);
  expect(text).toContain(passed);
  if (qemuMissing === undefined) console.log(`QEMU: ${(await secondsOnQemu()).toFixed(0)} s`);
});
