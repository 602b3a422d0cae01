/**
 * `node tests/bench/pods.ts`: what a pod of the echo image costs on the in-process runtime, beside a bare worker thread that listens with
 * `node:http`: a hundred of each, in a process of their own, and prints both and their ratio.
 *
 * A cost is how much the memory that belongs to a process alone (anonymous and shared without a file, of it and all that it has started) grows from
 * the first pod or thread to the last, a while after that. It is not a row of `npm run bench`, as it compares nothing with another checkout.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { createInProcessRuntime } from '#pkg/kubelet/runtime/inprocess/inprocess-runtime.ts';
import { makeContainerConfig, makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';

const usage = `Usage: node tests/bench/pods.ts [flags]

  --count <n>     Pods and threads. Default: 100.
  --rounds <n>    How often both are measured, in turns. Default: 1.
  --settle <s>    Seconds between the last one's start and the look. Default: 8.
  --help          Print this.
`;

const clock = new SystemClock();

/** What a worker thread runs that is no pod. */
const bareSource = `
const { createServer } = require('node:http');
const { parentPort } = require('node:worker_threads');
const server = createServer((request, response) => response.end('hello'));
server.listen(0, '127.0.0.1', () => parentPort.postMessage('listening'));
`;

/** Holds bare threads as it is told on its standard input: a number is how many more, its end the end of all. */
const bareHolder = `
const { Worker } = require('node:worker_threads');
const { createInterface } = require('node:readline');
const { once } = require('node:events');
const source = ${JSON.stringify(bareSource)};
createInterface({ input: process.stdin }).on('line', async (line) => {
  for (let left = Number(line); left > 0; left--) await once(new Worker(source, { eval: true }), 'message');
  console.log('ready');
}).on('close', () => process.exit(0));
`;

/** The same with pods of the echo image, each with an address of its own. */
async function holdPods(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'coxswain-pods-'));
  const runtime = createInProcessRuntime({ clock, random: new SystemRandom(), dataDir });
  let serial = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    for (let left = Number(line); left > 0; left--) {
      const name = `echo-${++serial}`;
      const address = `127.77.${serial >> 8}.${serial & 255}`;
      const sandbox = await runtime.sandboxes.run(makeSandboxConfig({ podName: name, hostname: name }));
      const config = makeContainerConfig({ image: 'coxswain.dev/echo', addresses: [address] });
      const id = await runtime.containers.create(sandbox.id, config);
      await runtime.containers.start(id);
      for await (const { text } of runtime.inspection.logs(id, { follow: true }))
        if (text.startsWith('listening')) break;
    }
    console.log('ready');
  }
  await runtime.close();
  rmSync(dataDir, { recursive: true, force: true });
}

/** Bytes that `pid` and all that it has started have for themselves. */
function ownBytes(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = /^PPid:\s+(\d+)/m.exec(statusOf(name))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const isOurs = (one: number | undefined): boolean => one !== undefined && (one === pid || isOurs(parents.get(one)));
  let bytes = 0;
  for (const one of parents.keys()) {
    if (!isOurs(one)) continue;
    const status = statusOf(String(one));
    for (const field of ['RssAnon', 'RssShmem']) {
      bytes += Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024;
    }
  }
  return bytes;
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return ''; // It has ended.
  }
}

interface Flags {
  readonly count: number;
  readonly settleMs: number;
}

/** Bytes per pod or thread of the holder that `args` start. */
async function measure(args: readonly string[], { count, settleMs }: Flags): Promise<number> {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const bytesAfter = async (more: number): Promise<number> => {
    child.stdin.write(`${more}\n`);
    if ((await lines.next()).done === true)
      throw new Error('Cannot measure as the process that was to hold them has ended');
    await sleep(clock, settleMs);
    return ownBytes(child.pid!);
  };
  try {
    const first = await bytesAfter(1);
    return ((await bytesAfter(count)) - first) / count;
  } finally {
    const ended = once(child, 'exit');
    child.stdin.end();
    await ended;
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '100' },
      rounds: { type: 'string', default: '1' },
      settle: { type: 'string', default: '8' },
      hold: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  if (values.hold) return holdPods();
  const flags = { count: Number(values.count), settleMs: Number(values.settle) * 1000 };
  for (let round = 1; round <= Number(values.rounds); round++) {
    const bare = await measure(['-e', bareHolder], flags);
    const pod = await measure([import.meta.filename, '--hold'], flags);
    const ratio = (pod / bare).toFixed(3);
    console.log(
      `bare worker ${megabytes(bare)} MB, pod of echo ${megabytes(pod)} MB, ratio ${ratio} (${flags.count} of each)`,
    );
  }
}

await main();
