/**
 * xv6 (`mit-pdos/xv6-riscv`, built outside) boots to its shell and passes its own tests: `XV6=FOLDER node tests/run.ts long tests/long/xv6.test.ts`, where the folder has `kernel/kernel` and `fs.img`.
 * `XV6_COMMAND` is what is typed, `XV6_HARTS` how many harts there are; QEMU's time for the same is printed where it is installed.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';
import { qemuMissing } from '#tests/vm/compare.ts';

const folder = process.env.XV6 ?? '';
const command = process.env.XV6_COMMAND ?? 'usertests -q';
const harts = Number(process.env.XV6_HARTS ?? 1);
const memory = 128 << 20;
const sectorBytes = 512;
const slice = 2_000_000;
const passed = 'ALL TESTS PASSED';
/** What ends it without success. */
const failed = /panic|FAILED|SOME TESTS FAILED/;

/** Answers what the machine asks of its disk. */
function serve(machine: Machine, disk: Uint8Array): void {
  for (const { id, kind, sector, length, data } of machine.takeDiskRequests()) {
    const at = sector * sectorBytes;
    if (data !== undefined) disk.set(data, at);
    machine.finishDiskRequest(id, { ok: true, ...(kind === 'read' ? { data: disk.slice(at, at + length) } : {}) });
  }
}

/** Runs a machine until it has printed what matches; resolves with what it printed. */
function runUntil(machine: Machine, disk: Uint8Array, end: RegExp): string {
  let text = '';
  while (!end.test(text)) {
    const stop = machine.run(slice);
    text += Buffer.from(machine.takeConsole()).toString();
    serve(machine, disk);
    if (stop.reason === 'idle') machine.idle(stop.ticks ?? 1000);
    else if (stop.reason !== 'budget' && stop.reason !== 'output')
      throw new Error(`${JSON.stringify(stop)} after ${text}`);
  }
  return text;
}

/** The same on QEMU; resolves with the seconds that it takes. */
async function qemuSeconds(): Promise<number> {
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
  const child = spawn('qemu-system-riscv64', [
    ...options.split(' '),
    '-kernel',
    join(folder, 'kernel/kernel'),
    ...drive,
  ]);
  const began = performance.now();
  let text = '';
  let isTyped = false;
  try {
    for await (const bytes of child.stdout) {
      text += bytes;
      if (!isTyped && text.includes('$ ')) {
        isTyped = true;
        child.stdin.write(`${command}\n`);
      }
      if (text.includes(passed)) return (performance.now() - began) / 1000;
    }
    throw new Error(`QEMU ended: ${text}`);
  } finally {
    child.kill('SIGKILL');
    rmSync(own, { recursive: true });
  }
}

test.skipIf(folder === '')(`xv6 passes ${command}`, { timeout: 7_200_000 }, async () => {
  const kernel = readFileSync(join(folder, 'kernel/kernel'));
  const disk = new Uint8Array(readFileSync(join(folder, 'fs.img')));
  const diskSectors = disk.length / sectorBytes;
  const began = performance.now();
  const machine = createMachine({ memory, harts, kernel, commandLine: '', diskSectors, engine: 'compile' });
  runUntil(machine, disk, /\$ /);
  const booted = performance.now();
  machine.consoleInput(Buffer.from(`${command}\n`));
  const text = runUntil(machine, disk, new RegExp(`${passed}|${failed.source}`));
  const seconds = (performance.now() - began) / 1000;
  console.log(`shell after ${((booted - began) / 1000).toFixed(1)} s, ${command} after ${seconds.toFixed(0)} s`);
  console.log(`${(machine.counters.instructions / 1e6).toFixed(0)} million instructions`);
  expect(text).toContain(passed);
  if (qemuMissing === undefined) console.log(`QEMU: ${(await qemuSeconds()).toFixed(0)} s`);
});
