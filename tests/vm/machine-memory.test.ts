/** Machines that were promised more memory than their node has for them: what one does not need, another gets. */
import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { createVmRuntime } from '#pkg/kubelet/runtime/vm/vm-runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { eventually } from '#tests/e2e/running-cluster.ts';

const port = 8077;
const mebibyte = 2 ** 20;
const values = 10;
const valueBytes = mebibyte - 4096;
const dirtyPages = 2200;

test('a guest gives back what its processes have left, to one that has none, and both go on', async () => {
  const runtime = createVmRuntime({
    clock: new SystemClock(),
    random: new SystemRandom(),
    machineBytesMax: 16 * mebibyte,
  });
  onTestFinished(() => runtime.close());
  const machineAt = async (address: string, ...more: readonly string[]) => {
    const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: address }));
    const resources = { memoryLimitBytes: 14 * mebibyte };
    const args = [`port=${port}`, ...more];
    const config = { image: 'coxswain.dev/vm/kernel', args, addresses: [address], resources };
    const id = await runtime.containers.create(sandbox.id, makeContainerConfig(config));
    await runtime.containers.start(id);
    const at = (key: string): string => `http://${address}:${port}/${key}`;
    const answers = () =>
      fetch(at('healthz')).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually(answers, (ok) => ok);
    return { id, at };
  };
  const gauge = async (id: string, name: string): Promise<number> =>
    (await runtime.inspection.stats(id)).gauges?.[name] ?? 0;
  const first = await machineAt('127.77.0.21', 'dirty=100000', `dirty-of=${dirtyPages}`);
  await eventually(
    () => gauge(first.id, 'ownBytes'),
    (own) => own > dirtyPages * 4096,
  );
  const run = async (...command: readonly string[]): Promise<string> =>
    (await runtime.inspection.exec(first.id, { command })).stdout;
  const processes = (await run('ps')).split('\n').map((line) => line.split(' ').map(Number));
  const largest = processes.find(([, , , pages = 0]) => pages > dirtyPages);
  await run('kill', String(largest?.[0]));
  const before = await gauge(first.id, 'ownBytes');
  const second = await machineAt('127.77.0.22');
  const bodies = Array.from({ length: values }, () => randomBytes(valueBytes));
  for (const [key, body] of bodies.entries())
    expect((await fetch(second.at(`k${key}`), { method: 'PUT', body })).status).toBe(204);
  await eventually(
    () => gauge(first.id, 'balloonBytes'),
    (bytes) => bytes > mebibyte,
  );
  await eventually(
    () => gauge(first.id, 'ownBytes'),
    (own) => own < before - mebibyte,
  );
  for (const [key, body] of bodies.entries())
    expect(Buffer.from(await (await fetch(second.at(`k${key}`))).arrayBuffer()).equals(body)).toBe(true);
  expect((await fetch(first.at('healthz'))).ok).toBe(true);
  expect(await run('echo', 'still here')).toBe('still here\n');
});
