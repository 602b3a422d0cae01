/**
 * A whole cluster with real programs, files and sockets in the test's own process, on the machine's clock: for behaviours that are about what
 * containers find and what connections reach. One cluster for all tests of a file.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Reservation, reserveAddresses } from '#cmd/coxswain/address-slot.ts';
import type { Container, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import type { KubeObject, ObjectMeta, ResourceRef } from '#pkg/apimachinery/object.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { type RunningCluster, startCluster } from '#pkg/cluster/cluster.ts';
import { addressPort, addressSlots, defaultSettings, loopbackAddresses } from '#pkg/cluster/settings.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import { takeUpgrade } from '#pkg/serving/upgrade-in-process.ts';

/** An image that says what it finds in its files. */
export const mounttest = new URL('./images/mounttest.ts', import.meta.url).href;

/** An image that answers over TCP and UDP. */
export const netexec = new URL('./images/netexec.ts', import.meta.url).href;

/** Real time that a container may take to do what is awaited. */
export const patienceMs = 60_000;

/** What the cluster is made of. */
export interface RealStageOptions {
  readonly nodes?: number;
  readonly runtime?: string;
}

export class RealStage {
  readonly client: Client;
  readonly namespace = 'default';
  readonly cluster: RunningCluster;
  /** Of the cluster's files. */
  readonly folder: string;
  readonly #held: Reservation;
  #serial = 0;

  private constructor(cluster: RunningCluster, folder: string, held: Reservation) {
    this.cluster = cluster;
    this.folder = folder;
    this.#held = held;
    const admin = { commonName: 'kubernetes-admin', organizations: ['system:masters'] };
    this.client = createClient({ transport: inProcessTransport(cluster.handle, admin), userAgent: 'conformance' });
  }

  static async start({ nodes = 1, runtime = defaultSettings.runtime }: RealStageOptions = {}): Promise<RealStage> {
    const folder = await mkdtemp(join(tmpdir(), 'coxswain-conformance-'));
    const { signal } = new AbortController();
    const held = await holdAddresses();
    const cluster = await startCluster({
      settings: {
        ...defaultSettings,
        ...held.addresses,
        nodes,
        runtime,
        apiPort: 0,
        store: 'memory',
      },
      folder,
      clock: new SystemClock(),
      random: new SystemRandom(),
      log: silentLogger,
      signal,
    });
    await cluster.nodesReady(patienceMs, signal);
    return new RealStage(cluster, folder, held);
  }

  of<T extends KubeObject>(ref: ResourceRef<T>): ResourceClient<T> {
    return this.client.resource(ref);
  }

  /** A name that no other test has. */
  name(prefix: string): string {
    return `${prefix}-${++this.#serial}`;
  }

  async create(spec: PodSpec, meta: ObjectMeta = {}): Promise<Pod> {
    const metadata = { name: this.name('pod'), namespace: this.namespace, ...meta };
    const whole = { terminationGracePeriodSeconds: 1, ...spec };
    return this.of(pods).create({ apiVersion: 'v1', kind: 'Pod', metadata, spec: whole });
  }

  /** Waits until a pod is as `holds` says. */
  async until(name: string, holds: (pod: Pod) => boolean): Promise<Pod> {
    let last: Pod = {};
    const look = async (): Promise<boolean> => {
      last = await this.of(pods).get(name, { namespace: this.namespace });
      return holds(last);
    };
    await expect.poll(look, { timeout: patienceMs, interval: 30 }).toBe(true);
    return last;
  }

  async log(name: string, query = ''): Promise<string> {
    const answer = await this.client.transport.request({
      method: 'GET',
      path: `/api/v1/namespaces/${this.namespace}/pods/${name}/log`,
      query,
      headers: {},
      peer: { address: '' },
      signal: new AbortController().signal,
    });
    let text = '';
    if (answer.body.kind === 'bytes') text = new TextDecoder().decode(answer.body.bytes);
    if (answer.body.kind === 'stream') {
      for await (const chunk of answer.body.chunks) text += new TextDecoder().decode(chunk);
    }
    return text;
  }

  /** Runs a pod of one container to its end; returns what it printed. It must succeed. */
  async output(container: Partial<Container>, spec: Partial<PodSpec> = {}, meta: ObjectMeta = {}): Promise<string> {
    const containers = [{ name: 'main', image: 'coxswain.dev/job:v1', ...container }];
    const created = await this.create({ restartPolicy: 'Never', containers, ...spec }, meta);
    const name = created.metadata!.name!;
    const ended = await this.until(name, ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
    const text = await this.log(name);
    expect([ended.status?.phase, text]).toEqual(['Succeeded', text]);
    return text;
  }

  /** Runs a command in a pod, in its first container unless another is named; resolves with what it has written. */
  async exec(name: string, command: readonly string[], container?: string): Promise<string> {
    const query = new URLSearchParams([
      ['stdout', 'true'],
      ['stderr', 'true'],
      ...(container === undefined ? [] : [['container', container]]),
      ...command.map((word) => ['command', word]),
    ]);
    const answer = await this.client.transport.request({
      method: 'POST',
      path: `/api/v1/namespaces/${this.namespace}/pods/${name}/exec`,
      query: query.toString(),
      headers: { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' },
      upgrade: 'spdy/3.1',
      peer: { address: '' },
      signal: new AbortController().signal,
    });
    expect(answer.status).toBe(101);
    if (answer.body.kind !== 'upgrade') throw new Error('no upgrade');
    const connection = new SpdyConnection(takeUpgrade(answer.body), { clock: new SystemClock(), role: 'client' });
    const [error, stdout] = ['error', 'stdout', 'stderr'].map((streamtype) => connection.open({ streamtype }));
    let [text, end] = ['', ''];
    for await (const chunk of stdout!.input) text += Buffer.from(chunk).toString();
    for await (const chunk of error!.input) end += Buffer.from(chunk).toString();
    expect(JSON.parse(end)).toEqual({ metadata: {}, status: 'Success' });
    await connection.close();
    return text;
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    this.#held[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Addresses of a slot that nobody else has, the tests that run beside these included, held as running clusters hold theirs. */
async function holdAddresses(): Promise<Reservation> {
  for (let tried = 0; tried < addressSlots; tried++) {
    const held = await reserveAddresses(loopbackAddresses((process.pid + tried) % addressSlots), addressPort);
    if (held !== undefined) return held;
  }
  throw new Error(`Cannot find addresses in ${addressSlots} slots`);
}

/** Gives the file that calls it a cluster, and a way to declare the behaviours that are tested on it. */
export function onRealCluster(options: RealStageOptions = {}) {
  let stage: RealStage;
  beforeAll(async () => {
    stage = await RealStage.start(options);
  });
  afterAll(() => stage?.stop());
  type Body = (stage: RealStage) => Promise<void>;
  return {
    behaviour(name: string, body: Body): void {
      test(`${name} [Conformance]`, () => body(stage));
    },
  };
}
