/** A real etcd for tests: Debian's `etcd` in a folder of its own, on free ports of a loopback address. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { openEtcdStore } from './etcd-store.ts';

/** Nobody else listens there or connects from there, so that ports which are free stay so until etcd has them, and while it is down. */
const ownAddress = '127.9.8.6';
/** What its certificate is for. */
const tlsAddress = '127.0.0.1';

/** How long etcd may take to answer, in steps of 50 ms. */
const startAttemptsMax = 400;

export interface TestEtcd {
  readonly endpoint: string;
  /** Of the process that runs; 0 when none does. */
  readonly pid: number;
  /** Ends the process, without warning when `kill`; its data stays. */
  stop(options?: { readonly kill: boolean }): Promise<void>;
  /** Starts it again with its data, at the same address. */
  start(): Promise<void>;
  /** Ends the process and removes its data. */
  cleanup(): Promise<void>;
}

/** Where the `etcd` program is on a search path; undefined when it is not installed. */
export function findEtcd(searchPath: string | undefined): string | undefined {
  for (const folder of (searchPath ?? '').split(delimiter)) {
    const file = join(folder, 'etcd');
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Files with which an etcd answers over TLS, and asks its clients for a certificate of the same authority. */
export interface TestEtcdTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** What a client shows. */
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
}

/** Starts an etcd and waits until it answers. */
export async function startTestEtcd(program: string, tls?: TestEtcdTls): Promise<TestEtcd> {
  const member = await memberOf('test', tls);
  return startMember(program, member, { peers: [member], tls });
}

/** Starts an etcd of that many members and waits until all of them answer. */
export async function startTestEtcdCluster(program: string, members: number): Promise<readonly TestEtcd[]> {
  const peers: Member[] = [];
  for (let i = 0; i < members; i++) peers.push(await memberOf(`test-${i}`, undefined));
  return Promise.all(peers.map((member) => startMember(program, member, { peers, tls: undefined })));
}

interface Member {
  readonly name: string;
  readonly endpoint: string;
  readonly peer: string;
  readonly directory: string;
}

async function memberOf(name: string, tls: TestEtcdTls | undefined): Promise<Member> {
  const [scheme, host] = tls === undefined ? ['http', ownAddress] : ['https', tlsAddress];
  const [clientPort, peerPort] = [await freePort(host), await freePort(host)];
  return {
    name,
    endpoint: `${scheme}://${host}:${clientPort}`,
    peer: `http://${host}:${peerPort}`,
    directory: mkdtempSync(join(tmpdir(), 'coxswain-etcd-')),
  };
}

async function startMember(
  program: string,
  { name, endpoint, peer, directory }: Member,
  { peers, tls }: { readonly peers: readonly Member[]; readonly tls: TestEtcdTls | undefined },
): Promise<TestEtcd> {
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const options = {
      name,
      'data-dir': directory,
      'listen-client-urls': endpoint,
      'advertise-client-urls': endpoint,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': peers.map((each) => `${each.name}=${each.peer}`).join(','),
      ...(tls === undefined
        ? {}
        : { 'trusted-ca-file': tls.caFile, 'cert-file': tls.certFile, 'key-file': tls.keyFile }),
    };
    const flags = Object.entries(options).flatMap(([flag, value]) => [`--${flag}`, value]);
    if (tls !== undefined) flags.push('--client-cert-auth');
    child = spawn(program, flags, { stdio: 'ignore' });
    await waitUntilReachable({ endpoint, tls }, child);
  };
  const stop = async (how = { kill: false }): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(how.kill ? 'SIGKILL' : 'SIGTERM');
    await exited;
  };
  const cleanup = async (): Promise<void> => {
    await stop({ kill: true });
    rmSync(directory, { recursive: true, force: true });
  };
  await start();
  return {
    endpoint,
    get pid() {
      return child?.exitCode === null && child.signalCode === null ? (child.pid ?? 0) : 0;
    },
    start,
    stop,
    cleanup,
  };
}

async function waitUntilReachable(
  { endpoint, tls: files }: { readonly endpoint: string; readonly tls: TestEtcdTls | undefined },
  child: ChildProcess,
): Promise<void> {
  const clock = new SystemClock();
  const random = new SystemRandom();
  const text = (path: string): string => readFileSync(path, 'utf8');
  const tls = files && { ca: text(files.caFile), cert: text(files.clientCertFile), key: text(files.clientKeyFile) };
  for (let attempt = 0; attempt < startAttemptsMax; attempt++) {
    if (child.exitCode !== null) break;
    try {
      const store = await openEtcdStore({
        endpoints: [endpoint],
        clock,
        random,
        log: silentLogger,
        ...(tls && { tls }),
      });
      await store.close();
      return;
    } catch {
      await sleep(clock, 50);
    }
  }
  child.kill('SIGKILL');
  throw new Error(`etcd does not answer at ${endpoint}`);
}

async function freePort(host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
