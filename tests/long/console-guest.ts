/** A guest that is talked to by its console: on our machine with a disk in memory, and on QEMU for the time that the same takes there. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { Machine } from '#pkg/vmm/machine-contract.ts';

const sectorBytes = 512;
const slice = 2_000_000;

/** Answers what the machine asks of its disk. */
function serve(machine: Machine, disk: Uint8Array | undefined): void {
  for (const { id, kind, sector, length, data } of machine.takeDiskRequests()) {
    const at = sector * sectorBytes;
    if (data !== undefined) disk?.set(data, at);
    const read = kind === 'read' ? { data: disk?.slice(at, at + length) ?? new Uint8Array(length) } : {};
    machine.finishDiskRequest(id, { ok: disk !== undefined, ...read });
  }
}

/** Runs a machine until it has printed what matches; returns what it printed. Throws where it ends before. */
export function runUntil(machine: Machine, end: RegExp, disk?: Uint8Array): string {
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

/** Types a line at a machine's prompt and runs it until it has printed what matches; returns what it printed. */
export function ask(
  machine: Machine,
  { line, end, disk }: { readonly line: string; readonly end: RegExp; readonly disk?: Uint8Array },
): string {
  machine.consoleInput(Buffer.from(`${line}\n`));
  return runUntil(machine, end, disk);
}

/** The same on QEMU: types a line at the first `prompt`; resolves with the seconds until that, and those of a processor that it took, and with the seconds until it has printed what ends it. */
export async function qemuSeconds(
  options: readonly string[],
  { line, prompt, end }: { readonly line: string; readonly prompt: RegExp; readonly end: RegExp },
): Promise<{ readonly promptSeconds: number; readonly promptCpuSeconds: number; readonly endSeconds: number }> {
  const child = spawn('qemu-system-riscv64', options);
  const began = performance.now();
  const passed = (): number => (performance.now() - began) / 1000;
  let text = '';
  let promptSeconds: number | undefined;
  let promptCpuSeconds = 0;
  try {
    for await (const bytes of child.stdout) {
      text += bytes;
      if (promptSeconds === undefined && prompt.test(text)) {
        promptSeconds = passed();
        promptCpuSeconds = cpuSecondsOf(child.pid ?? 0);
        text = '';
        child.stdin.write(`${line}\n`);
      }
      if (promptSeconds !== undefined && end.test(text))
        return { promptSeconds, promptCpuSeconds, endSeconds: passed() };
    }
    throw new Error(`QEMU ended: ${text}`);
  } finally {
    child.kill('SIGKILL');
  }
}

/** What a process has taken of processors so far. Source: proc(5), `stat`, in hundredths of seconds. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
