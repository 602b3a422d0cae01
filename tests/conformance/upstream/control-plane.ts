/**
 * A control plane of parts that are each this project's or upstream's: an API server (ours in this process and in memory, or a `kube-apiserver` on an etcd), a
 * controller manager (ours, or a `kube-controller-manager`) in a process of its own, and this project's scheduler and simulated nodes in this process.
 * For comparisons of the managers.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { aborted, sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { type NetworkTransport, networkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { apiPart } from '#pkg/cluster/api-part.ts';
import { kubeconfigOf } from '#pkg/cluster/kubeconfig.ts';
import { identitySubject } from '#pkg/cluster/pki.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import { startTestEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { type ComposedApi, Composition } from '#pkg/testing/composition.ts';
import { freePort } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

const clock = new SystemClock();
const host = '127.0.0.1';
const name = 'compared';
const serviceCidr = '127.96.0.0/18';
const upstreamServiceCidr = '10.96.0.0/16';
/** Of the kind that nodes without privileges give. */
const podCidr = '127.128.0.0/9';
/** For what a process needs to answer, on a machine that does much else. */
const startMs = 180_000;

/** Whose the parts are: a file is upstream's program, nothing is ours. */
export interface Sides {
  readonly apiserver?: string | undefined;
  readonly etcd: string;
  readonly manager?: string | undefined;
  /** None: no scheduler either. */
  readonly nodes: number;
  readonly folder: string;
}

/** One that runs. */
export interface ControlPlane {
  readonly client: Client;
  /** File of who may do everything. */
  readonly kubeconfig: string;
  /** Text of the API server's metrics. */
  metrics(): Promise<string>;
  startManager(): Promise<void>;
  stopManager(): Promise<void>;
  /** Processes of the API server, where it is one, and of the controller manager. */
  pids(): readonly number[];
  /** CPU time that the controller manager has taken so far. */
  managerCpuMs(): number;
  stop(): Promise<void>;
}

interface Files {
  readonly authority: CertificatePair;
  readonly server: CertificatePair;
  readonly kubelet: CertificatePair;
  /** PEM. */
  readonly serviceAccountKey: string;
  readonly admin: CertificatePair;
  readonly kubeconfig: string;
  path(file: string): string;
}

function writeFiles(folder: string, server: string): Files {
  const nowMs = clock.nowMs();
  const authority = issueAuthority({ subject: { commonName: 'ca' }, nowMs, validDays: 1 });
  const leaf = (identity: string): CertificatePair =>
    issueLeaf(authority, { nowMs, validDays: 1, usage: 'client', subject: identitySubject(identity) });
  const hosts = ['localhost', host, 'kubernetes.default.svc'];
  const pairs = {
    ca: authority,
    apiserver: issueLeaf(authority, {
      nowMs,
      validDays: 1,
      usage: 'server',
      subject: { commonName: 'apiserver' },
      hosts,
    }),
    kubelet: leaf('kubelet-client'),
    admin: issueLeaf(authority, {
      nowMs,
      validDays: 1,
      usage: 'client',
      subject: { commonName: 'admin', organizations: ['system:masters'] },
    }),
  };
  const path = (file: string): string => join(folder, file);
  for (const [file, { certificate, key }] of Object.entries(pairs)) {
    writeFileSync(path(`${file}.crt`), certificate);
    writeFileSync(path(`${file}.key`), key, { mode: 0o600 });
  }
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const serviceAccountKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  writeFileSync(path('sa.key'), serviceAccountKey, { mode: 0o600 });
  writeFileSync(path('sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  const kubeconfig = path('kubeconfig');
  const config = kubeconfigOf({ name, server, authority: authority.certificate, client: pairs.admin });
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  const { apiserver, kubelet, admin } = pairs;
  return { authority, server: apiserver, kubelet, admin, serviceAccountKey, kubeconfig, path };
}

function start(program: string, args: readonly string[], log: string): ChildProcess {
  const out = openSync(log, 'a');
  return spawn(program, [...args], { cwd: root, stdio: ['ignore', out, out] });
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Starts the API server, scheduler and nodes; resolves when the nodes are there. Controllers begin with `startManager`. */
export async function startControlPlane(sides: Sides): Promise<ControlPlane> {
  mkdirSync(sides.folder, { recursive: true });
  const port = await freePort();
  const server = `https://${host}:${port}`;
  const files = writeFiles(sides.folder, server);
  const ending = new AsyncDisposableStack();
  try {
    const { apiserver, etcd } = sides;
    const child = apiserver === undefined ? undefined : await upstreamServer(apiserver, { etcd, files, port, ending });
    const api = child === undefined ? await ourServer(files, port) : undefined;
    const { certificate, key } = files.admin;
    const connect = (): NetworkTransport => {
      const made = networkTransport({ server, ca: files.authority.certificate, cert: certificate, key });
      ending.defer(() => made.close());
      return made;
    };
    const transport = connect();
    await answers(transport);
    if (sides.nodes > 0) {
      const nodes = await startNodes(sides, api ?? overNetwork(connect));
      ending.defer(() => nodes.stop());
    }
    return new RunningPlane({ sides, files, process: child, transport, ending });
  } catch (error) {
    await ending.disposeAsync();
    throw error;
  }
}

/** As clusters for tests have it, at an address. */
async function ourServer({ authority, server, kubelet, serviceAccountKey }: Files, port: number): Promise<ComposedApi> {
  return apiPart({
    authentication: { serviceAccountKey },
    store: createMemoryStore({ clock }),
    clock,
    random: new SeededRandom(1),
    log: silentLogger,
    serviceCidr,
    host,
    port,
    server,
    clientCa: authority.certificate,
    kubeletClient: kubelet,
  });
}

async function upstreamServer(
  program: string,
  {
    etcd,
    files,
    port,
    ending,
  }: { readonly etcd: string; readonly files: Files; readonly port: number; readonly ending: AsyncDisposableStack },
): Promise<ChildProcess> {
  const store = await startTestEtcd(etcd);
  ending.defer(() => store.cleanup());
  const { path } = files;
  const args = [
    `--secure-port=${port}`,
    `--bind-address=${host}`,
    `--etcd-servers=${store.endpoint}`,
    `--service-cluster-ip-range=${upstreamServiceCidr}`,
    `--client-ca-file=${path('ca.crt')}`,
    `--tls-cert-file=${path('apiserver.crt')}`,
    `--tls-private-key-file=${path('apiserver.key')}`,
    `--service-account-key-file=${path('sa.pub')}`,
    `--service-account-signing-key-file=${path('sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--authorization-mode=RBAC',
  ];
  const child = start(program, args, path('apiserver.log'));
  ending.defer(() => end(child));
  return child;
}

async function answers(transport: NetworkTransport): Promise<void> {
  const { signal } = new AbortController();
  for (let leftMs = startMs; leftMs > 0; leftMs -= 100) {
    try {
      const { status } = await transport.request({
        method: 'GET',
        path: '/readyz',
        query: '',
        headers: {},
        peer: { address: '' },
        signal,
      });
      if (status === 200) return;
    } catch {
      // It does not listen yet.
    }
    await sleep(clock, 100, signal);
  }
  throw new Error('Cannot compare as the API server does not answer');
}

/** Each component has connections of its own: the watches of all of them would hold all that one may have. */
function overNetwork(connect: () => NetworkTransport): ComposedApi {
  const transports = new Map<string, NetworkTransport>();
  return {
    handle: (request) => {
      const user = request.peer.certificate?.commonName ?? '';
      const transport = transports.get(user) ?? connect();
      transports.set(user, transport);
      return transport.request(request);
    },
    addKubelet: () => {},
    run: aborted,
  };
}

/** The scheduler and the nodes: the same whoever the others are. */
async function startNodes({ nodes }: Sides, api: ComposedApi): Promise<Composition> {
  const parts = new Composition({
    cluster: { nodes, controllers: [], capacity: { cpu: '64', memory: '256Gi', pods: '110' } },
    clock,
    random: new SeededRandom(1),
    api,
    settle: () => clock.yield(),
  });
  await parts.start();
  return parts;
}

class RunningPlane implements ControlPlane {
  readonly client: Client;
  readonly kubeconfig: string;
  readonly #sides: Sides;
  readonly #files: Files;
  readonly #process: ChildProcess | undefined;
  readonly #transport: NetworkTransport;
  readonly #ending: AsyncDisposableStack;
  #manager: ChildProcess | undefined;

  constructor(parts: {
    readonly sides: Sides;
    readonly files: Files;
    readonly process: ChildProcess | undefined;
    readonly transport: NetworkTransport;
    readonly ending: AsyncDisposableStack;
  }) {
    this.#sides = parts.sides;
    this.#files = parts.files;
    this.#process = parts.process;
    this.kubeconfig = parts.files.kubeconfig;
    this.#transport = parts.transport;
    this.#ending = parts.ending;
    this.client = createClient({ transport: parts.transport, userAgent: 'compare' });
  }

  async metrics(): Promise<string> {
    const { signal } = new AbortController();
    const { body } = await this.#transport.request({
      method: 'GET',
      path: '/metrics',
      query: '',
      headers: {},
      peer: { address: '' },
      signal,
    });
    if (body.kind === 'bytes') return Buffer.from(body.bytes).toString();
    const chunks: Uint8Array[] = [];
    if (body.kind === 'stream') for await (const chunk of body.chunks) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  async startManager(): Promise<void> {
    const { kubeconfig, path } = this.#files;
    const shared = [
      `--kubeconfig=${kubeconfig}`,
      '--leader-elect=false',
      `--root-ca-file=${path('ca.crt')}`,
      `--cluster-signing-cert-file=${path('ca.crt')}`,
      `--cluster-signing-key-file=${path('ca.key')}`,
      `--service-account-private-key-file=${path('sa.key')}`,
      `--cluster-cidr=${podCidr}`,
    ];
    const { apiserver, manager } = this.#sides;
    // Older servers have no such resources, for which a manager would wait for ever.
    const own = apiserver === undefined ? [] : ['--controllers=*,-service-cidr-controller,-resourceclaim-controller'];
    const log = path('manager.log');
    this.#manager =
      manager === undefined
        ? start(process.execPath, [join(root, 'cmd/controller-manager/main.ts'), ...shared, ...own], log)
        : start(
            manager,
            [...shared, '--allocate-node-cidrs=true', '--use-service-account-credentials', '--secure-port=0'],
            log,
          );
  }

  async stopManager(): Promise<void> {
    await end(this.#manager);
    this.#manager = undefined;
  }

  pids(): readonly number[] {
    return [this.#process, this.#manager].flatMap((child) => child?.pid ?? []);
  }

  managerCpuMs(): number {
    const stat = readFileSync(`/proc/${this.#manager?.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async stop(): Promise<void> {
    await this.stopManager();
    await this.#ending.disposeAsync();
    rmSync(this.#sides.folder, { recursive: true, force: true });
  }
}
