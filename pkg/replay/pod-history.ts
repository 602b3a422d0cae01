/** What became of the pods of a run: where they were, how long they waited, and how many nodes were in use. Pure: whoever sees pods tells it. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { kubeOf } from './object-place.ts';

/** One pod of a run; times in milliseconds since its start. */
export interface PodLife {
  readonly pod: string;
  readonly createdMs: number;
  readonly boundMs?: number;
  readonly node?: string;
  readonly endedMs?: number;
  readonly evicted?: true;
}

/** The state from a moment on. */
export interface RunPoint {
  readonly ms: number;
  readonly nodesUsed: number;
  readonly pending: number;
  readonly running: number;
}

/** What is compared of runs. Times in milliseconds. */
export interface RunFigures {
  readonly pods: number;
  readonly placed: number;
  readonly waiting: number;
  readonly pendingMeanMs: number;
  readonly pendingP95Ms: number;
  readonly pendingMaxMs: number;
  readonly evictions: number;
  readonly nodesUsedMean: number;
  readonly nodesUsedMax: number;
}

interface Life {
  readonly pod: string;
  readonly createdMs: number;
  boundMs: number | undefined;
  node: string | undefined;
  endedMs: number | undefined;
  isEvicted: boolean;
}

/** Told of pods in the order of time. */
export class PodHistory {
  readonly #lives = new Map<string, Life>();
  /** Pods that are there and not at their end, by node. */
  readonly #onNode = new Map<string, number>();
  readonly #points: RunPoint[] = [];
  #pending = 0;
  #running = 0;
  #evictions = 0;

  get now(): RunPoint & { readonly pods: number; readonly evictions: number } {
    const last = this.#points.at(-1) ?? { ms: 0, nodesUsed: 0, pending: 0, running: 0 };
    return { ...last, pods: this.#pending + this.#running, evictions: this.#evictions };
  }

  /** A pod is there as it is now. */
  see(ms: number, object: JsonObject): void {
    const { metadata } = kubeOf(object);
    const uid = metadata?.uid ?? `${metadata?.namespace}/${metadata?.name}`;
    const { spec, status } = object;
    let life = this.#lives.get(uid);
    if (life === undefined) {
      const pod = `${metadata?.namespace ?? 'default'}/${metadata?.name}`;
      life = { pod, createdMs: ms, boundMs: undefined, node: undefined, endedMs: undefined, isEvicted: false };
      this.#lives.set(uid, life);
      this.#pending++;
    }
    if (!life.isEvicted && isDisrupted(status)) {
      life.isEvicted = true;
      this.#evictions++;
    }
    const node = isObject(spec) && typeof spec.nodeName === 'string' ? spec.nodeName : undefined;
    if (life.endedMs === undefined && life.node === undefined && node !== undefined) {
      life.node = node;
      life.boundMs = ms;
      this.#pending--;
      this.#running++;
      this.#onNode.set(node, (this.#onNode.get(node) ?? 0) + 1);
    }
    if (isObject(status) && (status.phase === 'Succeeded' || status.phase === 'Failed')) this.#end(ms, life);
    this.#note(ms);
  }

  /** A pod is gone. */
  gone(ms: number, object: JsonObject): void {
    const { metadata } = kubeOf(object);
    const life = this.#lives.get(metadata?.uid ?? `${metadata?.namespace}/${metadata?.name}`);
    if (life === undefined) return;
    this.#end(ms, life);
    this.#note(ms);
  }

  get lives(): readonly PodLife[] {
    return [...this.#lives.values()].map(({ pod, createdMs, boundMs, node, endedMs, isEvicted }) => ({
      pod,
      createdMs,
      ...(boundMs === undefined ? {} : { boundMs }),
      ...(node === undefined ? {} : { node }),
      ...(endedMs === undefined ? {} : { endedMs }),
      ...(isEvicted ? { evicted: true as const } : {}),
    }));
  }

  get points(): readonly RunPoint[] {
    return this.#points;
  }

  figures(endMs: number): RunFigures {
    const lives = [...this.#lives.values()];
    const waits = lives.flatMap(({ createdMs, boundMs }) => (boundMs === undefined ? [] : [boundMs - createdMs]));
    const sorted = waits.toSorted((a, b) => a - b);
    const sum = waits.reduce((all, one) => all + one, 0);
    let area = 0;
    this.#points.forEach(({ ms, nodesUsed }, at) => {
      area += nodesUsed * ((this.#points[at + 1]?.ms ?? Math.max(endMs, ms)) - ms);
    });
    return {
      pods: lives.length,
      placed: waits.length,
      waiting: this.#pending,
      pendingMeanMs: waits.length === 0 ? 0 : Math.round(sum / waits.length),
      pendingP95Ms: sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0,
      pendingMaxMs: sorted.at(-1) ?? 0,
      evictions: this.#evictions,
      nodesUsedMean: endMs === 0 ? 0 : Math.round((area / endMs) * 100) / 100,
      nodesUsedMax: this.#points.reduce((most, { nodesUsed }) => Math.max(most, nodesUsed), 0),
    };
  }

  #end(ms: number, life: Life): void {
    if (life.endedMs !== undefined) return;
    life.endedMs = ms;
    if (life.node === undefined) {
      this.#pending--;
      return;
    }
    this.#running--;
    const left = (this.#onNode.get(life.node) ?? 1) - 1;
    if (left === 0) this.#onNode.delete(life.node);
    else this.#onNode.set(life.node, left);
  }

  #note(ms: number): void {
    const point = { ms, nodesUsed: this.#onNode.size, pending: this.#pending, running: this.#running };
    const last = this.#points.at(-1);
    if (last?.nodesUsed === point.nodesUsed && last.pending === point.pending && last.running === point.running) return;
    if (last?.ms === ms) this.#points[this.#points.length - 1] = point;
    else this.#points.push(point);
  }
}

/** Evicted by the API, a taint, the node or for another pod. */
function isDisrupted(status: unknown): boolean {
  if (!isObject(status)) return false;
  if (status.reason === 'Evicted' || status.reason === 'Preempting') return true;
  return (
    Array.isArray(status.conditions) &&
    status.conditions.some((one) => isObject(one) && one.type === 'DisruptionTarget' && one.status === 'True')
  );
}
