/**
 * What one pod worker knows of its pod, in parts: each has its own file, holds what it knows to itself, and is the only one that changes it. Here is
 * only what is of the pod as a whole. Changed between awaits only.
 */

import type { Pod } from '#pkg/api/types/core-v1.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';
import type { FieldContext } from '../env/field-ref.ts';
import { allContainers, type PodView } from '../model/pod-view.ts';
import type { PodProbers } from '../probes/pod-probers.ts';
import type { Runtime, RuntimeContainer } from '../runtime/runtime.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { ContainerWaits } from './container-waits.ts';
import { PodContainers } from './pod-containers.ts';
import type { PodContext } from './pod-context.ts';
import { PodEnding } from './pod-ending.ts';
import type { FoundPod, PodFacts } from './pod-facts.ts';
import { PodHostPorts } from './pod-host-ports.ts';
import { PodMounts } from './pod-mounts.ts';
import { PodResize } from './pod-resize.ts';
import { PodSandbox } from './pod-sandbox.ts';

/** Whose state. */
export interface PodStateOptions {
  readonly context: PodContext;
  readonly probers: PodProbers;
  readonly pod: Pod;
}

/** The state of one pod, in its parts. */
export class PodState implements PodFacts {
  readonly context: PodContext;
  readonly probers: PodProbers;
  readonly startTimeMs: number;
  /** No kubelet has taken it before. */
  readonly isNew: boolean;
  readonly sandbox = new PodSandbox(this);
  readonly containers = new PodContainers(this);
  readonly waits = new ContainerWaits();
  readonly mounts = new PodMounts(this, () => this.fields());
  readonly hostPorts = new PodHostPorts(this);
  readonly resize = new PodResize(this, this);
  readonly ending = new PodEnding();
  #pod: Pod;
  #failure: PodFailure | undefined;

  constructor(options: PodStateOptions) {
    this.context = options.context;
    this.probers = options.probers;
    this.#pod = options.pod;
    const known = options.pod.status?.startTime;
    this.isNew = known === undefined;
    this.startTimeMs = known === undefined ? options.context.clock.nowMs() : Date.parse(known);
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** Its own; while it has none yet nothing of it is anywhere, and any says so. */
  get runtime(): Runtime {
    const { runtimes } = this.context;
    return runtimes.of(this.#pod)?.runtime ?? runtimes.fallback;
  }

  get uid(): string {
    return this.#pod.metadata?.uid ?? '';
  }

  /** Overrides the phase: why the pod has failed as a whole. */
  get failure(): PodFailure | undefined {
    return this.#failure;
  }

  allotted(): Pod {
    return this.context.allocations.allotted(this.#pod);
  }

  view(): PodView {
    const { current: sandbox, attempts: sandboxAttempts } = this.sandbox;
    return { sandbox, sandboxAttempts, containers: this.containers.views };
  }

  /** What field references are resolved against. */
  fields(): FieldContext {
    const { hostIps, nodeName } = this.context;
    const podIps = this.sandbox.current?.addresses ?? [];
    return { pod: this.allotted(), podIps, hostIps, nodeName, allocatable: this.context.allocatable() };
  }

  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    this.mounts.podChanged(before);
    const graceSeconds = pod.metadata?.deletionGracePeriodSeconds;
    if (graceSeconds !== undefined && graceSeconds < (before.metadata?.deletionGracePeriodSeconds ?? Infinity)) {
      this.ending.shorten(doubleOf(graceSeconds) * 1000);
    }
  }

  /** The pod has failed as a whole. */
  fail(failure: PodFailure): void {
    this.#failure = failure;
  }

  /** Takes over what the runtime has of the pod, then from the API what the runtime no longer knows. */
  recover(found: FoundPod | undefined): void {
    this.sandbox.recover(found);
    this.containers.recover(found);
    this.startProbers();
  }

  /** Probes what runs, if the pod has an address. */
  startProbers(): void {
    const podIp = this.sandbox.current?.addresses[0];
    if (podIp === undefined) return;
    for (const container of allContainers(this.#pod)) {
      const view = this.containers.get(container.name);
      if (view?.state === 'running') this.probers.start({ pod: this.#pod, container, view, podIp });
    }
  }

  /** Notes an exit; false when it is of no container that matters. */
  exited(container: RuntimeContainer): boolean {
    if (!this.containers.exited(container)) return false;
    this.probers.stop(container.name);
    return true;
  }
}
