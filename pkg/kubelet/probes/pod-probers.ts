/** The probers of one pod's containers: started and stopped with them, the startup probe before the others. */
import type { Container, Pod, Probe } from '#pkg/api/types/core-v1.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { type ContainerView, containerFieldPath } from '../model/pod-view.ts';
import type { ProbeAnswer, ProbeKind, ProbeTransport } from '../runtime/probe-transport.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ProbeCounts } from './probe-counts.ts';
import { Prober } from './prober.ts';

/** What probers use of the kubelet. */
export interface ProbersContext {
  readonly clock: Clock;
  readonly recorder: EventRecorder;
  /** For runtimes that do not answer probes themselves. */
  readonly probes: ProbeTransport | undefined;
  /** How probes have ended. */
  readonly probeCounts: ProbeCounts;
  /** Aborted when the kubelet stops: nothing is begun any more. */
  readonly stopping: AbortSignal;
  /** Runs work that is waited for at the end. */
  background(work: () => Promise<void>): void;
}

/** What probes are made with, and who hears of them. */
export interface ProbersDeps {
  readonly context: ProbersContext;
  /** Of the pod, once it has containers. */
  runtime(): Runtime;
  /** A verdict about a container has turned. */
  onVerdict(name: string, kind: ProbeKind, ok: boolean): void;
}

interface Probed {
  readonly containerId: string;
  readonly pod: Pod;
  readonly container: Container;
  readonly startedAtMs: number;
  readonly podIp: string;
  readonly probers: Prober[];
}

/** The probers of one pod. */
export class PodProbers {
  readonly #deps: ProbersDeps;
  /** Undefined before one is begun, as of most pods none is. */
  #byName: Map<string, Probed> | undefined;

  constructor(deps: ProbersDeps) {
    this.#deps = deps;
  }

  /** Begins to probe a container that has just started, or that was found running. */
  start(options: {
    readonly pod: Pod;
    readonly container: Container;
    readonly view: ContainerView;
    podIp: string;
  }): void {
    const { pod, container, view, podIp } = options;
    const { livenessProbe, readinessProbe, startupProbe } = container;
    if (livenessProbe === undefined && readinessProbe === undefined && startupProbe === undefined) return;
    // A container may come to run just when the kubelet stops.
    if (this.#deps.context.stopping.aborted) return;
    this.stop(container.name);
    const probed: Probed = {
      containerId: view.id,
      pod,
      container,
      startedAtMs: view.startedAtMs ?? 0,
      podIp,
      probers: [],
    };
    this.#byName ??= new Map();
    this.#byName.set(container.name, probed);
    if (startupProbe !== undefined && !view.started) this.#add(probed, 'startup', startupProbe);
    else this.#startOthers(probed);
  }

  stop(name: string): void {
    const probed = this.#byName?.get(name);
    for (const prober of probed?.probers ?? []) {
      prober.stop();
      if (probed !== undefined) this.#deps.context.probeCounts.forget(probed, prober.kind);
    }
    this.#byName?.delete(name);
  }

  /** Ends what could still restart a container; readiness goes on until it is gone. */
  stopRestarting(): void {
    for (const { probers } of this.#byName?.values() ?? []) {
      for (const prober of probers) if (prober.kind !== 'readiness') prober.stop();
    }
  }

  stopAll(): void {
    for (const name of [...(this.#byName?.keys() ?? [])]) this.stop(name);
  }

  #startOthers(probed: Probed, notBeforeMs?: number): void {
    const { livenessProbe, readinessProbe } = probed.container;
    if (readinessProbe !== undefined) this.#add(probed, 'readiness', readinessProbe, notBeforeMs);
    if (livenessProbe !== undefined) this.#add(probed, 'liveness', livenessProbe, notBeforeMs);
  }

  #add(probed: Probed, kind: ProbeKind, probe: Probe, notBeforeMs?: number): void {
    const { context, runtime, onVerdict } = this.#deps;
    const { container, pod } = probed;
    const prober = new Prober({
      ...probed,
      kind,
      probe,
      runtime: runtime(),
      transport: context.probes,
      clock: context.clock,
      background: (work) => context.background(work),
      onAnswer: (answer, tookMs) => context.probeCounts.count(probed, kind, { answer, tookMs }),
      onVerdict: (ok) => {
        onVerdict(container.name, kind, ok);
        if (kind === 'startup' && ok) this.#startOthers(probed, context.clock.nowMs());
      },
      onTrouble: (answer) => {
        const fieldPath = containerFieldPath(pod, container.name);
        context.recorder.record(pod, { type: 'Warning', ...troubleEvent(kind, answer), fieldPath });
      },
    });
    probed.probers.push(prober);
    prober.start(notBeforeMs);
  }
}

function troubleEvent(
  kind: ProbeKind,
  { ok, errored, message, warning = '' }: ProbeAnswer,
): { readonly reason: string; readonly message: string } {
  if (ok) return { reason: 'ProbeWarning', message: `${title[kind]} probe warning: ${warning}` };
  const what = errored === true ? 'errored and resulted in unknown state' : 'failed';
  return { reason: 'Unhealthy', message: `${title[kind]} probe ${what}: ${message}` };
}

const title: Readonly<Record<ProbeKind, string>> = { liveness: 'Liveness', readiness: 'Readiness', startup: 'Startup' };
