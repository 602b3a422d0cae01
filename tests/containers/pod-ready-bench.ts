/**
 * How long a pod takes from its creation through the API until it is Ready and its program answers, beside `docker run -d` and `runc run` until the same
 * program answers; image present, in turn: `node tests/containers/pod-ready-bench.ts [ROUNDS]`, as root. Then a hundred pods at once on the one node.
 * All of it runs in a network namespace of its own, with an engine of its own, so that nothing of the machine's firewall is touched. Prints medians in
 * milliseconds.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { placesOf } from '#pkg/kubelet/runtime/container/places.ts';
import { readTarget } from '#tests/bench/kubeconfig.ts';
import { RunningCluster } from '#tests/e2e/running-cluster.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { processesOf } from './node-remains.ts';

const image = 'docker.io/library/busybox:bench';
const port = 8080;
const program = ['busybox', 'httpd', '-f', '-p', String(port), '-h', '/etc'];
const together = 100;
const pollMs = 1;
const clusterName = `ready${process.pid}`;
const clock = new SystemClock();

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await work();
  return performance.now() - before;
}

/** Resolves once an HTTP server answers anything. */
async function answers(host: string): Promise<void> {
  const once = (): Promise<boolean> =>
    new Promise((resolve) => {
      get({ host, port, agent: false }, (response) => {
        response.resume();
        resolve(true);
      }).on('error', () => resolve(false));
    });
  while (!(await once())) await sleep(clock, pollMs);
}

/** A cluster's API: makes and removes pods, and hears of those that are Ready. */
class Pods {
  readonly #agent: Agent;
  readonly #url: URL;
  readonly #waiting = new Map<string, (pod: Pod) => void>();

  constructor({ kubeconfig }: RunningCluster) {
    const { url, ca, cert, key } = readTarget(kubeconfig);
    this.#agent = new Agent({ ca, cert, key, keepAlive: true });
    this.#url = url;
  }

  async watch(): Promise<void> {
    const response = await this.#ask('GET', '/api/v1/namespaces/default/pods?watch=true');
    let rest = '';
    response.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { object }: { readonly object: Pod } = JSON.parse(line);
        if (findCondition(object.status?.conditions, 'Ready')?.status !== 'True') continue;
        this.#waiting.get(object.metadata?.name ?? '')?.(object);
      }
    });
  }

  /** Resolves with the pod once it is Ready. */
  async run(name: string): Promise<Pod> {
    const ready = new Promise<Pod>((resolve) => this.#waiting.set(name, resolve));
    const main = { name: 'main', image, imagePullPolicy: 'IfNotPresent', command: program };
    const spec = { terminationGracePeriodSeconds: 1, containers: [main] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
    (await this.#ask('POST', '/api/v1/namespaces/default/pods', JSON.stringify(pod))).resume();
    return ready;
  }

  /** Removes all of them; resolves once they are gone. */
  async removeAll(): Promise<void> {
    const path = '/api/v1/namespaces/default/pods';
    (await this.#ask('DELETE', path)).resume();
    for (;;) {
      const { items }: { readonly items: readonly Pod[] } = JSON.parse(await text(await this.#ask('GET', path)));
      if (items.length === 0) return;
      await sleep(clock, 100);
    }
  }

  #ask(method: string, path: string, body?: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const asked = request(new URL(path, this.#url), { agent: this.#agent, method, headers }, (response) => {
        if (response.statusCode !== undefined && response.statusCode < 300) resolve(response);
        else reject(new Error(`${method} ${path}: ${response.statusCode}`));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** An engine of its own, with the image; undefined where there is no program for it. */
class Engine {
  readonly #child: ChildProcess;
  readonly #env: Record<string, string | undefined>;

  private constructor(child: ChildProcess, env: Record<string, string | undefined>) {
    this.#child = child;
    this.#env = env;
  }

  static async start(folder: string, archive: string): Promise<Engine | undefined> {
    if (spawnSync('dockerd', ['--version']).status !== 0) return undefined;
    const host = `unix://${join(folder, 'docker.sock')}`;
    const places = ['data-root', 'exec-root', 'pidfile'].flatMap((name) => [`--${name}`, join(folder, name)]);
    const child = spawn('dockerd', [...places, '--host', host], { stdio: 'ignore' });
    const engine = new Engine(child, { ...process.env, DOCKER_HOST: host });
    while (spawnSync('docker', ['info'], { env: engine.#env, stdio: 'ignore' }).status !== 0) await sleep(clock, 100);
    engine.#docker(['load', '-i', archive]);
    return engine;
  }

  #docker(args: readonly string[]): string {
    return execFileSync('docker', args, { env: this.#env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** Until its program answers. What asking for the address would cost is no part of it: it is the next of the bridge's. */
  async run(name: string): Promise<void> {
    const child = spawn('docker', ['run', '-d', '--name', name, image, ...program], {
      env: this.#env,
      stdio: 'ignore',
    });
    await once(child, 'exit');
    await answers(this.#address());
  }

  #count = 1;
  #address(): string {
    return `172.17.0.${++this.#count}`;
  }

  async stop(): Promise<void> {
    const ids = this.#docker(['ps', '-aq']).split('\n').filter(Boolean);
    if (ids.length > 0) this.#docker(['rm', '-f', ...ids]);
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}

/** Processor time so far: of the cluster's process, of the one that keeps its containers, and of what each has started. */
function processorMs(dataDir: string): ReadonlyMap<string, number> {
  const { memory } = placesOf(join(dataDir, 'kubelet', `${clusterName}-node-1`, 'oci'));
  const of = (name: string, pid: number): readonly (readonly [string, number])[] => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')
      .map(Number);
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11);
    return [
      [name, (user + system) * 10],
      [`what the ${name} starts`, (childUser + childSystem) * 10],
    ];
  };
  const cluster = processesOf(dataDir).find(({ command }) => !command.includes('image'))?.pid ?? 0;
  const monitor = processesOf(memory)[0]?.pid ?? 0;
  return new Map([...of('cluster', cluster), ...of('monitor', monitor)]);
}

/** A bundle for `runc` alone, on the network of this process. */
function writeBundle(folder: string, root: string): void {
  mkdirSync(folder);
  execFileSync('runc', ['spec', '--bundle', folder]);
  const path = join(folder, 'config.json');
  const spec = JSON.parse(readFileSync(path, 'utf8'));
  spec.process.terminal = false;
  spec.process.args = program;
  spec.linux.namespaces = spec.linux.namespaces.filter((one: { readonly type: string }) => one.type !== 'network');
  writeFileSync(path, JSON.stringify(spec));
  cpSync(root, join(folder, 'rootfs'), { recursive: true, verbatimSymlinks: true });
}

/** The image's files. */
function writeRoot(folder: string): void {
  for (const name of ['bin', 'etc', 'dev', 'proc', 'sys', 'tmp']) mkdirSync(join(folder, name), { recursive: true });
  cpSync('/bin/busybox', join(folder, 'bin/busybox'));
}

async function main(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-pod-ready-'));
  const archive = join(folder, 'busybox.tar');
  writeBusyboxArchive(archive, image);
  const root = join(folder, 'root');
  writeRoot(root);
  const bundle = join(folder, 'bundle');
  writeBundle(bundle, root);
  const engine = await Engine.start(folder, archive);
  const cluster = await RunningCluster.start({
    flags: ['--name', clusterName, '--runtime', 'container', '--network', 'bridge', ...process.argv.slice(4)],
  });
  const pods = new Pods(cluster);
  try {
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    if (loaded.code !== 0) throw new Error(loaded.stderr);
    await pods.watch();
    const times = { ready: [] as number[], answering: [] as number[], docker: [] as number[], runc: [] as number[] };
    // The first round is for the compilers.
    for (let round = 0; round <= rounds; round++) {
      const before = performance.now();
      const pod = await pods.run(`pod-${round}`);
      const ready = performance.now() - before;
      await answers(pod.status?.podIP ?? '');
      const answering = performance.now() - before;
      const docker = engine === undefined ? Number.NaN : await timed(() => engine.run(`pod-${round}`));
      const name = `coxswain-bench-${process.pid}-${round}`;
      const runc = await timed(async () => {
        await once(spawn('runc', ['run', '-d', '--bundle', bundle, name], { stdio: 'ignore' }), 'exit');
        await answers('127.0.0.1');
      });
      execFileSync('runc', ['delete', '--force', name]);
      console.log(
        Object.entries({ ready, answering, docker, runc })
          .map(([one, ms]) => `${one} ${ms.toFixed(0)}`)
          .join(', '),
      );
      if (round === 0) continue;
      for (const [one, ms] of [
        ['ready', ready],
        ['answering', answering],
        ['docker', docker],
        ['runc', runc],
      ] as const)
        times[one].push(ms);
    }
    const [ready, answering, docker, runc] = [times.ready, times.answering, times.docker, times.runc].map(median);
    console.log(`a pod Ready: ${ready?.toFixed(0)} ms, answering: ${answering?.toFixed(0)} ms`);
    console.log(
      `docker run -d: ${docker?.toFixed(0)} ms; a pod answering is ${((answering ?? 0) / (docker ?? 1)).toFixed(2)} of it`,
    );
    console.log(
      `runc run: ${runc?.toFixed(0)} ms; a pod answering is ${((answering ?? 0) - (runc ?? 0)).toFixed(0)} ms more`,
    );
    // A node has room for 110.
    await pods.removeAll();
    const before = processorMs(cluster.dataDir);
    const all = await timed(() =>
      Promise.all(Array.from({ length: together }, (_, index) => pods.run(`together-${index}`))),
    );
    console.log(`${together} pods at once, until all are Ready: ${(all / 1000).toFixed(1)} s`);
    const after = processorMs(cluster.dataDir);
    const each = [...after].map(([what, ms]) => `${what} ${((ms - (before.get(what) ?? 0)) / together).toFixed(1)}`);
    console.log(`processor time of each of them, in ms: ${each.join(', ')}`);
  } finally {
    pods.close();
    await cluster.coxswain(['down', '--delete-data']);
    await cluster.remove();
    await engine?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[3] === '--inside') await main(Number(process.argv[2]));
else {
  const script = 'mount -t tmpfs tmpfs /run/netns && ip link set lo up && exec "$@"';
  mkdirSync('/run/netns', { recursive: true });
  const self = [
    process.execPath,
    ...process.execArgv,
    import.meta.filename,
    process.argv[2] ?? '10',
    '--inside',
    ...process.argv.slice(3),
  ];
  const inside = ['--net', '--mount', '--', 'sh', '-c', script, 'sh', ...self];
  if (!existsSync('/bin/busybox')) throw new Error('Cannot measure without busybox-static');
  process.exitCode = spawnSync('unshare', inside, { stdio: 'inherit' }).status ?? 1;
}
