/** A cluster in a temporary folder that is stopped and started again with what it holds, by a checkout's own command. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { readTarget, type Target } from './kubeconfig.ts';
import { clock } from './load.ts';
import { cpuMsOf } from './server.ts';

const run = promisify(execFile);

/** What is started, and how. */
export interface KeptClusterOptions {
  readonly name: string;
  /** Of `up`, at each start. */
  readonly flags: readonly string[];
  /** Where the coxswain is that is started. */
  readonly checkout: string;
  /** Folder for CPU profiles of the cluster. Default: none are written. */
  readonly profile?: string | undefined;
}

/** One look at the cluster. */
export interface Sample {
  readonly residentBytes: number;
  readonly fileBytes: number;
  readonly storeBytes: number;
}

/** The cluster, running or not. */
export class KeptCluster {
  readonly #folder = mkdtempSync(join(tmpdir(), 'coxswain-kept-'));
  readonly #options: KeptClusterOptions;
  #pids: readonly string[] = [];

  constructor(options: KeptClusterOptions) {
    this.#options = options;
  }

  get target(): Target {
    return readTarget(join(this.#folder, 'kubeconfig'));
  }

  /** Starts it; resolves with the milliseconds until all nodes were ready. */
  async up(): Promise<number> {
    const place = ['--detach', '--wait', '120s', '--kubeconfig', join(this.#folder, 'kubeconfig')];
    const startMs = clock.monotonicMs();
    await this.#coxswain(['up', ...place, ...this.#options.flags]);
    return clock.monotonicMs() - startMs;
  }

  /** Processor time in milliseconds of the process that has its store open, since that began. */
  processorMs(): number {
    const lock = readFileSync(join(this.#folder, 'data', 'store', 'lock'), 'utf8');
    return cpuMsOf([(JSON.parse(lock) as { readonly pid: number }).pid]);
  }

  /** Finds out which processes are looked at from here on. */
  async findProcesses(): Promise<void> {
    const { stdout } = await this.#coxswain(['status', '-o', 'json']);
    this.#pids = [...new Set([...stdout.matchAll(/"pid": *(\d+)/g)].map((match) => match[1]!))];
  }

  async down(): Promise<void> {
    await this.#coxswain(['down']);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What its process has said since it was first started. */
  log(): string {
    return readFileSync(join(this.#folder, 'data', 'logs', 'coxswain.log'), 'utf8');
  }

  sample(): Sample {
    const sum = (field: string): number => this.#pids.reduce((total, pid) => total + memoryOf(pid, field), 0);
    const store = join(this.#folder, 'data', 'store');
    const storeBytes = readdirSync(store).reduce((total, name) => total + statSync(join(store, name)).blocks * 512, 0);
    return { residentBytes: sum('VmRSS'), fileBytes: sum('RssFile'), storeBytes };
  }

  #coxswain(args: readonly string[]): Promise<{ stdout: string }> {
    const { name, checkout, profile } = this.#options;
    const env = { ...process.env, HOME: this.#folder, COXSWAIN_HOME: join(this.#folder, 'home') };
    const profiling = profile && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(profile)}` };
    // What people run, and not a source of it, whose types Node would have to take out first.
    const program = resolve(checkout, 'cmd/coxswain/bin.js');
    const which = ['--name', name, '--data-dir', join(this.#folder, 'data')];
    const [command = '', ...rest] = args;
    return run(process.execPath, [program, command, ...which, ...rest], {
      env: { ...env, ...(command === 'up' && profiling) },
      maxBuffer: 2 ** 24,
    });
  }
}

function memoryOf(pid: string, field: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
