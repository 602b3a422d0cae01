/**
 * The row `machines`: how long a machine takes from its container's making to its first answer, and what fifty machines of 8 MiB cost a node in memory. All of them are real guests in real threads
 * of this process, each of which answers before it is counted. Times are the median; memory is what the process has beyond what it had with none. Then each of them is given the same data, and what their
 * pages would take is compared with what they take, once those that are alike have been found.
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { Runtime } from '#pkg/kubelet/runtime/runtime.ts';
import { createVmRuntime } from '#pkg/kubelet/runtime/vm/vm-runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { print } from './bench.ts';
import { median } from './statistics.ts';

const machines = 50;
const memoryLimitBytes = 8 << 20;
const port = 8090;
const targets = { readyMs: 150, megabytes: 700 };
/** Each guest keeps so much. */
const valueBytes = 1 << 20;
/** Pages are looked at now and again while a guest runs. */
const settledMs = 2500;
/** A guest that boots is asked so often. */
const askMs = 1;

/** Bytes of this process that are in memory. */
function residentBytes(): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}

/** Resolves once the server at that address answers. */
async function answered(host: string): Promise<void> {
  const clock = new SystemClock();
  const once = (): Promise<boolean> =>
    new Promise((resolve) => {
      const asked = get({ host, port, path: '/healthz', agent: false }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode === 200)).on('error', () => resolve(false));
      });
      asked.on('error', () => resolve(false));
    });
  while (!(await once())) await new Promise<void>((resolve) => void clock.setTimeout(resolve, askMs));
}

/** What the guests' pages would take if none were kept once, and what they take. */
async function pagesOf(runtime: Runtime, ids: readonly string[]): Promise<readonly [alone: number, together: number]> {
  let [alone, together] = [0, 0];
  for (const id of ids) {
    const { ownBytes = 0, sharedBytes = 0, sharedPartBytes = 0 } = (await runtime.inspection.stats(id)).gauges ?? {};
    alone += ownBytes + sharedBytes;
    together += ownBytes + sharedPartBytes;
  }
  return [alone / 1e6, together / 1e6];
}

/** Prints the row; false when a target was missed. */
export async function measureMachines(): Promise<boolean> {
  const clock = new SystemClock();
  const runtime = createVmRuntime({ clock, random: new SystemRandom() });
  try {
    const before = residentBytes();
    const times: number[] = [];
    const ids: string[] = [];
    for (let number = 0; number < machines; number++) {
      const host = `127.77.1.${number + 1}`;
      const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: `machine-${number}` }));
      const beganMs = clock.monotonicMs();
      const config = { image: 'coxswain.dev/vm/kernel', args: [`port=${port}`], addresses: [host] };
      const id = await runtime.containers.create(
        sandbox.id,
        makeContainerConfig({ ...config, resources: { memoryLimitBytes } }),
      );
      await runtime.containers.start(id);
      ids.push(id);
      await answered(host);
      times.push(clock.monotonicMs() - beganMs);
    }
    const megabytes = (residentBytes() - before) / 1e6;
    const readyMs = median(times);
    print(
      `machines: ${readyMs.toFixed(0)} ms from a container's making to its guest's first answer (at most ${targets.readyMs})\n`,
    );
    print(`machines: ${megabytes.toFixed(0)} MB for ${machines} of 8 MiB (at most ${targets.megabytes})\n`);
    const value = Buffer.from(Uint8Array.from({ length: valueBytes }, (_, at) => (at * at) >> 12));
    for (let number = 0; number < machines; number++) {
      await fetch(`http://127.77.1.${number + 1}:${port}/value`, { method: 'PUT', body: value });
    }
    // The first looks of the last of them.
    await sleep(clock, settledMs);
    const [alone, together] = await pagesOf(runtime, ids);
    print(
      `machines: ${together.toFixed(1)} MB are the pages of ${machines} guests that keep the same MiB, and ${alone.toFixed(1)} MB without sharing\n`,
    );
    return readyMs <= targets.readyMs && megabytes <= targets.megabytes;
  } finally {
    await runtime.close();
  }
}
