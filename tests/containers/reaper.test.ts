/** Ends of processes whose parents have ended, or are still to: an OCI runtime starts a container's first process by a child of its own, and ends before that does. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { processEntry } from '#pkg/kubelet/runtime/container/monitor/process-tree.ts';
import { Reaper } from '#pkg/kubelet/runtime/container/monitor/reaper.ts';
import { startProcess } from '#pkg/kubelet/runtime/container/monitor/start-process.ts';
import { becomeSubreaper, makePipe } from '#pkg/kubelet/runtime/container/monitor/system-calls.ts';
import { noContainers } from './real-containers.ts';

const whereThereAre = noContainers === undefined ? describe : describe.skip;

whereThereAre('a process that was started by a child of who was asked to', () => {
  test('has not ended while that child is still there, and its exit code is heard after', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'coxswain-reaper-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const [stay, go, number] = ['stay', 'go', 'pid'].map((name) => join(folder, name)) as [string, string, string];
    for (const pipe of [stay, go]) makePipe(pipe);
    const program = `sh -c 'read end <${go}; exit 7' & echo $! >${number}; read end <${stay}; exit 0`;
    const script = `(${program}) & while [ ! -s ${number} ]; do :; done`;
    becomeSubreaper();
    const reaper = new Reaper();
    reaper.listen();
    const { pid, exited } = await reaper.while(async () => {
      const starter = startProcess({
        path: '/bin/sh',
        args: ['-c', script],
        environment: ['PATH=/usr/bin:/bin'],
        stdio: [],
      });
      expect(await reaper.wait(starter)).toBe(0);
      const found = Number(readFileSync(number, 'latin1'));
      return { pid: found, exited: reaper.wait(found) };
    });
    const parent = processEntry(pid)?.parent;
    expect(parent).not.toBe(process.pid);
    expect(await Promise.race([exited, turn('runs')])).toBe('runs');
    writeFileSync(stay, 'end\n');
    await expect.poll(() => processEntry(pid)?.parent, { timeout: 120_000 }).toBe(process.pid);
    writeFileSync(go, 'end\n');
    expect(await exited).toBe(7);
  });
});
