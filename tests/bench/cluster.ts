/** A cluster of a checkout's own code, in a temporary folder, started and ended with that checkout's command. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { clock } from './load.ts';
import { halt, type Server } from './server.ts';

/** The cluster has this long to answer, as `up --wait`. */
const startSeconds = 60;

const run = promisify(execFile);

/** How to start it. */
export interface ClusterOptions {
  /** Folder of the code. */
  readonly checkout: string;
  /** Part of the cluster's name, so that two can run side by side. Default: none. */
  readonly name?: string;
  readonly store: string;
  /** Whether requests are audited, where the code can. */
  readonly audit: boolean;
  /** Folder for a CPU profile. */
  readonly profile?: string | undefined;
  readonly signal: AbortSignal;
  /** Called as soon as it is known where the cluster will be, before it is started. */
  readonly onBegin?: (place: ClusterPlace) => void;
}

/** Where a cluster that is starting will be. */
export interface ClusterPlace {
  readonly port: number;
  readonly dataDir: string;
  readonly startMs: number;
}

/** A cluster that runs. */
export interface Cluster extends Server {
  /** How long `up --detach` took. */
  readonly startMs: number;
}

/** Starts a cluster; leaves nothing behind when that fails or is interrupted. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { checkout, signal } = options;
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-bench-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const dataDir = join(folder, 'data');
  const which = ['--name', options.name === undefined ? 'bench' : `bench-${options.name}`, '--data-dir', dataDir];
  const coxswain = (args: readonly string[], settings: { env?: NodeJS.ProcessEnv; signal?: AbortSignal } = {}) =>
    // What people run, and not a source of it, whose types Node would have to take out first.
    run(process.execPath, [join(checkout, 'cmd/coxswain/bin.js'), ...args], { maxBuffer: 16 << 20, ...settings });
  let running: readonly number[] = [];
  const stop = async (): Promise<void> => {
    halt(running, false);
    await coxswain(['down', ...which]).catch((error: unknown) => process.stderr.write(`bench: ${String(error)}\n`));
    rmSync(folder, { recursive: true, force: true });
  };
  const pids = async (): Promise<readonly number[]> => {
    const { stdout } = await coxswain(['status', ...which, '-o', 'json']).catch(saidAnyway);
    return [...new Set([...stdout.matchAll(/"pid": *(\d+)/g)].map((match) => Number(match[1])))];
  };
  try {
    const port = await freePort();
    const place = ['--kubeconfig', kubeconfig, '--api-port', String(port), '--store', options.store];
    const audit = options.audit ? auditFlags(checkout, folder) : [];
    const startMs = clock.monotonicMs();
    options.onBegin?.({ port, dataDir, startMs });
    await coxswain(
      ['up', ...which, ...place, ...audit, ...patience(checkout), '--detach', '--wait', `${startSeconds}s`],
      {
        env: environmentFor(options.profile),
        signal,
      },
    );
    const tookMs = clock.monotonicMs() - startMs;
    running = await pids();
    return { kubeconfig, startMs: tookMs, pids, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Flags that have all requests audited; none for code that knows no audit. */
function auditFlags(checkout: string, folder: string): readonly string[] {
  if (!existsSync(join(checkout, 'pkg/cluster/audit'))) return [];
  const file = join(folder, 'audit-policy.json');
  writeFileSync(
    file,
    JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] }),
  );
  const flags = { 'audit-policy-file': file, 'audit-log-path': join(folder, 'audit.log') };
  return Object.entries(flags).flatMap(([name, value]) => ['--extra-config', `kube-apiserver.${name}=${value}`]);
}

/** Flags that keep nodes which nobody renews, as those of the scheduling rows, from being lost on a busy machine; none for code that knows none. */
function patience(checkout: string): readonly string[] {
  const source = join(checkout, 'pkg/controllers/nodelifecycle/nodelifecycle.ts');
  const flag = 'node-monitor-grace-period';
  const knows = existsSync(source) && readFileSync(source, 'utf8').includes(`'${flag}'`);
  return knows ? ['--extra-config', `kube-controller-manager.${flag}=1h`] : [];
}

/** What a command said that ended with a code: on a busy machine a part is not well for a moment, and still has its process. */
function saidAnyway(error: unknown): { readonly stdout: string } {
  const stdout = error instanceof Error && 'stdout' in error ? error.stdout : undefined;
  if (typeof stdout !== 'string' || stdout === '') throw error;
  return { stdout };
}

function environmentFor(profile: string | undefined): NodeJS.ProcessEnv {
  if (profile === undefined) return process.env;
  mkdirSync(profile, { recursive: true });
  const flags = `${process.env.NODE_OPTIONS ?? ''} --cpu-prof --cpu-prof-dir=${resolve(profile)}`;
  return { ...process.env, NODE_OPTIONS: flags };
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
