/**
 * Linux boots to a prompt, on a bare machine and as a pod's: `LINUX=FOLDER node tests/run.ts long tests/long/linux.test.ts`, where the folder has `Image` and `initrd` as `docs/linux.md` says how to build them.
 * What the boot costs is printed beside QEMU, with its own firmware and with ours, where it is installed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { createVmRuntime } from '#pkg/kubelet/runtime/vm/vm-runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine, MachineConfig } from '#pkg/vmm/machine-contract.ts';
import { eventually } from '#tests/e2e/running-cluster.ts';
import { qemuMissing } from '#tests/vm/compare.ts';
import { ask, qemuSeconds, runUntil } from './console-guest.ts';

const folder = process.env.LINUX ?? '';
const firmwareFile = join(import.meta.dirname, '../../pkg/vmm/guests/firmware/firmware.elf');
const memory = 64 << 20;
const prompt = /\/ # $/;
const timeout = 1_800_000;

/** A machine at its prompt. */
function boot(more: Partial<MachineConfig> = {}, disk?: Uint8Array): Machine {
  const machine = createMachine({
    memory,
    harts: 1,
    kernel: readFileSync(join(folder, 'Image')),
    firmware: readFileSync(firmwareFile),
    initrd: readFileSync(join(folder, 'initrd')),
    commandLine: 'console=hvc0',
    engine: 'compile',
    ...more,
  });
  runUntil(machine, prompt, disk);
  return machine;
}

test.skipIf(folder === '')('Linux boots to a prompt, and what that costs', { timeout }, async () => {
  const [began, threadBegan] = [process.cpuUsage(), process.threadCpuUsage()];
  const machine = boot();
  const [all, own] = [process.cpuUsage(began), process.threadCpuUsage(threadBegan)].map(
    ({ user, system }) => (user + system) / 1e6,
  );
  const { instructions, traps, interrupts, pageWalks } = machine.counters;
  console.log(
    `prompt after ${own?.toFixed(1)} s of the machine's thread, ${all?.toFixed(1)} s with those that compile, ${(instructions / 1e6).toFixed(0)} million instructions, ${traps} traps, ${interrupts} interrupts, ${pageWalks} page walks`,
  );
  expect(ask(machine, { line: 'uname -srm; echo $((6*7))', end: prompt })).toMatch(/Linux 6\.\S+ riscv64\s+42\s/);
  if (qemuMissing !== undefined) return;
  const common = `-M virt -m 64M -nographic -monitor none -serial stdio -global virtio-mmio.force-legacy=false`;
  const kernel = ['-kernel', join(folder, 'Image'), '-initrd', join(folder, 'initrd'), '-append', 'console=ttyS0'];
  for (const bios of ['default', firmwareFile]) {
    const spoken = { line: 'uname -m', prompt, end: /riscv64/ };
    const { promptCpuSeconds } = await qemuSeconds([...common.split(' '), '-bios', bios, ...kernel], spoken);
    console.log(`QEMU with ${bios === 'default' ? 'its' : 'our'} firmware: ${promptCpuSeconds.toFixed(2)} s`);
  }
});

test.skipIf(folder === '')('Linux has the harts, the serial port and the disk that there are', { timeout }, () => {
  const disk = new Uint8Array(4 << 20);
  const machine = boot({ harts: 3, commandLine: 'console=ttyS0', diskSectors: disk.length / 512 }, disk);
  const of = (line: string): string => ask(machine, { line, end: prompt, disk });
  expect(of('nproc')).toContain('\n3');
  of('mke2fs /dev/vda >/dev/null && mount /dev/vda /mnt && echo kept > /mnt/file && umount /mnt');
  expect(of('mount /dev/vda /mnt && cat /mnt/file')).toContain('\nkept');
  expect(Buffer.from(disk).includes('kept\n')).toBe(true);
  machine.consoleInput(Buffer.from('umount /mnt; poweroff -f\n'));
  expect(() => runUntil(machine, /never/, disk)).toThrow('{"reason":"off","code":0}');
});

test.skipIf(folder === '')(
  'Linux is a pod’s machine: its console is the log, its server answers',
  { timeout },
  async () => {
    const runtime = createVmRuntime({ clock: new SystemClock(), random: new SystemRandom() });
    onTestFinished(() => runtime.close());
    const sandbox = await runtime.sandboxes.run(makeSandboxConfig());
    const config = makeContainerConfig({
      image: pathToFileURL(folder).href,
      args: ['console=hvc0', 'port=8095'],
      addresses: ['127.77.0.9'],
      resources: { memoryLimitBytes: memory },
    });
    const id = await runtime.containers.create(sandbox.id, config);
    await runtime.containers.start(id);
    const answer = (): Promise<string> =>
      fetch('http://127.77.0.9:8095/')
        .then((got) => got.text())
        .catch(() => '');
    await eventually(answer, (got) => got.length > 0, timeout);
  },
);
