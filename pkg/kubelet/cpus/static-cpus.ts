/**
 * Which processors are whose: containers of guaranteed pods that ask for whole ones have them for themselves, all others share the rest. Pure.
 *
 * Laws:
 * 1. A processor is at most one container's, but for an init container's, which those of its pod that come after may have in turn.
 * 2. Reserved ones are nobody's alone, so that there is always something to share.
 * 3. A pod gets all that its containers ask for or nothing; what it has stays the same until it is released.
 * 4. What was written down gives the same again; what contradicts the machine is refused and nothing of it is taken.
 *
 * Source: kubelet `cm/cpumanager/policy_static.go`.
 */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { quantityValue } from '../model/amounts.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { containersInOrder } from '../topology/containers-in-order.ts';
import { CountedResource } from '../topology/counted-resource.ts';
import { maskOf, type NumaMask } from '../topology/numa-hints.ts';
import { formatCpus, parseCpus } from './cpu-set.ts';
import { type Cpu, numaNumber, takeCpus } from './take-cpus.ts';

/** The name of the policy, also in what is written down. */
const staticPolicy = 'static';

/** Of what. */
export interface StaticCpusOptions {
  readonly cpus: readonly Cpu[];
  /** Never given to one container alone. */
  readonly reserved: readonly number[];
  /** Only whole cores are given: a pod that asks for others is refused. */
  readonly wholeCores: boolean;
}

/** What is written down of it, in the form of upstream's checkpoint. */
export interface CpuRecord {
  readonly policyName: string;
  /** The shared ones. */
  readonly defaultCpuSet: string;
  /** By pod and container. */
  readonly entries: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

interface CpuOffer {
  readonly all: readonly Cpu[];
  readonly free: ReadonlySet<number>;
  readonly again: ReadonlySet<number>;
  readonly near: NumaMask | undefined;
}

type PodCpus = ReadonlyMap<string, readonly number[]>;

/** The processors of a node. */
export class StaticCpus {
  readonly #options: StaticCpusOptions;
  readonly #byPod = new Map<string, PodCpus>();

  constructor(options: StaticCpusOptions) {
    this.#options = options;
  }

  /** Those that nobody has alone. */
  get shared(): readonly number[] {
    const own = this.#exclusive();
    return this.#options.cpus.map(({ id }) => id).filter((id) => !own.has(id));
  }

  /** Those that may be given. */
  get givable(): readonly number[] {
    const { cpus, reserved } = this.#options;
    return cpus.map(({ id }) => id).filter((id) => !reserved.includes(id));
  }

  /** Those that a container has alone; undefined where it shares. */
  of(podUid: string, container: string): readonly number[] | undefined {
    return this.#byPod.get(podUid)?.get(container);
  }

  has(podUid: string): boolean {
    return this.#byPod.has(podUid);
  }

  get podUids(): readonly string[] {
    return [...this.#byPod.keys()];
  }

  /** What a pod wants of them, which has nothing yet, and where they are; undefined where it wants none. */
  wishedBy(pod: Pod): CountedResource | undefined {
    const wishes = containersInOrder(pod).flatMap(({ container, isInit }) => {
      const count = exclusiveCount(pod, container);
      return count === 0 ? [] : [{ container: container.name, count, isInit }];
    });
    if (wishes.length === 0 || this.#byPod.has(pod.metadata?.uid ?? '')) return undefined;
    const { cpus, reserved } = this.#options;
    const free = new Set(this.shared.filter((id) => !reserved.includes(id)));
    return new CountedResource({
      wishes,
      all: cpus.map(numaMask),
      free: cpus.filter(({ id }) => free.has(id)).map(numaMask),
    });
  }

  /** Gives a pod what its containers ask for, first of the NUMA nodes that each is to be near to, or says why not. One that has it keeps it. */
  allocate(pod: Pod, nearOf: (container: string) => NumaMask | undefined = () => undefined): PodFailure | undefined {
    const uid = pod.metadata?.uid ?? '';
    if (this.#byPod.has(uid)) return undefined;
    const { cpus: all, reserved } = this.#options;
    const free = new Set(this.shared.filter((id) => !reserved.includes(id)));
    const given = new Map<string, readonly number[]>();
    // Of init containers that have ended when the next begins.
    const again = new Set<number>();
    for (const { container, isInit } of containersInOrder(pod)) {
      const count = exclusiveCount(pod, container);
      if (count === 0) continue;
      const refusal = this.#misfit(count);
      if (refusal !== undefined) return refusal;
      const cpus = this.#take(count, { all, free, again, near: nearOf(container.name) });
      if (cpus === undefined) return notEnough(count, free.size + again.size);
      given.set(container.name, cpus);
      for (const id of cpus) {
        free.delete(id);
        if (isInit) again.add(id);
        else again.delete(id);
      }
    }
    if (given.size > 0) this.#byPod.set(uid, given);
    return undefined;
  }

  /** Whether it had any. */
  release(podUid: string): boolean {
    return this.#byPod.delete(podUid);
  }

  record(): CpuRecord {
    const entries = [...this.#byPod].map(([uid, given]) => {
      const own = [...given].map(([name, cpus]) => [name, formatCpus(cpus)]);
      return [uid, Object.fromEntries(own)];
    });
    return {
      policyName: staticPolicy,
      defaultCpuSet: formatCpus(this.shared),
      entries: Object.fromEntries(entries),
    };
  }

  /** Takes over what was written down. Returns why it cannot, and is as it was then. */
  restore(value: unknown): string | undefined {
    const found = readRecord(value);
    if (found === undefined) return 'it is no record of processors';
    const { cpus, reserved } = this.#options;
    const free = new Set(cpus.map(({ id }) => id).filter((id) => !reserved.includes(id)));
    for (const given of found.values()) {
      const own = new Set([...given.values()].flat());
      for (const id of own)
        if (!free.delete(id)) return `processor ${id} is reserved, given twice, or not there any more`;
    }
    for (const [uid, given] of found) this.#byPod.set(uid, given);
    return undefined;
  }

  #exclusive(): ReadonlySet<number> {
    return new Set([...this.#byPod.values()].flatMap((given) => [...given.values()].flat()));
  }

  /** What init containers leave first, then what is near. */
  #take(count: number, { all, free, again, near }: CpuOffer): readonly number[] | undefined {
    const isNear = (cpu: Cpu): boolean => near === undefined || (numaMask(cpu) & near) !== 0;
    const nearIds = new Set(all.filter((cpu) => free.has(cpu.id) && isNear(cpu)).map(({ id }) => id));
    const farIds = new Set([...free].filter((id) => !nearIds.has(id)));
    const taken: number[] = [];
    for (const ids of [again, nearIds, farIds]) {
      const some = Math.min(count - taken.length, ids.size);
      taken.push(...(takeCpus(some, { all, free: ids }) ?? []));
    }
    return taken.length < count ? undefined : taken.sort((a, b) => a - b);
  }

  #misfit(count: number): PodFailure | undefined {
    const { cpus, wholeCores } = this.#options;
    if (!wholeCores) return undefined;
    const perCore = Math.max(...[...Map.groupBy(cpus, ({ core }) => core).values()].map((threads) => threads.length));
    if (count % perCore === 0) return undefined;
    const message = `SMT Alignment Error: requested ${count} cpus not multiple cpus per core = ${perCore}`;
    return { reason: 'SMTAlignmentError', message };
  }
}

/** Where a processor is. */
function numaMask({ numa }: Cpu): NumaMask {
  return maskOf([numaNumber(numa)]);
}

/** How many processors a container is to have for itself. */
function exclusiveCount(pod: Pod, container: Container): number {
  if (pod.status?.qosClass !== 'Guaranteed') return 0;
  const cpus = quantityValue(container.resources?.requests?.['cpu'] ?? container.resources?.limits?.['cpu']);
  return Number.isInteger(cpus) ? cpus : 0;
}

/** In upstream's words. */
function notEnough(requested: number, available: number): PodFailure {
  const why = `not enough cpus available to satisfy request: requested=${requested}, available=${available}`;
  return { reason: 'UnexpectedAdmissionError', message: `Allocate failed due to ${why}, which is unexpected` };
}

function readRecord(value: unknown): ReadonlyMap<string, PodCpus> | undefined {
  if (!isObject(value) || value['policyName'] !== staticPolicy || !isObject(value['entries'])) return undefined;
  const found = new Map<string, PodCpus>();
  for (const [uid, given] of Object.entries(value['entries'])) {
    if (!isObject(given)) return undefined;
    const own = new Map<string, readonly number[]>();
    for (const [name, text] of Object.entries(given)) {
      const cpus = typeof text === 'string' ? parseCpus(text) : undefined;
      if (cpus === undefined) return undefined;
      own.set(name, cpus);
    }
    found.set(uid, own);
  }
  return found;
}
