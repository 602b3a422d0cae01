/**
 * How long the containers of recorded pods ran, and how they ended, as annotations of the runtime `fake` (`docs/simulated-pods.md`).
 *
 * A pod of a replay has the script of the recorded pod of its own name, else that of the next one, in the order of their creation, of the same workload:
 * pods of Deployments, Jobs and CronJobs have other names each time. Past the last one the last one's is taken again. Containers that were
 * stopped, or still ran at the end, run until they are stopped.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { controllerOf, type JsonObject, type KubeObject } from '#pkg/apimachinery/object.ts';
import type { Change } from './history.ts';
import { kubeOf } from './object-place.ts';

/** Annotations of one pod; empty for one that just runs. */
type PodScript = Readonly<Record<string, string>>;

/** Attempts of a container that are kept: later ones are as the last. */
const attemptsMax = 20;

interface Attempt {
  readonly runMs: number;
  readonly exitCode: number;
}

interface RecordedPod {
  readonly key: string;
  readonly root: string;
  readonly startDelayMs: number;
  /** By container, then by how often it was restarted before. */
  readonly attempts: Map<string, Map<number, Attempt>>;
}

/** Takes the scripts of pods one after the other. */
export interface PodScripts {
  /** That of a pod of this `namespace/name` whose workload is `root`, as `rootOf` says it. */
  take(key: string, root: string): PodScript;
  readonly count: number;
}

/** `Kind namespace/name` of what a pod belongs to in the end, by what `find` knows of owners. */
export function rootOf(
  object: KubeObject,
  find: (kind: string, namespace: string, name: string) => KubeObject | undefined,
): string {
  let at = object;
  const namespace = object.metadata?.namespace ?? '';
  // Owners of owners are two at most: CronJob, Job, Pod.
  for (let depth = 0; depth < 4; depth++) {
    const owner = controllerOf(at);
    if (owner === undefined) break;
    const next = find(owner.kind, namespace, owner.name);
    if (next === undefined) return `${owner.kind} ${namespace}/${owner.name}`;
    at = { ...next, kind: owner.kind };
  }
  return `${at.kind ?? 'Pod'} ${namespace}/${at.metadata?.name}`;
}

/** The scripts of a history. */
export function podScriptsOf(changes: readonly Change[]): PodScripts {
  const owners = new Map<string, KubeObject>();
  const recorded = new Map<string, RecordedPod>();
  for (const { object } of changes) {
    const kube = kubeOf(object);
    const { namespace = '', name = '', uid = '' } = kube.metadata ?? {};
    if (object.kind === 'ReplicaSet' || object.kind === 'Job') owners.set(`${object.kind} ${namespace}/${name}`, kube);
    if (object.kind !== 'Pod' || object.apiVersion !== 'v1') continue;
    let pod = recorded.get(uid);
    if (pod === undefined) {
      const find = (kind: string, inNamespace: string, of: string): KubeObject | undefined =>
        owners.get(`${kind} ${inNamespace}/${of}`);
      pod = {
        key: `${namespace}/${name}`,
        root: rootOf(kube, find),
        startDelayMs: startDelayOf(object),
        attempts: new Map(),
      };
    }
    const delayed = pod.startDelayMs > 0 ? pod : { ...pod, startDelayMs: startDelayOf(object) };
    readAttempts(delayed.attempts, object);
    recorded.set(uid, delayed);
  }
  return new Scripts([...recorded.values()]);
}

class Scripts implements PodScripts {
  readonly #byName = new Map<string, PodScript>();
  readonly #byRoot = new Map<string, PodScript[]>();
  readonly count: number;

  constructor(recorded: readonly RecordedPod[]) {
    this.count = recorded.length;
    for (const pod of recorded) {
      const script = scriptOf(pod);
      this.#byName.set(pod.key, script);
      const all = this.#byRoot.get(pod.root);
      if (all === undefined) this.#byRoot.set(pod.root, [script]);
      else all.push(script);
    }
  }

  take(key: string, root: string): PodScript {
    const queue = this.#byRoot.get(root) ?? [];
    const own = this.#byName.get(key);
    if (own !== undefined) return own;
    return (queue.length > 1 ? queue.shift() : queue[0]) ?? {};
  }
}

const prefix = 'fake.coxswain.dev/';
const forever = Number.POSITIVE_INFINITY;
const seconds = (ms: number): string => (ms === forever ? 'forever' : `${Math.max(0, Math.round(ms)) / 1000}s`);

function scriptOf({ startDelayMs, attempts }: RecordedPod): PodScript {
  const script: Record<string, string> = {};
  if (startDelayMs > 0) script[`${prefix}start-delay`] = seconds(startDelayMs);
  for (const [container, byCount] of attempts) {
    const ended = [...byCount].toSorted(([a], [b]) => a - b).slice(0, attemptsMax);
    if (ended.every(([, { runMs }]) => runMs === forever)) continue;
    script[`${prefix}${container}.run-time`] = ended.map(([, { runMs }]) => seconds(runMs)).join(',');
    script[`${prefix}${container}.exit-code`] = ended.map(([, { exitCode }]) => `${exitCode}`).join(',');
  }
  return script;
}

const msOf = (time: unknown): number => (typeof time === 'string' ? Date.parse(time) : Number.NaN);

function statuses({ status }: JsonObject): readonly JsonObject[] {
  if (!isObject(status)) return [];
  return [status.initContainerStatuses, status.containerStatuses].flatMap((value) =>
    Array.isArray(value) ? value.filter(isObject) : [],
  );
}

/** From when the pod had a node until its first container ran: pulls of images and the like. */
function startDelayOf(pod: JsonObject): number {
  const { status } = pod;
  const conditions: readonly unknown[] = isObject(status) && Array.isArray(status.conditions) ? status.conditions : [];
  const scheduled = conditions.find((one) => isObject(one) && one.type === 'PodScheduled' && one.status === 'True');
  const boundMs = isObject(scheduled) ? msOf(scheduled.lastTransitionTime) : Number.NaN;
  const first = statuses(pod)[0];
  const state =
    first !== undefined && isObject(first.state) ? (first.state.running ?? first.state.terminated) : undefined;
  const startedMs = isObject(state) && (first?.restartCount ?? 0) === 0 ? msOf(state.startedAt) : Number.NaN;
  return startedMs > boundMs ? startedMs - boundMs : 0;
}

function readAttempts(attempts: Map<string, Map<number, Attempt>>, pod: JsonObject): void {
  const { metadata } = kubeOf(pod);
  for (const { name, restartCount, state, lastState } of statuses(pod)) {
    const count = typeof restartCount === 'number' ? restartCount : 0;
    const byCount = attempts.get(`${name}`) ?? new Map<number, Attempt>();
    attempts.set(`${name}`, byCount);
    const note = (at: number, how: unknown): void => {
      const ended = isObject(how) && isObject(how.terminated) ? how.terminated : undefined;
      if (at < 0 || (byCount.get(at)?.runMs ?? forever) < forever) return;
      if (isObject(how) && isObject(how.running)) byCount.set(at, { runMs: forever, exitCode: 0 });
      if (ended === undefined) return;
      const runMs = msOf(ended.finishedAt) - msOf(ended.startedAt);
      if (runMs >= 0) byCount.set(at, { runMs, exitCode: typeof ended.exitCode === 'number' ? ended.exitCode : 0 });
    };
    note(count - 1, lastState);
    // What ends as the pod is deleted was stopped.
    if (metadata?.deletionTimestamp === undefined) note(count, state);
  }
}
