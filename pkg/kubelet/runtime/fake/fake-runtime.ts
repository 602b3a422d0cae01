/**
 * A runtime that runs nothing: containers start, answer probes, print and exit as their pod's annotations say (`script.ts`), on
 * the clock alone. It keeps one small record per container and no timer for one that runs forever, so that one process can be
 * thousands of nodes. Tests may also end containers and make calls fail on demand.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { ContainerConfig, ContainerResources, SandboxConfig } from '../container-config.ts';
import { parseImageName } from '../image-name.ts';
import { attachedStreams, commandStreams, requireFeature } from '../plain-streams.ts';
import type { ProbeAnswer, ProbeTarget, ProbeTransport } from '../probe-transport.ts';
import {
  type ContainerInspection,
  type ContainerService,
  type ImageInfo,
  type ImageService,
  type LogLine,
  type LogOptions,
  type PullOptions,
  type Runtime,
  type RuntimeContainer,
  RuntimeError,
  type Sandbox,
  type SandboxService,
} from '../runtime.ts';
import type { AttachOptions, ProcessStreams, StreamingService } from '../streams.ts';
import { type ContainerEnd, containerSummary, runStateOf, sandboxSummary } from '../summary.ts';
import { fakeFeatures } from './fake-features.ts';
import { type DecideProbe, probeAnswer } from './fake-probes.ts';
import { fakeStats } from './fake-stats.ts';
import { type ContainerScript, readScript } from './script.ts';
import { withInput } from './unread-input.ts';

/** Calls that `FakeRuntime.fault` can make fail. */
export type FakeCall = 'sandboxes.run' | 'containers.create' | 'containers.start' | 'containers.update' | 'images.pull';

/** A simulated runtime, with what tests do to it. */
export interface FakeRuntime extends Runtime {
  /** Ends a running container, as if its program had. */
  exit(id: string, how: { readonly exitCode: number; readonly reason?: string }): void;
  /** Makes the next `times` calls of one kind fail with `message`. */
  fault(call: FakeCall, message: string, times?: number): void;
  /** From now on asks `decide` at every probe of a running container: with a message the probe fails, whatever the pod's annotations say. */
  failProbes(decide: DecideProbe): void;
}

interface ContainerRecord {
  readonly id: string;
  readonly sandbox: SandboxRecord;
  readonly config: ContainerConfig;
  readonly script: ContainerScript;
  readonly createdAtMs: number;
  startedAtMs: number | undefined;
  resources: ContainerResources | undefined;
  end: ContainerEnd | undefined;
  /** The pending exit by itself, and the pending kill of `stop`. */
  exitTimer: Timer | undefined;
  killTimer: Timer | undefined;
  killAtMs: number;
  waiters: (() => void)[] | undefined;
}

interface SandboxRecord {
  readonly id: string;
  config: SandboxConfig;
  readonly createdAtMs: number;
  ready: boolean;
  readonly containers: Set<string>;
}

/** Exit codes of programs that a signal ended. */
const sigtermExitCode = 143;
const sigkillExitCode = 137;

/** A simulated runtime. */
export function createFakeRuntime(deps: { readonly clock: Clock; readonly random: Random }): FakeRuntime {
  return new Fake(deps);
}

class Fake implements FakeRuntime {
  readonly capabilities = { name: 'fake', version: '1.0.0', features: fakeFeatures };
  readonly sandboxes: SandboxService;
  readonly containers: ContainerService;
  readonly inspection: ContainerInspection;
  readonly streaming: StreamingService;
  readonly images: ImageService;
  readonly probes: ProbeTransport;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sandboxes = new Map<string, SandboxRecord>();
  readonly #containers = new Map<string, ContainerRecord>();
  readonly #pulled = new Map<string, ImageInfo>();
  readonly #listeners = new Set<(container: RuntimeContainer) => void>();
  #decideProbe: DecideProbe | undefined;
  readonly #faults = new Map<FakeCall, { readonly message: string; times: number }>();

  constructor(deps: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.sandboxes = {
      run: async (config) => this.#runSandbox(config),
      stop: async (id) => this.#stopSandbox(id),
      remove: async (id) => this.#removeSandbox(id),
      list: async () => [...this.#sandboxes.values()].map(sandboxSummary),
      update: async (id, resources) => this.#updateSandbox(id, resources),
    };
    this.containers = {
      create: async (sandboxId, config) => this.#create(sandboxId, config),
      start: (id) => this.#start(id),
      stop: (id, options) => this.#stop(id, options.graceMs),
      remove: async (id) => this.#remove(id),
      update: async (id, resources) => this.#update(id, resources),
      status: async (id) => {
        const record = this.#containers.get(id);
        return record === undefined ? undefined : containerSummary(record);
      },
      list: async () => [...this.#containers.values()].map(containerSummary),
    };
    this.inspection = {
      exec: async (id) => {
        this.#running(id);
        return { exitCode: 0, stdout: '', stderr: '' };
      },
      logs: (id, options) => this.#logs(id, options),
      stats: async (id) => {
        const { script, startedAtMs = 0 } = this.#running(id);
        return fakeStats(script, this.#clock.nowMs() - startedAtMs);
      },
    };
    this.streaming = {
      exec: async (id, options) => {
        this.#running(id);
        return withInput(commandStreams(Promise.resolve({ exitCode: 0, stdout: '', stderr: '' })), options);
      },
      attach: async (id, options) => withInput(this.#attach(this.#running(id), options), options),
      portForward: async () => {
        requireFeature(this.capabilities, 'portForward', 'port forwarding');
        throw new RuntimeError('failed', 'nothing listens');
      },
    };
    this.images = {
      status: async (image) => {
        parseImageName(image);
        return this.#pulled.get(image);
      },
      pull: (image, options) => this.#pull(image, options),
      list: async () => [...this.#pulled.values()],
    };
    this.probes = {
      http: async (_, target) => this.#probe(target, (code) => `HTTP probe failed with statuscode: ${code}`),
      tcp: async (request, target) =>
        this.#probe(target, () => `dial tcp ${request.host}:${request.port}: connect: connection refused`),
      grpc: async (_, target) => this.#probe(target, () => 'service unhealthy (responded with "NOT_SERVING")'),
      exec: async (command, target) => this.#probe(target, () => `${command[0] ?? 'command'}: exit status 1`),
    };
  }

  onExit(listener: (container: RuntimeContainer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  exit(id: string, how: { readonly exitCode: number; readonly reason?: string }): void {
    this.#finish(this.#running(id), how.exitCode, how.reason);
  }

  failProbes(decide: DecideProbe): void {
    this.#decideProbe = decide;
  }

  fault(call: FakeCall, message: string, times = 1): void {
    this.#faults.set(call, { message, times });
  }

  close(): Promise<void> {
    for (const id of [...this.#sandboxes.keys()]) this.#removeSandbox(id);
    this.#listeners.clear();
    return Promise.resolve();
  }

  #runSandbox(config: SandboxConfig): Sandbox {
    this.#failOnDemand('sandboxes.run', readScript(config.annotations, { name: '', attempt: 0 }).sandboxFault);
    const record: SandboxRecord = {
      id: this.#id(),
      config,
      createdAtMs: this.#clock.nowMs(),
      ready: true,
      containers: new Set(),
    };
    this.#sandboxes.set(record.id, record);
    return sandboxSummary(record);
  }

  #stopSandbox(id: string): void {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    sandbox.ready = false;
    for (const containerId of sandbox.containers) {
      const record = this.#containers.get(containerId)!;
      if (runStateOf(record) === 'running') this.#finish(record, sigkillExitCode);
    }
  }

  #removeSandbox(id: string): void {
    this.#stopSandbox(id);
    const sandbox = this.#sandboxes.get(id);
    for (const containerId of [...(sandbox?.containers ?? [])]) this.#remove(containerId);
    this.#sandboxes.delete(id);
  }

  #updateSandbox(id: string, resources: ContainerResources): void {
    const sandbox = this.#readySandbox(id);
    sandbox.config = { ...sandbox.config, resources };
  }

  #readySandbox(id: string): SandboxRecord {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox?.ready === true) return sandbox;
    throw new RuntimeError('notFound', `failed to find sandbox id "${id}": not found`);
  }

  #create(sandboxId: string, config: ContainerConfig): string {
    const sandbox = this.#readySandbox(sandboxId);
    const script = readScript(sandbox.config.annotations, config);
    this.#failOnDemand('containers.create', script.createFault);
    const record: ContainerRecord = {
      id: this.#id(),
      sandbox,
      config,
      script,
      createdAtMs: this.#clock.nowMs(),
      startedAtMs: undefined,
      end: undefined,
      exitTimer: undefined,
      killTimer: undefined,
      killAtMs: Number.POSITIVE_INFINITY,
      resources: undefined,
      waiters: undefined,
    };
    this.#containers.set(record.id, record);
    sandbox.containers.add(record.id);
    return record.id;
  }

  async #start(id: string): Promise<void> {
    const record = this.#containers.get(id);
    if (record === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    if (runStateOf(record) !== 'created') throw new RuntimeError('failed', `container "${id}" is not in state created`);
    this.#failOnDemand('containers.start', record.script.startFault);
    if (record.script.startDelayMs > 0) await sleep(this.#clock, record.script.startDelayMs);
    if (!this.#containers.has(id) || !record.sandbox.ready)
      throw new RuntimeError('failed', `container "${id}" was removed`);
    record.startedAtMs = this.#clock.nowMs();
    if (record.script.runTimeMs === Number.POSITIVE_INFINITY) return;
    record.exitTimer = this.#clock.setTimeout(
      () => this.#finish(record, record.script.exitCode, record.script.exitReason),
      record.script.runTimeMs,
    );
  }

  #stop(id: string, graceMs: number): Promise<void> {
    const record = this.#containers.get(id);
    if (record === undefined || runStateOf(record) !== 'running') return Promise.resolve();
    const stopMs = record.script.stopTimeMs;
    if (graceMs === 0 || (stopMs === 0 && record.waiters === undefined)) {
      this.#finish(record, graceMs === 0 ? sigkillExitCode : sigtermExitCode);
      return Promise.resolve();
    }
    if (record.waiters === undefined && stopMs <= graceMs) {
      record.exitTimer?.cancel();
      record.exitTimer = this.#clock.setTimeout(() => this.#finish(record, sigtermExitCode), stopMs);
    }
    const killAtMs = this.#clock.nowMs() + graceMs;
    if (killAtMs < record.killAtMs) {
      record.killTimer?.cancel();
      record.killAtMs = killAtMs;
      record.killTimer = this.#clock.setTimeout(() => this.#finish(record, sigkillExitCode), graceMs);
    }
    return new Promise((resolve) => {
      record.waiters ??= [];
      record.waiters.push(resolve);
    });
  }

  #finish(record: ContainerRecord, exitCode: number, reason?: string): void {
    if (runStateOf(record) !== 'running') return;
    record.exitTimer?.cancel();
    record.killTimer?.cancel();
    record.exitTimer = undefined;
    record.killTimer = undefined;
    record.end = { atMs: this.#clock.nowMs(), exitCode, reason, message: record.script.terminationMessage };
    const exited = containerSummary(record);
    for (const listener of this.#listeners) listener(exited);
    for (const waiter of record.waiters ?? []) waiter();
    record.waiters = undefined;
  }

  #remove(id: string): void {
    const record = this.#containers.get(id);
    if (record === undefined) return;
    if (runStateOf(record) === 'running') this.#finish(record, sigkillExitCode);
    this.#containers.delete(id);
    record.sandbox.containers.delete(id);
  }

  #update(id: string, resources: ContainerResources): void {
    const record = this.#containers.get(id);
    if (record === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    if (runStateOf(record) === 'exited') throw new RuntimeError('failed', `container "${id}" has exited`);
    this.#failOnDemand('containers.update', undefined);
    record.resources = { ...(record.resources ?? record.config.resources), ...resources };
  }

  #attach(record: ContainerRecord, { signal }: AttachOptions): ProcessStreams {
    const exitCode = new Promise<number>((resolve) => {
      const stop = this.onExit((container) => {
        if (container.id !== record.id) return;
        stop();
        resolve(container.exitCode ?? 0);
      });
    });
    const options: LogOptions = { follow: true, tailLines: 0, ...(signal === undefined ? {} : { signal }) };
    return attachedStreams({
      follow: () => this.#logs(record.id, options),
      exitCode,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #pull(image: string, options: PullOptions): Promise<ImageInfo> {
    const name = parseImageName(image);
    const script = readScript(options.annotations, { name: '', attempt: 0 });
    if (script.pullDelayMs > 0) await sleep(this.#clock, script.pullDelayMs, options.signal);
    this.#failOnDemand('images.pull', script.pullError);
    const known = this.#pulled.get(image);
    if (known !== undefined) return known;
    const digest = this.#id();
    const info: ImageInfo = {
      id: `${name.repository}@sha256:${digest}`,
      repoTags: [image],
      repoDigests: [],
      sizeBytes: 0,
    };
    this.#pulled.set(image, info);
    return info;
  }

  async *#logs(id: string, options: LogOptions): AsyncGenerator<LogLine> {
    const record = this.#containers.get(id);
    if (record === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    const { startedAtMs } = record;
    if (startedAtMs !== undefined && (options.sinceMs === undefined || startedAtMs >= options.sinceMs)) {
      const lines = record.script.log;
      const first = options.tailLines === undefined ? 0 : Math.max(0, lines.length - options.tailLines);
      for (const text of lines.slice(first)) yield { timeMs: startedAtMs, stream: 'stdout', text };
    }
    if (!options.follow || runStateOf(record) === 'exited') return;
    await new Promise<void>((resolve) => {
      if (options.signal?.aborted) return resolve();
      const stop = this.onExit((container) => {
        if (container.id === id) done();
      });
      const done = (): void => {
        stop();
        resolve();
      };
      options.signal?.addEventListener('abort', done, { once: true });
    });
  }

  #probe(target: ProbeTarget, message: (statusCode: number) => string): ProbeAnswer {
    const record = this.#containers.get(target.containerId);
    if (record === undefined || runStateOf(record) !== 'running')
      return { ok: false, message: 'container is not running' };
    const { podNamespace: namespace, podName: pod } = record.sandbox.config;
    const { script, startedAtMs = 0 } = record;
    const container = { script, startedAtMs, nowMs: this.#clock.nowMs(), message, decide: this.#decideProbe };
    return probeAnswer({ namespace, pod, probe: target.kind }, container);
  }

  #running(id: string): ContainerRecord {
    const record = this.#containers.get(id);
    if (record === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    if (runStateOf(record) !== 'running') throw new RuntimeError('failed', `container "${id}" is not running`);
    return record;
  }

  #failOnDemand(call: FakeCall, scripted: string | undefined): void {
    if (scripted !== undefined) throw new RuntimeError('failed', scripted);
    const fault = this.#faults.get(call);
    if (fault === undefined) return;
    if (--fault.times <= 0) this.#faults.delete(call);
    throw new RuntimeError('failed', fault.message);
  }

  #id(): string {
    return (this.#random.uuid() + this.#random.uuid()).replaceAll('-', '');
  }
}
