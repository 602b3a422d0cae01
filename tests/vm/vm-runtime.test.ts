/** The laws of runtimes, and what is of machines alone, with real guests in real threads. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { runtimeConformance } from '#pkg/kubelet/runtime/conformance.ts';
import type { ContainerConfig } from '#pkg/kubelet/runtime/container-config.ts';
import type { RuntimeContainer } from '#pkg/kubelet/runtime/runtime.ts';
import { GuestThread } from '#pkg/kubelet/runtime/vm/guest-thread.ts';
import { GuestWorkers } from '#pkg/kubelet/runtime/vm/guest-workers.ts';
import { findImage } from '#pkg/kubelet/runtime/vm/images.ts';
import { MachineMemory } from '#pkg/kubelet/runtime/vm/machine-memory.ts';
import { createVmRuntime } from '#pkg/kubelet/runtime/vm/vm-runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { elfOfWords } from '#pkg/vmm/test-guests.ts';
import { eventually } from '#tests/e2e/running-cluster.ts';

const makeRuntime = () => createVmRuntime({ clock: new SystemClock(), random: new SystemRandom() });

/** A port of this machine that nobody has now. */
async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host, port: 0 }, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('the vm runtime keeps the laws of runtimes', () => {
  const rejects = async (promise: Promise<unknown>, reason: string): Promise<void> => {
    await expect(promise).rejects.toMatchObject({ reason });
  };
  const equal = (actual: unknown, expected: unknown): void => expect(actual).toEqual(expected);
  runtimeConformance({ test, equal, rejects }, async () => {
    const runtime = makeRuntime();
    const addresses = ['127.77.0.1'];
    const args = [`port=${await freePort('127.77.0.1')}`];
    const resources = { memoryLimitBytes: 8 << 20 };
    return {
      runtime,
      clock: new SystemClock(),
      settle: (promise) => promise,
      lasting: { image: 'coxswain.dev/vm/echo', args, addresses, resources },
      exiting: (exitCode) => ({
        image: 'coxswain.dev/vm/echo',
        args: [...args, `exit=${exitCode}`],
        addresses,
        resources,
      }),
      stubborn: { image: 'coxswain.dev/vm/compute', args: ['rounds=1000000'], resources },
      annotations: () => ({}),
      command: { argv: ['echo', 'hello'], stdout: 'hello\n' },
      close: () => runtime.close(),
    };
  });
});

async function run(config: Partial<ContainerConfig> & { readonly image: string }) {
  const runtime = makeRuntime();
  onTestFinished(() => runtime.close());
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig());
  const exit = new Promise<RuntimeContainer>((resolve) => {
    runtime.onExit(resolve);
  });
  const resources = { memoryLimitBytes: 8 << 20 };
  const port = await freePort(config.addresses?.[0] ?? '127.0.0.1');
  const args = [`port=${port}`];
  const id = await runtime.containers.create(sandbox.id, makeContainerConfig({ resources, args, ...config }));
  await runtime.containers.start(id);
  /** Reads the console up to a line that has `text`. */
  const until = async (text: string): Promise<string[]> => {
    const lines: string[] = [];
    for await (const line of runtime.inspection.logs(id, { follow: true })) {
      lines.push(line.text);
      if (line.text.includes(text)) break;
    }
    return lines;
  };
  return { runtime, id, sandbox, port, exit, until };
}

test('a job computes, says so and ends with its code', async () => {
  const { exit, until } = await run({ image: 'coxswain.dev/vm/compute' });
  expect(await exit).toMatchObject({ exitCode: 0, reason: 'Completed' });
  expect((await until('ok')).at(-1)).toBe('ok');
});

test("a machine's port is reached at its pod's address, and from within", async () => {
  const { runtime, sandbox, port, until } = await run({ image: 'coxswain.dev/vm/kernel', addresses: ['127.77.0.2'] });
  await until('listens');
  const put = await fetch(`http://127.77.0.2:${port}/a`, { method: 'PUT', body: 'hello' });
  expect(put.status).toBe(204);
  expect(await (await fetch(`http://127.77.0.2:${port}/a`)).text()).toBe('hello');
  const forwarded = await runtime.streaming.portForward(sandbox.id, { port, addresses: ['127.77.0.2'] });
  forwarded.write(Buffer.from('GET /a HTTP/1.1\r\nConnection: close\r\n\r\n'));
  let text = '';
  for await (const bytes of forwarded) text += Buffer.from(bytes).toString();
  expect(text.endsWith('hello')).toBe(true);
  forwarded.destroy();
});

test('what is typed at the console is run there, and figures are those of the machine', async () => {
  const { runtime, id, until } = await run({ image: 'coxswain.dev/vm/echo', addresses: ['127.77.0.3'] });
  await until('listens');
  const { stdin } = await runtime.streaming.attach(id, { stdin: true });
  await stdin?.write(Buffer.from('echo typed\n'));
  expect((await until('typed')).at(-1)).toBe('typed');
  const stats = await runtime.inspection.stats(id);
  expect(stats.memoryBytes).toBe(8 << 20);
  expect(stats.workingSetBytes).toBeLessThan(2 << 20);
});

test('a container that is asked to end does, by its agent', async () => {
  const { runtime, id, until } = await run({
    image: 'coxswain.dev/vm/echo',
    addresses: ['127.77.0.4'],
  });
  await until('listens');
  await runtime.containers.stop(id, { graceMs: 600_000 });
  expect(await runtime.containers.status(id)).toMatchObject({ exitCode: 0, reason: 'Completed' });
});

test('machines of a node keep the pages that they have alike once', async () => {
  const machine = await run({ image: 'coxswain.dev/vm/echo', addresses: ['127.77.0.5'] });
  const { runtime, id } = machine;
  await machine.until('listens');
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: 'twin' }));
  const resources = { memoryLimitBytes: 8 << 20 };
  const config = { image: 'coxswain.dev/vm/echo', addresses: ['127.77.0.6'], resources };
  const twin = await runtime.containers.create(sandbox.id, makeContainerConfig(config));
  await runtime.containers.start(twin);
  // Pages are looked at a second after the start, and once more.
  const { gauges } = await eventually(
    () => runtime.inspection.stats(id),
    (stats) => (stats.gauges?.['sharedBytes'] ?? 0) > 1.5 * (stats.gauges?.['sharedPartBytes'] ?? 0),
  );
  expect(gauges?.['sharedBytes']).toBeGreaterThan(100_000);
  expect(gauges?.['zeroBytes']).toBeGreaterThan(6 << 20);
  await runtime.containers.stop(twin, { graceMs: 0 });
  // What the twin has no more is the other's alone, but for pages of its own that are alike.
  await eventually(
    () => runtime.inspection.stats(id),
    (stats) => (stats.gauges?.['sharedBytes'] ?? 0) < 1.3 * (stats.gauges?.['sharedPartBytes'] ?? 0),
  );
});

test('a guest that is lost ends, others go on, and its container says why', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-vm-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'lost');
  await writeFile(file, elfOfWords([0]));
  const { exit, runtime } = await run({ image: pathToFileURL(file).href });
  expect(await exit).toMatchObject({
    exitCode: 139,
    reason: 'Error',
    message: expect.stringMatching(/^hart 0: trap 1 in the first instruction of its trap handler at 0x0/),
  });
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: 'other' }));
  const id = await runtime.containers.create(sandbox.id, makeContainerConfig({ image: 'coxswain.dev/vm/echo' }));
  await runtime.containers.start(id);
  expect(await runtime.containers.status(id)).toMatchObject({ state: 'running' });
});

test('what no machine of the node can run is refused before it starts', async () => {
  const runtime = createVmRuntime({ clock: new SystemClock(), random: new SystemRandom(), memoryBytesMax: 2 ** 32 });
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-vm-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  onTestFinished(() => runtime.close());
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig());
  const refusal = (image: string, memoryLimitBytes: number) =>
    runtime.containers.create(sandbox.id, makeContainerConfig({ image, resources: { memoryLimitBytes } })).then(
      () => 'made',
      (error: Error) => error.message,
    );
  const file = join(folder, 'text');
  await writeFile(file, 'no kernel at all');
  expect(await refusal(pathToFileURL(file).href, 8 << 20)).toMatch(/cannot run: .*ELF/);
  expect(await refusal(pathToFileURL(process.execPath).href, 8 << 20)).toMatch(/cannot run: .*machine/);
  expect(await refusal('coxswain.dev/vm/echo', 2 ** 33)).toBe(
    'the machine is to have 8589934592 bytes of memory and the node has 4294967296',
  );
  expect(await refusal('coxswain.dev/vm/echo', 3 * 2 ** 30)).toBe(
    'a machine has at most 2147483648 bytes of memory: the limit is 3221225472',
  );
  expect(await refusal('coxswain.dev/vm/echo', 4096)).toBe(
    'a machine has at least 1048576 bytes of memory: the limit is 4096',
  );
  expect(await refusal('coxswain.dev/vm/compute', 1 << 20)).toMatch(/cannot run: /);
});

test.each(['trap', 'translate', 'hardware', 'trap/software'])(
  'a machine runs under the monitor %s, which counts by reason why it was left, and stays there',
  async (monitor) => {
    // Many system calls, so that there is time to look at it.
    const args = [`monitor=${monitor}`, '200', '300', '200', '1000000'];
    const { runtime, id, until } = await run({ image: 'coxswain.dev/vm/pages', args });
    expect(await until('status')).toEqual([
      'pages',
      'entries 200',
      expect.stringMatching(/^sum /),
      'faults 1',
      'status 1',
    ]);
    const { counters = {} } = await runtime.inspection.stats(id);
    expect(counters).toMatchObject({ 'exits.device': expect.any(Number), instructions: expect.any(Number) });
    expect(counters['exits.device']).toBeGreaterThan(20);
    expect((counters['monitor.blocksTranslated'] ?? 0) > 0).toBe(monitor === 'translate');
    expect(counters['exits.traced-write']).toBe({ trap: 202, translate: 9 }[monitor] ?? 0);
    const { podNamespace: namespace, podName: name } = makeSandboxConfig();
    await expect(runtime.machines.save({ namespace, name }, 'uid')).rejects.toThrow(
      'a machine under a monitor stays where it is',
    );
    await runtime.containers.stop(id, { graceMs: 0 });
  },
);

test('a monitor that there is not, or that does not go with the image, is refused before anything starts', async () => {
  const runtime = makeRuntime();
  onTestFinished(() => runtime.close());
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig());
  const refusal = (image: string, ...args: readonly string[]) =>
    runtime.containers
      .create(sandbox.id, makeContainerConfig({ image, args, resources: { memoryLimitBytes: 8 << 20 } }))
      .then(
        () => 'made',
        (error: Error) => error.message,
      );
  const pages = 'coxswain.dev/vm/pages';
  expect(await refusal(pages)).toBe(`${pages}:latest is a kernel for a monitor: say which, as monitor=trap`);
  expect(await refusal(pages, 'monitor=popek')).toBe(
    'there is no way "popek": the ways are native, hardware, paravirtual, translate, hybrid, trap',
  );
  expect(await refusal(pages, 'monitor=trap', 'monitor=hybrid')).toBe('a machine has one monitor, not trap and hybrid');
  expect(await refusal(pages, 'monitor=trap/bare')).toBe(
    'trap/bare is a guest of its own for "coxswain vm compare", and no monitor of a machine',
  );
  expect(await refusal(pages, 'monitor=trap', ...'1234567')).toBe('Cannot give a guest 7 parameters: it has at most 6');
  expect(await refusal(pages, 'monitor=trap', '1')).toBe('made');
});

test('a thread is kept for the next machine once it is quiet, and that machine boots in it as in any other', async () => {
  const clock = new VirtualClock();
  const workers = new GuestWorkers({ clock, memory: new MachineMemory({ nodeBytes: 1 << 30 }), keepsSpare: true });
  onTestFinished(() => workers.close());
  expect(workers.hasSpare).toBe(false);
  await clock.advance(2000);
  // What the thread runs is read in real time.
  await eventually(
    async () => workers.hasSpare,
    (isThere) => isThere,
  );
  const kernel = (await findImage('coxswain.dev/vm/compute'))!.kernel;
  const start = {
    kernel,
    memoryBytes: 8 << 20,
    commandLine: 'rounds=1',
    mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    address: '127.0.0.1',
    ports: [],
  };
  /** What a machine in the next thread says, and how it ends. */
  const runOne = async () => {
    const ended = Promise.withResolvers<number>();
    let said = '';
    const thread = new GuestThread(
      { start, worker: await workers.take() },
      {
        console: (bytes) => {
          said += Buffer.from(bytes).toString();
        },
        taken: () => undefined,
        ended: ({ exitCode }) => ended.resolve(exitCode),
        presence: () => undefined,
        claim: () => undefined,
        migration: () => undefined,
      },
    );
    await thread.started;
    return { exitCode: await ended.promise, said };
  };
  const first = await runOne();
  expect(first).toMatchObject({ exitCode: 0 });
  expect(workers.hasSpare).toBe(false);
  expect(await runOne()).toEqual(first);
});
