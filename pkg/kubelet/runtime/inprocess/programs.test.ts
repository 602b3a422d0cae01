/** Real programs that do what none should, on the in-process runtime: what each ends, and what is left of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { makeContainerConfig, makeSandboxConfig } from '../../testing/configs.ts';
import type { ContainerConfig } from '../container-config.ts';
import type { Runtime, RuntimeContainer } from '../runtime.ts';
import { startTickOf } from './host/descendants.ts';
import { ownerVariable } from './host/marks.ts';
import { createInProcessRuntime } from './inprocess-runtime.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coxswain-programs-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

let serial = 0;

/** A program on disk, as an image. */
async function image(source: string, extension = 'mjs'): Promise<string> {
  const path = join(directory, `program-${serial++}.${extension}`);
  await writeFile(path, source);
  return pathToFileURL(path).href;
}

interface Node {
  readonly dataDir: string;
  readonly runtime: Runtime;
  readonly troubles: string[];
  start(config: Partial<ContainerConfig> & { readonly image: string }): Promise<Pod>;
}

interface Pod {
  readonly id: string;
  readonly exit: Promise<RuntimeContainer>;
  /** Lines so far; all of them once it has ended. */
  lines(): Promise<readonly string[]>;
}

async function makeNode(): Promise<Node> {
  const dataDir = join(directory, `node-${serial++}`);
  const runtime = createInProcessRuntime({ clock: new SystemClock(), random: new SystemRandom(), dataDir });
  const troubles: string[] = [];
  runtime.onTrouble?.((message) => troubles.push(message));
  const exits = new Map<string, (container: RuntimeContainer) => void>();
  runtime.onExit((container) => exits.get(container.id)?.(container));
  onTestFinished(async () => {
    await runtime.close();
    expect(await marked(`:${dataDir}\0`)).toEqual([]);
  });
  const start = async (config: Partial<ContainerConfig> & { readonly image: string }): Promise<Pod> => {
    const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: 'p', hostname: 'p' }));
    const id = await runtime.containers.create(sandbox.id, makeContainerConfig(config));
    const exit = new Promise<RuntimeContainer>((resolve) => exits.set(id, resolve));
    await runtime.containers.start(id);
    const lines = async (): Promise<readonly string[]> => {
      const texts: string[] = [];
      for await (const { text } of runtime.inspection.logs(id, {})) texts.push(text);
      return texts;
    };
    return { id, exit, lines };
  };
  return { dataDir, runtime, troubles, start };
}

/** Command lines of processes whose environment names this text. */
async function marked(text: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    const environment = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '') : '';
    if (!environment.includes(text)) continue;
    found.push(`${pid} ${(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')}`);
  }
  return found;
}

/** Processes that those of a node have started, that have ended, and that nobody has asked how. Those whose parent is gone are for the machine's first process to ask. */
async function endedChildren({ dataDir }: Node): Promise<readonly string[]> {
  const parents = new Set((await marked(`:${dataDir}\0`)).map((found) => found.split(' ')[0]));
  const stats = await Promise.all(
    (await readdir('/proc')).map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')),
  );
  return stats.filter((stat) => parents.has(/^\d+ \(sleep\) Z (\d+) /.exec(stat)?.[1]));
}

/** What a pod ended with. */
async function end(pod: Pod): Promise<Pick<RuntimeContainer, 'exitCode' | 'message' | 'reason'>> {
  const { exitCode, reason, message } = await pod.exit;
  return { exitCode, reason, ...(message === undefined ? {} : { message }) };
}

const alive = 'const alive = setInterval(() => {}, 1000);';

describe('what concerns a whole process concerns the container alone (fault 53)', () => {
  test.each([
    ['a signal to its own process', 'process.kill(process.pid, "SIGTERM");', 143],
    ['the signal that nobody survives', 'process.kill(process.pid, "SIGKILL");', 137],
    ['a signal by number to its group', 'process.kill(0, 2);', 130],
    ['an exit', 'process.exit(7);', 7],
    ['an exit past all listeners', 'process.reallyExit(8);', 8],
    ['an abort', 'process.abort();', 1],
    ['another user', 'process.setuid(0);', 1],
    ['a promise that nobody awaits', 'Promise.reject(new Error("lost"));', 1],
    ['something thrown that is no error', 'throw Object.create(null);', 1],
    ['something thrown that cannot be read', 'throw { get stack() { throw 1 }, toString() { throw 2 } };', 1],
  ])('%s', async (_, source, exitCode) => {
    const node = await makeNode();
    const other = await node.start({ image: 'coxswain.dev/pause' });
    const pod = await node.start({ image: await image(`${alive}\n${source}`) });
    expect(await end(pod)).toEqual({ exitCode, reason: 'Error' });
    expect((await node.runtime.containers.status(other.id))?.state).toBe('running');
    expect(node.troubles).toEqual([]);
  });

  test.each([
    [
      'messages to the parent',
      'for (const value of [1, "x", null, { type: "execDone" }]) parentPort.postMessage(value);',
    ],
    ['a signal that it listens for', 'process.on("SIGUSR2", () => {}); process.kill(process.pid, "SIGUSR2");'],
    ['a title', 'process.title = "mine";'],
    ['flags of V8', 'v8.setFlagsFromString("--stack-size=900"); v8.setHeapSnapshotNearHeapLimit(1);'],
    [
      'signals to others',
      'for (const pid of [1, -1, process.ppid + 1]) { try { process.kill(pid, 9) } catch (e) { if (e.code !== "ESRCH") throw e } }',
    ],
    ['a question of itself', 'process.kill(process.pid, 0);'],
    ['standard output closed', 'process.stdout.end(); process.stderr.destroy();'],
  ])('%s ends nobody', async (_, source) => {
    const node = await makeNode();
    const head = `import v8 from 'node:v8'; import { parentPort } from 'node:worker_threads'; import { writeFileSync } from 'node:fs';`;
    const pod = await node.start({ image: await image(`${head}\n${alive}\n${source}\nprocess.exit(42);`) });
    expect(await end(pod)).toEqual({ exitCode: 42, reason: 'Error' });
    expect(node.troubles).toEqual([]);
  });
});

describe('what ends the process of the programs ends them alone, and they start again (fault 53)', () => {
  const toHost = `import { writeSync, closeSync } from 'node:fs'; import { execFileSync } from 'node:child_process';
    const frame = (kind, payload) => { const bytes = Buffer.alloc(5 + payload.length); bytes.writeUInt32BE(payload.length, 0); bytes[4] = kind; bytes.set(payload, 5); return bytes; };`;
  test.each([
    ['a signal past the guard', 'execFileSync("sh", ["-c", "kill -9 $PPID"]);', 'was ended by SIGKILL'],
    ['bytes that are no message', 'writeSync(3, Buffer.alloc(64, 255));', 'sent what is no message'],
    [
      'a flood of messages about nothing',
      'for (;;) try { writeSync(3, frame(0, Buffer.from(`{"type":"started","id":77}`))) } catch (e) { if (e.code !== "EAGAIN") throw e }',
      'sent messages that make no sense',
    ],
    [
      'a flood of output of others',
      'for (;;) try { writeSync(3, frame(1, Buffer.alloc(65_000))) } catch (e) { if (e.code !== "EAGAIN") throw e }',
      'sent',
    ],
    ['the stream closed', 'closeSync(3);', 'closed its stream'],
  ])('%s', async (_, source, reason) => {
    const node = await makeNode();
    const other = await node.start({ image: 'coxswain.dev/pause' });
    const pod = await node.start({ image: await image(`${toHost}\n${alive}\n${source}`) });
    const message = expect.stringContaining(`the process of this node's programs ${reason}`);
    expect(await end(pod)).toEqual({ exitCode: 137, reason: 'Error', message });
    expect(await end(other)).toEqual({ exitCode: 137, reason: 'Error', message });
    expect(node.troubles).toEqual([expect.stringContaining(`The process of this node's programs ${reason}`)]);
    const next = await node.start({ image: 'coxswain.dev/job', args: ['0', '3'] });
    expect(await end(next)).toEqual({ exitCode: 3, reason: 'Error' });
  });

  test('the process has none of what this one has: no environment, no descriptors', async () => {
    const node = await makeNode();
    const source = `import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
      const links = readdirSync('/proc/self/fd').map((fd) => { try { return readlinkSync('/proc/self/fd/' + fd) } catch { return '' } });
      console.log(JSON.stringify([Object.keys(process.env), readFileSync('/proc/self/environ', 'utf8').split('\\0').map((pair) => pair.split('=')[0]), links.filter((link) => link.startsWith('/') && !/^.(dev.null|proc.)/.test(link))]));`;
    const pod = await node.start({ image: await image(source), env: { COLOR: 'red' } });
    await pod.exit;
    const [own, host, files] = JSON.parse((await pod.lines()).join('')) as readonly (readonly string[])[];
    expect(own?.toSorted()).toEqual([
      'COLOR',
      'COXSWAIN_CONTAINER_ID',
      'COXSWAIN_POD_IP',
      'COXSWAIN_PROGRAMS_OF',
      'COXSWAIN_ROOT',
      'HOME',
      'PATH',
    ]);
    expect(host?.filter((name) => !['', 'NODE_COMPILE_CACHE'].includes(name)).toSorted()).toEqual([
      'COXSWAIN_PROGRAMS_OF',
      'MALLOC_ARENA_MAX',
    ]);
    expect(files).toEqual([]);
  });
});

describe('processes that a program starts end with it (fault 61)', () => {
  test.each([
    ['plain', 'spawn("sleep", ["300"]);'],
    ['detached', 'spawn("sleep", ["300"], { detached: true, stdio: "ignore" }).unref();'],
    ['with an environment of its own', 'spawn("sleep", ["300"], { env: {} });'],
    ['forked twice', 'spawn("sh", ["-c", "(setsid sleep 300 &) &"], { env: { PATH: "/bin:/usr/bin" } });'],
    ['by a shell that clears the environment', 'spawn("sh", ["-c", "env -i sleep 300; true"]);'],
    ['while it waits for them', 'execFileSync("sleep", ["300"]);'],
    ['by a call with a shell', 'execSync("sleep 300", { env: {} });'],
  ])('%s', async (_, source) => {
    const node = await makeNode();
    const program = `import { spawn, execFileSync, execSync } from 'node:child_process'; ${alive}\n${source}`;
    const pod = await node.start({ image: await image(program) });
    await expect.poll(() => marked(pod.id)).toContainEqual(expect.stringContaining('sleep'));
    await node.runtime.containers.stop(pod.id, { graceMs: 0 });
    expect((await pod.exit).exitCode).toBe(137);
    expect(await marked(pod.id)).toEqual([]);
    await expect.poll(() => endedChildren(node)).toEqual([]);
    expect(node.troubles).toEqual([]);
  });

  test('a program may signal them, and is told of their end', async () => {
    const node = await makeNode();
    const source = `import { spawn } from 'node:child_process';
      const child = spawn('sleep', ['300']);
      child.on('spawn', () => process.kill(child.pid, 'SIGINT'));
      child.on('exit', (code, signal) => { console.log(signal); process.exit(0); });`;
    const pod = await node.start({ image: await image(source) });
    expect(await end(pod)).toEqual({ exitCode: 0, reason: 'Completed' });
    expect(await pod.lines()).toEqual(['SIGINT']);
  });
});

test('what a cluster of the same folder left that was killed with its programs is cleared away at the first pod (fault 61)', async () => {
  const node = await makeNode();
  const folder = join(node.dataDir, '1.1.abcdef012345');
  await mkdir(join(folder, 'container'), { recursive: true });
  const own = `${process.pid}:${await startTickOf(process.pid)}`;
  const sleeping = (owner: string) => {
    const env = { PATH: '/bin:/usr/bin', [ownerVariable]: owner };
    return spawn('sleep', ['305'], { env, stdio: 'ignore' });
  };
  const [left, living, foreign] = [
    sleeping(`1:1:x:${node.dataDir}`),
    sleeping(`${own}:x:${node.dataDir}`),
    sleeping(`1:1:x:${node.dataDir}-other`),
  ];
  onTestFinished(() => void [living, foreign].map((child) => child.kill('SIGKILL')));
  await node.start({ image: 'coxswain.dev/pause' });
  await expect.poll(() => left.signalCode).toBe('SIGKILL');
  await expect.poll(() => readdir(node.dataDir)).not.toContain('1.1.abcdef012345');
  expect([living.signalCode, foreign.signalCode]).toEqual([null, null]);
  living.kill('SIGKILL');
  await once(living, 'exit');
});

describe('memory of every kind counts (faults 34, 61)', () => {
  const limit = 64 * 2 ** 20;
  // However late somebody looks, no more than so much is filled, and it is there to be seen.
  const bound = 'if (++rounds > 200) continue;';
  test.each([
    ['a heap', 'const all = []; for (;;) all.push(new Array(10_000).fill({ x: all.length }));'],
    // V8 did not keep this within the limit, nor let the thread be ended, before it was told how to compile such loops.
    ['arrays in a loop of nothing else', 'const all = []; for (;;) all.push(new Array(1000).fill({ a: all.length }));'],
    ['strings', 'const all = []; for (;;) all.push(String(Math.random()).repeat(100_000).split("").join("-"));'],
    ['buffers', `const all = []; let rounds = 0; for (;;) { ${bound} all.push(Buffer.alloc(8 << 20, 1)); }`],
    [
      'shared buffers',
      `const all = []; let rounds = 0; for (;;) { ${bound} all.push(new Uint8Array(new SharedArrayBuffer(8 << 20)).fill(1)); }`,
    ],
    [
      'WebAssembly',
      `const memory = new WebAssembly.Memory({ initial: 0, maximum: 65_536 }); let rounds = 0; for (;;) { ${bound} memory.grow(128); new Uint8Array(memory.buffer).fill(1); }`,
    ],
    [
      'copies in messages',
      `const { port1 } = new MessageChannel(); let rounds = 0; for (;;) { ${bound} port1.postMessage(Buffer.alloc(8 << 20, 1)); }`,
    ],
    [
      'threads of its own',
      `const { Worker } = await import('node:worker_threads'); for (let i = 0; i < 16; i++) new Worker('const all = []; setInterval(() => all.push(new Array(200_000).fill(Math.random())), 1)', { eval: true }).on('error', () => {}); for (;;) await new Promise((done) => setTimeout(done, 10));`,
    ],
    [
      'processes of its own',
      `const { spawn } = await import('node:child_process'); spawn(process.execPath, ['-e', 'const all = []; setInterval(() => { if (all.length < 200) all.push(Buffer.alloc(4 << 20, 1)) }, 5)']); ${alive}`,
    ],
  ])('%s', async (_, source) => {
    const node = await makeNode();
    const other = await node.start({ image: 'coxswain.dev/pause' });
    const pod = await node.start({ image: await image(source), resources: { memoryLimitBytes: limit } });
    const message = expect.stringMatching(/its (heap|limit)/);
    expect(await end(pod)).toEqual({ exitCode: 137, reason: 'OOMKilled', message });
    expect((await node.runtime.containers.status(other.id))?.state).toBe('running');
    expect(node.troubles).toEqual([]);
  });

  test('a program that cannot be ended takes the others with it, and its pod says that it was the one', async () => {
    const node = await makeNode();
    const other = await node.start({ image: 'coxswain.dev/pause' });
    // It waits for a pipe that nobody opens, in a call of the system, while a thread of its own fills memory.
    const source = `import { execFileSync } from 'node:child_process'; import { openSync } from 'node:fs'; import { Worker } from 'node:worker_threads';
      const path = process.env.COXSWAIN_ROOT + '/pipe'; execFileSync('mkfifo', [path]);
      new Worker('setTimeout(() => { globalThis.all = Buffer.alloc(200 << 20, 1); setInterval(() => {}, 1000); }, 500)', { eval: true });
      openSync(path, 'r');`;
    const pod = await node.start({ image: await image(source), resources: { memoryLimitBytes: limit } });
    expect(await end(pod)).toEqual({
      exitCode: 137,
      reason: 'OOMKilled',
      message: expect.stringMatching(/its limit is 64 MiB/),
    });
    const message = expect.stringMatching(
      /^the process of this node's programs was ended as a program in it could not be: it used \d+ MiB/,
    );
    expect(await end(other)).toEqual({ exitCode: 137, reason: 'Error', message });
  });

  test('what is within the limit is left alone', async () => {
    const node = await makeNode();
    const source = `const all = [Buffer.alloc(40 << 20, 1), new Uint8Array(new SharedArrayBuffer(4 << 20)).fill(1)];
      for (let i = 0; i < 100; i++) { Buffer.alloc(1 << 20, 1); await new Promise((done) => setTimeout(done, 5)); }
      console.log(all.length);`;
    const pod = await node.start({ image: await image(source), resources: { memoryLimitBytes: 256 * 2 ** 20 } });
    expect(await end(pod)).toEqual({ exitCode: 0, reason: 'Completed' });
  });
});

describe('output', () => {
  test('a flood of it waits to be read, and its end is there', async () => {
    const node = await makeNode();
    const source = `for (let line = 0; line < 60_000; line++) console.log('line', line); process.exit(0);`;
    const pod = await node.start({ image: await image(source) });
    expect(await end(pod)).toEqual({ exitCode: 0, reason: 'Completed' });
    const lines = await pod.lines();
    expect(lines.at(-1)).toBe('line 59999');
    expect(lines.length).toBeLessThan(20_000);
  });

  test('one that never ends leaves room for others, and can be stopped', async () => {
    const node = await makeNode();
    const pod = await node.start({ image: await image('for (;;) console.log("x".repeat(1000));') });
    const other = await node.start({ image: 'coxswain.dev/job', args: ['0', '0'] });
    expect(await end(other)).toEqual({ exitCode: 0, reason: 'Completed' });
    await node.runtime.containers.stop(pod.id, { graceMs: 0 });
    expect((await pod.exit).exitCode).toBe(137);
  });

  test('letters that are cut in the middle come together again', async () => {
    const node = await makeNode();
    const source = `const bytes = Buffer.from('ä€😀\\n'); for (const byte of bytes) process.stdout.write(Buffer.from([byte]));`;
    const pod = await node.start({ image: await image(source) });
    await pod.exit;
    expect(await pod.lines()).toEqual(['ä€😀']);
  });
});

/** Says of the program's thread, a thread and a process that it starts whether they may get more rights. */
const rights = `
  import { execFileSync } from 'node:child_process';
  import { readFileSync } from 'node:fs';
  import { Worker } from 'node:worker_threads';
  const markOf = (status) => /^NoNewPrivs:\\s+(\\d)$/m.exec(status)[1];
  console.log('program', markOf(readFileSync('/proc/thread-self/status', 'utf8')));
  console.log('process', markOf(execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' })));
  const read = "require('worker_threads').parentPort.postMessage(require('fs').readFileSync('/proc/thread-self/status', 'utf8'))";
  const status = await new Promise((resolve) => new Worker(read, { eval: true }).on('message', resolve));
  console.log('thread', markOf(status));
`;

test('a program that is asked to gets no more rights than it has, nor does what it starts; others are as they were', async () => {
  const node = await makeNode();
  const program = await image(rights);
  const { features } = node.runtime.capabilities;
  expect(features.has('noNewPrivileges')).toBe(false);
  const free = await node.start({ image: program });
  const bound = await node.start({ image: program, security: { noNewPrivileges: true } });
  expect(features.has('noNewPrivileges')).toBe(true);
  const next = await node.start({ image: program });
  await Promise.all([free.exit, bound.exit, next.exit]);
  const lines = (mark: string) => ['program', 'process', 'thread'].map((who) => `${who} ${mark}`);
  const own = await readFile('/proc/self/status', 'utf8');
  // Where the tests themselves may not get more, nobody below them may.
  const before = /^NoNewPrivs:\s+(\d)$/m.exec(own)?.[1] ?? '0';
  expect([await free.lines(), await bound.lines(), await next.lines()]).toEqual([
    lines(before),
    lines('1'),
    lines(before),
  ]);
});
