/**
 * `node tests/bench/nodes.ts 1000`: starts one cluster of that many fake nodes on the lmdb driver, in a temporary folder, and prints how long it
 * takes until all are Ready, how much memory its processes hold, and what share of one core they need at rest. Ends the cluster afterwards.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs, promisify } from 'node:util';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';

const usage = `Usage: node tests/bench/nodes.ts [flags] <nodes>

  --seconds <n>        How long the cluster is watched at rest. Default: 60.
  --store <name>       Store of the cluster. Default: lmdb.
  --profile <folder>   Write a CPU profile of the cluster there.
  --help               Print this.
`;

/** Time between the last node's being Ready and the watch: what a start leaves to do is done then, and memory given back. */
const settleMs = 20_000;
/** The cluster has this long to be ready. */
const waitSeconds = 300;
/** What Linux counts CPU time in. Source: `sysconf(_SC_CLK_TCK)`, 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

const run = promisify(execFile);
const clock = new SystemClock();
const coxswain = resolve(import.meta.dirname, '../../cmd/coxswain/main.ts');

interface Usage {
  readonly cpuMs: number;
  readonly residentBytes: number;
}

/** What living processes have used so far, all together. */
function usageOf(pids: readonly string[]): Usage {
  let cpuMs = 0;
  let residentBytes = 0;
  for (const pid of pids) {
    // The name in brackets may hold spaces: what follows it is the third field.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    cpuMs += ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    residentBytes += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return { cpuMs, residentBytes };
}

async function measure(options: {
  readonly nodes: number;
  readonly restMs: number;
  readonly store: string;
  readonly profile: string | undefined;
}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-nodes-'));
  const which = ['--name', 'bench', '--data-dir', join(folder, 'data')];
  const env = { ...process.env };
  if (options.profile !== undefined) {
    mkdirSync(options.profile, { recursive: true });
    env.NODE_OPTIONS = `${env.NODE_OPTIONS ?? ''} --cpu-prof --cpu-prof-dir=${resolve(options.profile)}`;
  }
  const call = (args: readonly string[], environment = process.env) =>
    run(process.execPath, [coxswain, ...args], { env: environment, maxBuffer: 16 << 20 });
  const flags = ['--nodes', String(options.nodes), '--runtime', 'fake', '--store', options.store];
  const place = ['--api-port', '0', '--kubeconfig', join(folder, 'kubeconfig'), '--wait', `${waitSeconds}s`];
  try {
    const beganMs = clock.monotonicMs();
    await call(['up', ...which, ...flags, ...place, '--detach'], env);
    const readyMs = clock.monotonicMs() - beganMs;
    const { stdout } = await call(['status', ...which, '-o', 'json']);
    const pids = [...new Set([...stdout.matchAll(/"pid": *(\d+)/g)].map((match) => match[1]!))];
    const ready = usageOf(pids);
    line(`${options.nodes} nodes ready`, `${(readyMs / 1000).toFixed(1)} s`);
    line('CPU time until then', `${(ready.cpuMs / 1000).toFixed(1)} s`);
    line('memory then', megabytes(ready.residentBytes));
    await sleep(clock, settleMs);
    const [before, sinceMs] = [usageOf(pids), clock.monotonicMs()];
    let most = before.residentBytes;
    while (clock.monotonicMs() - sinceMs < options.restMs) {
      await sleep(clock, 1_000);
      most = Math.max(most, usageOf(pids).residentBytes);
    }
    const after = usageOf(pids);
    const share = (after.cpuMs - before.cpuMs) / (clock.monotonicMs() - sinceMs);
    line(`at rest, over ${options.restMs / 1000} s`, `${(100 * share).toFixed(1)} % of one core`);
    line('memory at rest, last and most', `${megabytes(after.residentBytes)}, ${megabytes(most)}`);
    const downMs = clock.monotonicMs();
    await call(['down', ...which]);
    line('down', `${((clock.monotonicMs() - downMs) / 1000).toFixed(1)} s`);
  } finally {
    await call(['down', ...which]).catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function line(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(32)}${value}\n`);
}

const string = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { ...string, default: '60' },
    store: { ...string, default: 'lmdb' },
    profile: string,
    help: { type: 'boolean', default: false },
  },
});
const nodes = Number(positionals[0] ?? 1000);
const restMs = Number(values.seconds) * 1000;
if (values.help || !Number.isInteger(nodes) || nodes < 1 || !(restMs > 0)) {
  process.stdout.write(usage);
  process.exitCode = values.help ? 0 : 1;
} else {
  await measure({ nodes, restMs, store: values.store, profile: values.profile }).catch((error: unknown) => {
    process.stderr.write(`nodes: ${errorText(error)}\n`);
    process.exitCode = 1;
  });
}
