/**
 * The cluster of `startTestCluster({ listen: true })`: in real time, with its API at an HTTPS address of its own, so that kubectl, Helm and
 * client libraries in any language reach it. Any number of them run beside each other, in one process and in several.
 *
 * Its keys live in memory and, with the kubeconfig, in one temporary folder that `stop` removes. The pods run nothing: there is no proxy and
 * no address behind a Service.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { apiPart } from '#pkg/cluster/api-part.ts';
import { newServiceAccountKey } from '#pkg/cluster/authentication.ts';
import { kubeconfigOf } from '#pkg/cluster/kubeconfig.ts';
import { identitySubject } from '#pkg/cluster/pki.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { ListeningTestCluster, TestClusterOptions } from './cluster.ts';
import { Composition, faultsOf, testSettings } from './composition.ts';

const host = '127.0.0.1';
const name = 'coxswain-test';
/** The keys live as long as the test: a day is more than any takes. */
const validDays = 1;
/** Time that `until` waits at most unless it is told otherwise, and between two looks at what it waits for. */
const untilMsDefault = 60_000;
const lookIntervalMs = 5;
const stopped = 'Cannot answer as the cluster has stopped';

/** Resolves once the API answers and the nodes are Ready. */
export async function startListeningCluster(
  options: TestClusterOptions & { readonly store?: Store | undefined },
): Promise<ListeningTestCluster> {
  const clock = new SystemClock();
  const seed = options.seed ?? 1;
  const random = new SeededRandom(seed);
  const faults = options.faults === undefined ? undefined : await faultsOf(clock, seed, options.faults);
  const keys = makeKeys(clock.nowMs());
  const rootCa = keys.authority.certificate;
  const store = options.store ?? createMemoryStore({ clock });
  const serviceAccountKey = newServiceAccountKey();
  const api = await apiPart({
    authentication: { serviceAccountKey },
    store,
    clock: faults?.clock ?? clock,
    faults: faults?.requests,
    random,
    log: options.log ?? silentLogger,
    serviceCidr: testSettings.serviceCidr,
    host,
    port: 0,
    server: keys.server,
    clientCa: rootCa,
    kubeletClient: keys.kubeletClient,
  }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const clusterSigning = keys.authority;
  const settle = (): Promise<void> => clock.yield();
  const parts = new Composition({
    cluster: options,
    clock: faults?.clock ?? clock,
    faults,
    random,
    api,
    settle,
    rootCa,
    clusterSigning,
    serviceAccountKey,
  });
  const server = api.url;
  const kubeconfig = JSON.stringify(kubeconfigOf({ name, server, authority: rootCa, client: keys.admin }));
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-test-'));
  const cluster = new ListeningCluster({ parts, clock, handle: api.handle, server, kubeconfig, folder });
  try {
    await writeFile(cluster.kubeconfigFile, kubeconfig, { mode: 0o600 });
    await parts.start();
    await cluster.until(() => parts.areNodesReady);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

interface Keys {
  readonly authority: CertificatePair;
  readonly server: CertificatePair;
  readonly admin: CertificatePair;
  readonly kubeletClient: CertificatePair;
}

function makeKeys(nowMs: number): Keys {
  const authority = issueAuthority({ subject: { commonName: 'coxswain-ca' }, nowMs, validDays });
  const client = (identity: string): CertificatePair =>
    issueLeaf(authority, { nowMs, validDays, usage: 'client', subject: identitySubject(identity) });
  const hosts = ['localhost', host, '::1'];
  const subject = { commonName: 'kube-apiserver' };
  return {
    authority,
    server: issueLeaf(authority, { nowMs, validDays, usage: 'server', subject, hosts }),
    admin: client('admin'),
    kubeletClient: client('kubelet-client'),
  };
}

interface Listening {
  readonly parts: Composition;
  readonly clock: SystemClock;
  readonly handle: ApiHandler;
  readonly server: string;
  readonly kubeconfig: string;
  readonly folder: string;
}

class ListeningCluster implements ListeningTestCluster {
  readonly server: string;
  readonly kubeconfig: string;
  readonly kubeconfigFile: string;
  readonly #made: Listening;
  readonly #stopping = new AbortController();
  #stop: Promise<void> | undefined;

  constructor(made: Listening) {
    this.#made = made;
    this.server = made.server;
    this.kubeconfig = made.kubeconfig;
    this.kubeconfigFile = join(made.folder, 'kubeconfig');
  }

  get client() {
    return this.#made.parts.client;
  }

  get handle() {
    return this.#made.handle;
  }

  get faults() {
    return this.#made.parts.faults;
  }

  get nodes() {
    return this.#made.parts.nodes;
  }

  get metrics() {
    return this.#made.parts.metrics;
  }

  get transcript(): readonly string[] {
    return this.#made.parts.recording.lines;
  }

  apply(...objects: readonly KubeObject[]): Promise<void> {
    return this.#made.parts.apply(...objects);
  }

  pods(namespace?: string): readonly Pod[] {
    return this.#made.parts.pods(namespace);
  }

  async lister<T extends KubeObject>(ref: ResourceRef<T>): Promise<Lister<T>> {
    const informer = this.#made.parts.informer(ref);
    await this.until(() => informer.hasSynced());
    return informer.lister;
  }

  async until(condition: () => boolean | Promise<boolean>, limitMs: number = untilMsDefault): Promise<void> {
    const { clock, parts } = this.#made;
    const endMs = clock.monotonicMs() + limitMs;
    for (;;) {
      parts.check();
      if (await condition()) return;
      if (clock.monotonicMs() >= endMs) {
        const last = this.transcript.slice(-20).join('\n');
        throw new Error(`Cannot reach the awaited state as ${limitMs} ms have passed without it. Last:\n${last}`);
      }
      if (!(await sleep(clock, lookIntervalMs, this.#stopping.signal))) throw new Error(stopped);
    }
  }

  stop(): Promise<void> {
    this.#stop ??= this.#end();
    return this.#stop;
  }

  async #end(): Promise<void> {
    const { parts, folder } = this.#made;
    this.#stopping.abort();
    await parts.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
