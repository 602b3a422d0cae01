/**
 * `npm run bench`: measures a server over HTTPS, with the clients in a process of their own, and prints the figures beside those of the
 * design. Without `--kubeconfig` it starts a cluster of its own on the lmdb driver, in a temporary folder, and ends it afterwards.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs, promisify } from 'node:util';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { BenchSizes, Row } from './rows.ts';
import type { WorkerTask } from './worker.ts';

const usage = `Usage: npm run bench -- [flags]

  --kubeconfig <file>   Measure the server of this kubeconfig. Default: a cluster of its own.
  --store <name>        Store of the own cluster. Default: lmdb.
  --only <text>         Only rows whose name contains this.
  --seconds <n>         How long each row lasts. Default: 3.
  --nodes <n>           Nodes of the scheduling row. Default: 5000.
  --pods <n>            Pods of the scheduling row. Default: 5000.
  --profile <folder>    Write a CPU profile of the own cluster there.
  --help                Print this.
`;

/** The own cluster has this long to answer, as \`up --wait\`. */
const startSeconds = 60;

/** How long the cluster rests before its memory is measured once more: it gives memory back when it is not busy. */
const restMs = 15_000;

const run = promisify(execFile);
const clock = new SystemClock();
const coxswain = resolve(import.meta.dirname, '../../cmd/coxswain/main.ts');

/** Bytes in memory, and how many of them are pages of files, which the system takes back when it needs them. */
interface Memory {
  readonly resident: number;
  readonly files: number;
}

interface Cluster {
  readonly kubeconfig: string;
  readonly startMs?: number;
  /** Memory of its processes now; undefined when it is not ours. */
  memory(): Promise<Memory | undefined>;
  stop(): Promise<void>;
}

async function startCluster(options: {
  readonly store: string;
  readonly profile: string | undefined;
}): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-bench-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const which = ['--name', 'bench', '--data-dir', join(folder, 'data')];
  const env = { ...process.env };
  if (options.profile !== undefined) {
    mkdirSync(options.profile, { recursive: true });
    env.NODE_OPTIONS = `${env.NODE_OPTIONS ?? ''} --cpu-prof --cpu-prof-dir=${resolve(options.profile)}`;
  }
  const coxswainWith = (args: readonly string[], environment = process.env) =>
    run(process.execPath, [coxswain, ...args], { env: environment, maxBuffer: 16 * 1024 * 1024 });
  const flags = [
    '--detach',
    '--wait',
    `${startSeconds}s`,
    '--kubeconfig',
    kubeconfig,
    '--api-port',
    String(await freePort()),
    '--store',
    options.store,
  ];
  const startMs = clock.monotonicMs();
  const stop = async (): Promise<void> => {
    await coxswainWith(['down', ...which]).catch((error: unknown) => process.stderr.write(`bench: ${String(error)}\n`));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await coxswainWith(['up', ...which, ...flags], env);
  } catch (error) {
    await stop();
    throw error;
  }
  const memory = async (): Promise<Memory> => {
    const { stdout } = await coxswainWith(['status', ...which, '-o', 'json']);
    const pids = new Set([...stdout.matchAll(/"pid": *(\d+)/g)].map((match) => match[1]!));
    const all = [...pids].map(memoryOf);
    const sum = (of: (one: Memory) => number): number => all.reduce((total, one) => total + of(one), 0);
    return { resident: sum(({ resident }) => resident), files: sum(({ files }) => files) };
  };
  return { kubeconfig, startMs: clock.monotonicMs() - startMs, memory, stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function memoryOf(pid: string): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024;
  return { resident: bytes('VmRSS'), files: bytes('RssFile') };
}

function memoryLine(when: string, { resident, files }: Memory): string {
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
  return `memory of the cluster ${when}: ${megabytes(resident)} MB, ${megabytes(files)} MB of it files (target 250 MB)\n`;
}

function columns(cells: readonly string[]): string {
  const widths = [52, 13, 9, 9, 20, 7];
  return `${cells
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
    .join(' ')
    .trimEnd()}\n`;
}

function tableLine(row: Row): string {
  const rate = (row.operations * 1000) / row.tookMs;
  const [reached, target, ratio] =
    row.quality === undefined
      ? [`${figure(rate)}/s`, rateTarget(row), row.target === undefined ? '' : (rate / row.target).toFixed(2)]
      : [
          row.quality.value.toFixed(3),
          `at most ${row.quality.most}`,
          (row.quality.most / row.quality.value).toFixed(2),
        ];
  const line = columns([row.name, reached, row.p50Ms?.toFixed(2) ?? '-', row.p99Ms?.toFixed(2) ?? '-', target, ratio]);
  return row.failures === 0 ? line : `${line}  ${row.failures} failed; first: ${row.failure ?? 'unknown'}\n`;
}

function rateTarget({ target, targetP50Ms }: Row): string {
  if (target === undefined) return '';
  return `${figure(target)}/s${targetP50Ms === undefined ? '' : `, p50 ${targetP50Ms}`}`;
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}

/** Runs the clients; true when every request of every row succeeded. */
async function measure(task: WorkerTask): Promise<boolean> {
  process.stdout.write(columns(['row', 'operations', 'p50 ms', 'p99 ms', 'target', 'ratio']));
  const worker = fork(join(import.meta.dirname, 'worker.ts'));
  let failures = 0;
  worker.on('message', (row: Row) => {
    failures += row.failures;
    process.stdout.write(tableLine(row));
  });
  // On an interrupt the clients end, and with them the measurement; the own cluster is then ended as usual.
  const interrupt = (): void => void worker.kill();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  worker.send(task);
  const [code] = (await once(worker, 'exit')) as [number | null];
  return code === 0 && failures === 0;
}

async function main(): Promise<number> {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      kubeconfig: string,
      store: { ...string, default: 'lmdb' },
      only: { ...string, default: '' },
      seconds: { ...string, default: '3' },
      nodes: { ...string, default: '5000' },
      pods: { ...string, default: '5000' },
      profile: string,
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const sizes: BenchSizes = {
    rowMs: Number(values.seconds) * 1000,
    nodes: Number(values.nodes),
    pods: Number(values.pods),
  };
  if (!Object.values(sizes).every((size) => size > 0))
    throw new Error('Cannot measure as --seconds, --nodes and --pods must be numbers above 0');
  const given = values.kubeconfig;
  const cluster: Cluster =
    given === undefined
      ? await startCluster({ store: values.store, profile: values.profile })
      : { kubeconfig: given, memory: async () => undefined, stop: async () => {} };
  try {
    if (cluster.startMs !== undefined)
      process.stdout.write(`up --detach took ${(cluster.startMs / 1000).toFixed(2)} s\n`);
    const succeeded = await measure({ kubeconfig: cluster.kubeconfig, sizes, only: values.only });
    const loaded = await cluster.memory();
    if (loaded !== undefined) {
      process.stdout.write(memoryLine('right after this load', loaded));
      await sleep(clock, restMs);
      process.stdout.write(memoryLine(`after ${restMs / 1_000} s of rest`, (await cluster.memory())!));
    }
    return succeeded ? 0 : 1;
  } finally {
    await cluster.stop();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench: ${errorText(error)}\n`);
  process.exitCode = 1;
}
