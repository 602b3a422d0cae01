import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeContainerConfig, makeSandboxConfig } from '../../testing/configs.ts';
import { runtimeConformance } from '../conformance.ts';
import type { ContainerConfig } from '../container-config.ts';
import type { LogLine, Runtime, RuntimeContainer } from '../runtime.ts';
import { createInProcessRuntime } from './inprocess-runtime.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coxswain-inprocess-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function makeRuntime() {
  return createInProcessRuntime({ clock: new SystemClock(), random: new SystemRandom(), dataDir: directory });
}

/** The image of a program that never yields, once it has said so: a signal that comes before ends it, as it ends others. */
async function deafProgram(): Promise<string> {
  const module = join(directory, 'deaf.mjs');
  await writeFile(module, "console.log('deaf'); for (;;);");
  return pathToFileURL(module).href;
}

/** The first line of a container, once it has written one. */
async function nextLine(runtime: Runtime, id: string): Promise<string | undefined> {
  const { value } = await runtime.inspection.logs(id, { follow: true })[Symbol.asyncIterator]().next();
  return value?.text;
}

describe('the in-process runtime keeps the laws of runtimes', () => {
  const rejects = async (promise: Promise<unknown>, reason: string): Promise<void> => {
    await expect(promise).rejects.toMatchObject({ reason });
  };
  const equal = (actual: unknown, expected: unknown): void => expect(actual).toEqual(expected);
  runtimeConformance({ test, equal, rejects }, async () => {
    const runtime = makeRuntime();
    const busy = await deafProgram();
    return {
      runtime,
      clock: new SystemClock(),
      settle: (promise) => promise,
      lasting: { image: 'coxswain.dev/pause' },
      exiting: (exitCode) => ({ image: 'coxswain.dev/job', args: ['0', String(exitCode)] }),
      stubborn: { image: busy },
      isDeaf: async (id) => void (await nextLine(runtime, id)),
      annotations: () => ({}),
      command: { argv: ['echo', 'hello'], stdout: 'hello\n' },
      close: () => runtime.close(),
    };
  });
});

async function run(config: Partial<ContainerConfig> & { readonly image: string }, ip = '127.0.0.1') {
  const runtime = makeRuntime();
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: 'p', hostname: 'p' }));
  const exit = new Promise<RuntimeContainer>((resolve) => {
    runtime.onExit(resolve);
  });
  const id = await runtime.containers.create(sandbox.id, makeContainerConfig({ addresses: [ip], ...config }));
  await runtime.containers.start(id);
  const logs = async (): Promise<string[]> => {
    const lines: LogLine[] = [];
    for await (const line of runtime.inspection.logs(id, { follow: true })) lines.push(line);
    return lines.map(({ stream, text }) => `${stream}: ${text}`);
  };
  return { runtime, id, exit, logs };
}

test('a job prints, exits and leaves its output', async () => {
  const { runtime, exit, logs } = await run({ image: 'coxswain.dev/job:v1', env: { SECONDS: '0', EXIT_CODE: '4' } });
  expect(await exit).toMatchObject({ exitCode: 4, reason: 'Error' });
  expect(await logs()).toEqual(['stdout: working for 0 s', 'stdout: done, exit code 4']);
  await runtime.close();
});

test('a job whose arguments are no numbers says what it takes', async () => {
  const { runtime, exit, logs } = await run({ image: 'coxswain.dev/job:v1', args: ['echo', 'hi'] });
  expect(await exit).toMatchObject({ exitCode: 2, reason: 'Error' });
  expect(await logs()).toEqual([
    'stderr: job: cannot work with ["echo","hi"]',
    'stderr: Arguments: [seconds (1)] [exit code (0)], or the environment variables SECONDS and EXIT_CODE',
  ]);
  await runtime.close();
});

test('a container beyond its memory limit ends as OOMKilled with 137', async () => {
  const module = join(directory, 'hungry.mjs');
  await writeFile(
    module,
    'const all = []; for (;;) all.push(new Array(100_000).fill(0).map(() => ({ x: all.length })));',
  );
  const { runtime, exit } = await run({
    image: pathToFileURL(module).href,
    resources: { memoryLimitBytes: 16 * 2 ** 20 },
  });
  expect(await exit).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  await runtime.close();
});

test('a module on disk sees its arguments, environment, and SIGTERM as a process does', async () => {
  const module = join(directory, 'plain.mjs');
  await writeFile(
    module,
    `const alive = setInterval(() => {}, 1000);
     process.on('SIGTERM', () => { console.error('got it'); clearInterval(alive); process.exitCode = 9; });
     console.log(process.argv.slice(2).join(','), process.env.COLOR);`,
  );
  const { runtime, id, exit, logs } = await run({
    image: pathToFileURL(module).href,
    args: ['a', 'b'],
    env: { COLOR: 'red' },
  });
  expect(await nextLine(runtime, id)).toBe('a,b red');
  await runtime.containers.stop(id, { graceMs: 100_000 });
  expect((await exit).exitCode).toBe(9);
  expect(await logs()).toEqual(['stdout: a,b red', 'stderr: got it']);
  await runtime.close();
});

test('a program that ignores SIGTERM is killed after the grace period', async () => {
  const { runtime, id, exit } = await run({ image: await deafProgram() });
  expect(await nextLine(runtime, id)).toBe('deaf');
  await runtime.containers.stop(id, { graceMs: 50 });
  expect((await exit).exitCode).toBe(137);
  await runtime.close();
});

test('commands run inside the container, in its own folders', async () => {
  const { runtime, id } = await run({ image: 'coxswain.dev/pause' });
  const exec = (...command: string[]) => runtime.inspection.exec(id, { command });
  expect([
    await exec('sh', '-c', 'echo hello > /tmp/greeting && cat /tmp/greeting; exit 3'),
    await exec('cat', '/tmp/greeting'),
    await exec('cat', '/etc/passwd'),
    await exec('nonesuch'),
  ]).toEqual([
    { exitCode: 3, stdout: 'hello\n', stderr: '' },
    { exitCode: 0, stdout: 'hello\n', stderr: '' },
    { exitCode: 1, stdout: '', stderr: 'cat: /etc/passwd: No such file or directory\n' },
    { exitCode: 127, stdout: '', stderr: 'exec: "nonesuch": executable file not found in $PATH\n' },
  ]);
  await runtime.close();
});

test('a script in place of the program prints as it goes and ends at SIGTERM', async () => {
  const { runtime, id, exit, logs } = await run({
    image: 'coxswain.dev/static',
    command: ['sh', '-c', 'echo begun; sleep 3600; echo never'],
  });
  expect(await nextLine(runtime, id)).toBe('begun');
  await runtime.containers.stop(id, { graceMs: 100_000 });
  expect((await exit).exitCode).toBe(143);
  expect(await logs()).toEqual(['stdout: begun']);
  await runtime.close();
});

test('the termination message is what the program wrote', async () => {
  const command = ['sh', '-c', 'echo -broken- > /dev/termination-log; exit 1'];
  const { runtime, exit } = await run({ image: 'coxswain.dev/pause', command });
  expect(await exit).toMatchObject({ exitCode: 1, message: '-broken-\n' });
  await runtime.close();
});

test('the guestbook keeps its messages in the key-value store', async () => {
  const store = await run({ image: 'coxswain.dev/kv', env: { PASSWORD: 'p' } }, '127.77.0.2');
  const env = { KV_HOST: '127.77.0.2', KV_PASSWORD: 'p' };
  const front = await run({ image: 'coxswain.dev/guestbook:v2', env }, '127.77.0.3');
  await expect.poll(() => reachable('127.77.0.2', 6379)).toBe(true);
  await expect.poll(() => reachable('127.77.0.3', 8080)).toBe(true);
  const posted = await fetch('http://127.77.0.3:8080/messages', { method: 'POST', body: 'ahoy' });
  expect([posted.status, await posted.json()]).toEqual([201, { replica: 'p', count: 1 }]);
  const read = await fetch('http://127.77.0.3:8080/messages');
  expect(await read.json()).toEqual({ replica: 'p', version: 'v2', messages: ['ahoy'] });
  await Promise.all([store.runtime.close(), front.runtime.close()]);
});

function reachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

test('an image that nobody has cannot be pulled', async () => {
  const runtime = makeRuntime();
  expect(await runtime.images.status('nginx:1.27')).toBe(undefined);
  await expect(runtime.images.pull('nginx:1.27', { annotations: {} })).rejects.toThrow(
    'failed to pull and unpack image "nginx:1.27": failed to resolve reference "nginx:1.27": nginx:1.27: not found: there is no registry here, only coxswain.dev/echo, coxswain.dev/guestbook,',
  );
  await runtime.close();
});

test('a container that is killed before its thread is there ends, and its process is not cut for it', async () => {
  // On this clock the time after which a program is given up never comes.
  const runtime = createInProcessRuntime({ clock: new VirtualClock(), random: new SystemRandom(), dataDir: directory });
  const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: 'p', hostname: 'p' }));
  const config = makeContainerConfig({ addresses: ['127.0.0.1'], image: 'coxswain.dev/pause' });
  const id = await runtime.containers.create(sandbox.id, config);
  const started = runtime.containers.start(id);
  while ((await runtime.containers.status(id))?.state === 'created') await new Promise(setImmediate);
  await runtime.containers.stop(id, { graceMs: 0 });
  await started;
  expect(await runtime.containers.status(id)).toMatchObject({ state: 'exited', exitCode: 137 });
  await runtime.close();
});

test('what the start of a program has left is given back once it runs, by means that the program does not see', async () => {
  const file = join(directory, 'garbage.mjs');
  await writeFile(
    file,
    `const left = new WeakRef({});
     console.log(typeof gc);
     const look = setInterval(() => {
       if (left.deref() !== undefined) return;
       console.log('given back');
       clearInterval(look);
     }, 20);`,
  );
  const { runtime, logs } = await run({ image: pathToFileURL(file).href });
  expect(await logs()).toEqual(['stdout: undefined', 'stdout: given back']);
  await runtime.close();
});

test('a command that comes while its container ends is refused or ends, and is not waited for without end', async () => {
  const { runtime, id, exit } = await run({ image: 'coxswain.dev/job:v1', env: { SECONDS: '0' } });
  let isOver = false;
  void exit.then(() => {
    isOver = true;
  });
  const asked: Promise<string>[] = [];
  while (!isOver) {
    const exec = runtime.inspection.exec(id, { command: ['echo', 'hello'] });
    asked.push(
      exec.then(
        () => 'ended',
        ({ reason }) => reason,
      ),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  await expect(runtime.inspection.exec(id, { command: ['echo', 'hello'] })).rejects.toMatchObject({ reason: 'failed' });
  // How many of those before end is chance.
  expect(['ended', 'failed']).toEqual(expect.arrayContaining([...new Set(await Promise.all(asked))]));
  await runtime.close();
});
