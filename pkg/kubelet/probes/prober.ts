/**
 * Probes one container for one purpose, on the clock: first after the initial delay, then every period, and tells when the verdict
 * changes. Keeps one timer and none while nothing can change: an answer that is known to stay is not asked for again.
 *
 * The verdict follows upstream's worker: a probe has to fail `failureThreshold` times in a row, or to succeed
 * `successThreshold` times, to turn it. Source: kubelet `prober/worker.go`.
 */
import type { Container, Probe } from '#pkg/api/types/core-v1.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { ProbeAnswer, ProbeKind, ProbeTransport } from '../runtime/probe-transport.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { httpProbeRequest, tcpProbeRequest } from './probe-request.ts';

/** With no initial delay, the first probe comes this long after the start (or one period, if shorter): programs need a moment. */
const firstProbeMsMax = 1_000;

/** What is kept of the output of a failed command. Source: kubelet `probe/exec` `maxReadLength`. */
const outputCharactersMax = 10 * 1024;

/** Which container is probed, and for what. */
export interface ProberOptions {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  readonly container: Container;
  readonly containerId: string;
  readonly startedAtMs: number;
  readonly podIp: string;
  readonly runtime: Runtime;
  readonly transport: ProbeTransport | undefined;
  readonly clock: Clock;
  /** Called for each probe that was answered, with how long that took. */
  onAnswer(answer: ProbeAnswer, tookMs: number): void;
  /** Called when the verdict turns. */
  onVerdict(ok: boolean): void;
  /** Called for each probe of which there is something to say: it failed, could not be asked, or succeeded in an odd way. */
  onTrouble(answer: ProbeAnswer): void;
  /** Runs work that is waited for at the end. */
  background(work: () => Promise<void>): void;
}

/** One prober, from when its container has started until it is stopped. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #verdict: boolean | undefined;
  #last: boolean | undefined;
  #run = 0;
  readonly #periodMs: number;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#periodMs = (options.probe.periodSeconds ?? 10) * 1000;
  }

  get kind(): ProbeKind {
    return this.#options.kind;
  }

  /** Begins. `notBeforeMs`: when a startup probe succeeded, after which the others begin. */
  start(notBeforeMs?: number): void {
    const { probe, startedAtMs, clock } = this.#options;
    const delayMs = (probe.initialDelaySeconds ?? 0) * 1000 || Math.min(firstProbeMsMax, this.#periodMs);
    const firstMs = Math.max(startedAtMs + delayMs, notBeforeMs ?? 0);
    this.#arm(firstMs - clock.nowMs());
  }

  stop(): void {
    this.#stop.abort();
    this.#timer?.cancel();
  }

  #arm(delayMs: number): void {
    if (this.#stop.signal.aborted || delayMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#options.clock.setTimeout(() => this.#options.background(() => this.#tick()), delayMs);
  }

  async #tick(): Promise<void> {
    const tickMs = this.#options.clock.nowMs();
    const answer = await this.#ask();
    if (this.#stop.signal.aborted) return;
    this.#options.onAnswer(answer, this.#options.clock.nowMs() - tickMs);
    this.#count(answer);
    if (this.#stop.signal.aborted) return;
    this.#arm(this.#nextMs(tickMs, answer) - this.#options.clock.nowMs());
  }

  /** The next period; when the verdict stands and the answer stays, the first period after it may change. */
  #nextMs(tickMs: number, answer: ProbeAnswer): number {
    const nextMs = tickMs + this.#periodMs;
    const { stableUntilMs } = answer;
    if (stableUntilMs === undefined || this.#verdict !== answer.ok || !answer.ok) return nextMs;
    if (stableUntilMs === Number.POSITIVE_INFINITY) return stableUntilMs;
    return Math.max(nextMs, tickMs + Math.ceil((stableUntilMs - tickMs) / this.#periodMs) * this.#periodMs);
  }

  #count(answer: ProbeAnswer): void {
    const { probe, kind } = this.#options;
    if (!answer.ok || answer.warning !== undefined) this.#options.onTrouble(answer);
    if (answer.errored === true) return;
    this.#run = this.#last === answer.ok ? this.#run + 1 : 1;
    this.#last = answer.ok;
    const needed = answer.ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (this.#run < needed || this.#verdict === answer.ok) return;
    this.#verdict = answer.ok;
    this.#options.onVerdict(answer.ok);
    // A container that is given up is not probed any more; nor one that has started, for its start.
    if (kind === 'startup' || (kind === 'liveness' && !answer.ok)) this.stop();
  }

  async #ask(): Promise<ProbeAnswer> {
    const { probe, runtime, transport, container, podIp, containerId, kind } = this.#options;
    const target = { containerId, kind };
    const origin = { container, podIp };
    const limits = { timeoutMs: (probe.timeoutSeconds ?? 1) * 1000, signal: this.#stop.signal };
    if (probe.exec !== undefined) return this.#exec(probe.exec.command ?? [], limits.timeoutMs);
    const via = runtime.probes ?? transport;
    if (via === undefined) return errored('there is no way to reach the container');
    if (probe.httpGet !== undefined) {
      const request = httpProbeRequest(probe.httpGet, origin);
      return typeof request === 'string' ? errored(request) : via.http({ ...request, ...limits }, target);
    }
    if (probe.tcpSocket !== undefined) {
      const request = tcpProbeRequest(probe.tcpSocket, origin);
      return typeof request === 'string' ? errored(request) : via.tcp({ ...request, ...limits }, target);
    }
    if (probe.grpc !== undefined) {
      const { port, service } = probe.grpc;
      return via.grpc({ host: podIp, port, service: service ?? '', ...limits }, target);
    }
    return errored('missing probe handler');
  }

  async #exec(command: readonly string[], timeoutMs: number): Promise<ProbeAnswer> {
    const { runtime, containerId, kind, clock } = this.#options;
    if (runtime.probes?.exec !== undefined) return runtime.probes.exec(command, { containerId, kind });
    const limit = new AbortController();
    const end = (): void => limit.abort();
    this.#stop.signal.addEventListener('abort', end, { once: true });
    const timer = clock.setTimeout(end, timeoutMs);
    try {
      const result = await runtime.inspection.exec(containerId, { command, signal: limit.signal });
      if (result.exitCode === 0) return { ok: true, message: '' };
      return failed((result.stdout + result.stderr).slice(0, outputCharactersMax));
    } catch (error) {
      if (limit.signal.aborted) {
        return failed(`command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`);
      }
      return errored(errorText(error));
    } finally {
      timer.cancel();
      this.#stop.signal.removeEventListener('abort', end);
    }
  }
}

function errored(message: string): ProbeAnswer {
  return { ok: false, message, errored: true };
}

function failed(message: string): ProbeAnswer {
  return { ok: false, message };
}
