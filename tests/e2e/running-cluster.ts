/** A cluster started as a person starts it, in a folder of its own, and the commands that are run against it. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '#tests/tidy/source-files.ts';
import { binary, type KubectlVersion } from './kubectl-binary.ts';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longest time for what comes before and after tests, on a slow machine that does much else: a cluster's start or its end. */
export const hookMs = 180_000;

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Folder it runs in; default the checkout. */
  readonly cwd?: string;
  /** Ends the command after this time; default two minutes. */
  readonly timeoutMs?: number;
}

/** Runs a command to its end; never rejects. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    const settings = {
      cwd: options.cwd ?? root,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      timeout: options.timeoutMs ?? 120_000,
      maxBuffer: 64 << 20,
    };
    const child = execFile(command, [...args], settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 128;
      resolve({ code, stdout, stderr });
    });
    // A command may end before it reads its input, or without reading it: its exit code and output say what it thought of that.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input);
  });
}

/** Runs a command at a terminal, and types. */
export function atTerminal(
  command: readonly string[],
  typed: string,
  env: Readonly<Record<string, string>>,
): Promise<CommandResult> {
  const quoted = command.map((word) => `'${word}'`).join(' ');
  return run('script', ['-qec', quoted, '/dev/null'], { input: typed, env });
}

export interface UpOptions {
  readonly flags?: readonly string[];
  /** Uses this folder, and leaves it in place on `remove`. */
  readonly dataDir?: string;
}

export class RunningCluster {
  readonly dataDir: string;
  readonly kubeconfig: string;
  readonly apiPort: number;
  readonly #own: boolean;
  readonly #flags: readonly string[];

  private constructor(dataDir: string, own: boolean, apiPort: number, flags: readonly string[]) {
    this.dataDir = dataDir;
    this.kubeconfig = join(dataDir, 'kubeconfig.test');
    this.apiPort = apiPort;
    this.#own = own;
    this.#flags = flags;
  }

  /** A place for a cluster that does not run yet: a fresh folder and a free port. */
  static async prepare(options: UpOptions = {}): Promise<RunningCluster> {
    const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'coxswain-e2e-'));
    return new RunningCluster(dataDir, options.dataDir === undefined, await freePort(), options.flags ?? []);
  }

  /** `coxswain up --detach` in a fresh folder on a free port; leaves nothing behind when that fails. */
  static async start(options: UpOptions = {}): Promise<RunningCluster> {
    const cluster = await RunningCluster.prepare(options);
    const up = await cluster.up();
    if (up.code === 0) return cluster;
    await cluster.remove();
    throw new Error(`Cannot start the cluster: ${up.stdout}${up.stderr}`);
  }

  up(): Promise<CommandResult> {
    const place = ['--kubeconfig', this.kubeconfig, '--api-port', String(this.apiPort), '--wait', '100s'];
    return this.coxswain(['up', '--detach', ...place, ...this.#flags], { timeoutMs: hookMs });
  }

  down(): Promise<CommandResult> {
    return this.coxswain(['down']);
  }

  coxswain(args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    const main = join(root, 'cmd/coxswain/main.ts');
    return run(process.execPath, [main, ...args, '--data-dir', this.dataDir], options);
  }

  /** Runs kubectl; rejects with its output when it fails. */
  async kubectl(version: KubectlVersion, args: readonly string[], options: RunOptions = {}): Promise<string> {
    const result = await this.tryKubectl(version, args, options);
    if (result.code !== 0)
      throw new Error(`kubectl ${args.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  tryKubectl(version: KubectlVersion, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return run(binary(version, 'kubectl'), args, { ...options, env: { ...this.env(), ...options.env } });
  }

  /** Starts kubectl and leaves it running, for what follows or watches. */
  follow(version: KubectlVersion, args: readonly string[]): { readonly lines: string[]; stop(): Promise<void> } {
    const child = spawn(binary(version, 'kubectl'), [...args], { env: { ...process.env, ...this.env() } });
    const lines: string[] = [];
    let rest = '';
    const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop()!;
      lines.push(...parts);
    });
    return {
      lines,
      stop: () => {
        child.kill('SIGKILL');
        return ended;
      },
    };
  }

  env(): Record<string, string> {
    return { KUBECONFIG: this.kubeconfig, HOME: this.dataDir };
  }

  /** Writes a message through the guestbook's node port, and gives all messages as one of its replicas reads them. */
  async guestbook(message: string): Promise<string> {
    const url = await this.nodePortUrl('guestbook');
    // Rules follow the endpoints after a moment, so the first answers may be refusals.
    await eventually(
      () =>
        fetch(`${url}/messages`, { method: 'POST', body: message }).then(
          ({ ok }) => ok,
          () => false,
        ),
      (ok) => ok,
    );
    return (await fetch(`${url}/messages`, { headers: { connection: 'close' } })).text();
  }

  /** Where the first port of a Service of type NodePort answers. */
  async nodePortUrl(service: string, namespace = 'default'): Promise<string> {
    const address = await this.kubectl('35', [
      'get',
      'nodes',
      '-o',
      'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}',
    ]);
    const port = await this.kubectl('35', [
      '-n',
      namespace,
      'get',
      'service',
      service,
      '-o',
      'jsonpath={.spec.ports[0].nodePort}',
    ]);
    return `http://${address}:${port}`;
  }

  /** Names of what is in the data folder; none when there is no folder. */
  leftOvers(): readonly string[] {
    return existsSync(this.dataDir) ? readdirSync(this.dataDir) : [];
  }

  async remove(): Promise<void> {
    await this.down();
    if (this.#own) rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Ports for servers of tests: below those that the system gives to connections, and beside those of node ports. */
const ports = { first: 20_000, count: 10_000 };
let portsTried = 0;

/**
 * A TCP port of 127.0.0.1 that nothing listens on now. Each process looks from another place on, and no port is given twice, so that servers of
 * tests that run side by side do not meet; nor does a connection take the port of a server that is about to come back.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ports.count; attempt++) {
    const port = ports.first + ((process.pid * 37 + portsTried++) % ports.count);
    if (await canListen(port)) return port;
  }
  throw new Error(`Cannot find a free port in ${ports.count} from ${ports.first}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Asks until `probe` gives a value that holds, for at most `timeoutMs` (default two minutes); then fails with the last value. */
export async function eventually<T>(
  probe: () => Promise<T>,
  holds: (value: T) => boolean,
  timeoutMs = 120_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (holds(value)) return value;
    if (performance.now() > end) throw new Error(`Cannot see the awaited state: last ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
