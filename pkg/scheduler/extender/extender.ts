/**
 * An HTTP service that has a say beside the plugins: which nodes a pod may have, how it rates them, whose eviction it agrees to, and who binds. What it is told and
 * answers has the names of Go's fields; answers are read whatever the case of their names, as Go reads them. Every call is bounded by the extender's time.
 * Upstream counterpart: kube-scheduler `extender.go`, `extender/v1/types.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { ExtenderSpec, ExtenderTls } from '../config/configuration.ts';
import type { Cycle } from '../framework/cycle.ts';
import { type RoomCandidate, scoreMax } from '../framework/plugin.ts';
import type { NodeRefusal } from '../framework/refusals.ts';
import { unresolvable, unschedulable } from '../framework/status.ts';
import type { ClusterView } from '../model/cluster-view.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { PodInfo } from '../model/pod-info.ts';

/** Sends a JSON body by POST and resolves to the answer; rejects where none comes. */
export type CallExtender = (request: {
  readonly url: string;
  readonly body: string;
  readonly tls: ExtenderTls;
  readonly signal: AbortSignal;
}) => Promise<{ readonly status: number; readonly text: string }>;

/** The best score of an extender. Source: `MaxExtenderPriority`. */
const extenderScoreMax = 10;
/** Source: `DefaultExtenderTimeout`. */
const defaultTimeoutMs = 5_000;

/** The name under which nodes are refused by extenders: pods wait for every event then. */
const extenderName = 'Extender';

/** What an extender is made with. */
export interface ExtenderOptions {
  readonly spec: ExtenderSpec;
  readonly call: CallExtender;
  readonly clock: Clock;
}

/** One extender. Its methods reject where it does not answer in time or says nothing that can be understood. */
export class Extender {
  readonly spec: ExtenderSpec;
  readonly #call: CallExtender;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #managed: ReadonlySet<string>;
  readonly #tls: ExtenderTls;

  constructor({ spec, call, clock }: ExtenderOptions) {
    this.spec = spec;
    this.#call = call;
    this.#clock = clock;
    this.#timeoutMs = parseDurationMs(spec.httpTimeout ?? '') || defaultTimeoutMs;
    this.#tls = tlsOf(spec);
    this.#managed = new Set((spec.managedResources ?? []).map(({ name }) => name));
  }

  /** Whether it is asked about a pod: about all, or those that ask for what it manages. */
  isInterested({ spec }: Pod): boolean {
    if (this.#managed.size === 0) return true;
    return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(({ resources }) =>
      [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})].some((name) =>
        this.#managed.has(name),
      ),
    );
  }

  /** The nodes of `nodes` that may have the pod, and why the others may not. */
  async filter(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal) {
    const { filterVerb } = this.spec;
    if (!filterVerb) return { kept: nodes, refused: [] };
    const answer = await this.#ask(filterVerb, { Pod: pod, ...this.#nodesOf(nodes) }, signal);
    if (typeof answer.error === 'string' && answer.error !== '') throw new Error(answer.error);
    const names = namesIn(answer);
    const unknown = names.find((name) => !nodes.some((node) => node.name === name));
    if (unknown !== undefined)
      throw new Error(
        `extender ${this.spec.urlPrefix} claims a filtered node "${unknown}" which is not found in the input node list`,
      );
    const never = textsIn(answer.failedandunresolvablenodes);
    const now = textsIn(answer.failednodes);
    const refused = nodes
      .filter(({ name }) => !names.includes(name))
      .map((node): NodeRefusal => {
        const final = never.get(node.name);
        const status =
          final === undefined
            ? unschedulable(now.get(node.name) ?? 'node(s) refused by an extender')
            : unresolvable(final);
        return { node, status: { ...status, plugin: extenderName } };
      });
    return { kept: nodes.filter(({ name }) => names.includes(name)), refused };
  }

  /** What it adds to the totals of nodes, by name. */
  async prioritize(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const { prioritizeVerb, weight = 0 } = this.spec;
    const scores = new Map<string, number>();
    if (!prioritizeVerb) return scores;
    const answer = await this.#post(prioritizeVerb, { Pod: pod, ...this.#nodesOf(nodes) }, signal);
    if (!Array.isArray(answer)) throw new Error(`extender ${this.spec.urlPrefix} gave no list of scores`);
    for (const one of answer) {
      const { host, score } = lowered(one);
      if (typeof host === 'string' && typeof score === 'number')
        scores.set(host, score * weight * (scoreMax / extenderScoreMax));
    }
    return scores;
  }

  /** Those of the candidates that it agrees to, each with the victims that it says, which may be any pods of the node. */
  async preempt(
    { pod: { pod }, cluster }: Pick<Cycle, 'cluster' | 'pod'>,
    candidates: readonly RoomCandidate[],
    signal: AbortSignal,
  ): Promise<readonly RoomCandidate[]> {
    const { preemptVerb, nodeCacheCapable } = this.spec;
    if (!preemptVerb) return candidates;
    const victimsOf = ({ victims, violations }: RoomCandidate): JsonObject => ({
      Pods: nodeCacheCapable ? victims.map(({ uid }) => ({ UID: uid })) : victims.map((victim) => victim.pod),
      NumPDBViolations: violations,
    });
    const byName = Object.fromEntries(candidates.map((candidate) => [candidate.nodeName, victimsOf(candidate)]));
    const field = nodeCacheCapable ? 'NodeNameToMetaVictims' : 'NodeNameToVictims';
    const answer = await this.#ask(preemptVerb, { Pod: pod, [field]: byName }, signal);
    const agreed = isObject(answer.nodenametometavictims) ? Object.entries(answer.nodenametometavictims) : [];
    return agreed.flatMap(([nodeName, said]) => {
      const victims = this.#victimsIn(lowered(said).pods, nodeName, cluster);
      if (victims.length > 0) {
        const { numpdbviolations: violations } = lowered(said);
        return [{ nodeName, victims, violations: typeof violations === 'number' ? violations : 0 }];
      }
      if (this.spec.ignorable === true) return [];
      throw new Error(`expected at least one victim pod on node "${nodeName}"`);
    });
  }

  #victimsIn(said: unknown, nodeName: string, cluster: ClusterView): readonly PodInfo[] {
    const who = `extender: ${this.spec.urlPrefix}`;
    const node = cluster.node(nodeName);
    if (node === undefined) throw new Error(`${who} claims to preempt on node "${nodeName}", which does not exist`);
    return (Array.isArray(said) ? said : []).map((one) => {
      const { uid } = lowered(one);
      const victim = typeof uid === 'string' ? node.pods.get(uid) : undefined;
      if (victim !== undefined) return victim;
      throw new Error(
        `${who} claims to preempt pod (UID: ${uid}) on node: ${nodeName}, but the pod is not found there`,
      );
    });
  }

  /** Binds the pod in place of the plugins. */
  async bind({ pod }: PodInfo, nodeName: string, signal: AbortSignal): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    const binding = { PodName: name, PodNamespace: namespace, PodUID: uid, Node: nodeName };
    const answer = await this.#ask(this.spec.bindVerb ?? '', binding, signal);
    if (typeof answer.error === 'string' && answer.error !== '') throw new Error(answer.error);
  }

  #nodesOf(nodes: readonly NodeInfo[]): JsonObject {
    if (this.spec.nodeCacheCapable) return { NodeNames: nodes.map(({ name }) => name) };
    return { Nodes: { apiVersion: 'v1', kind: 'NodeList', metadata: {}, items: nodes.map(({ node }) => node) } };
  }

  async #ask(verb: string, body: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    return lowered(await this.#post(verb, body, signal));
  }

  async #post(verb: string, body: JsonObject, signal: AbortSignal): Promise<unknown> {
    const url = `${this.spec.urlPrefix.replace(/\/+$/, '')}/${verb}`;
    const late = new AbortController();
    const timer = this.#clock.setTimeout(
      () => late.abort(new Error(`${url} did not answer within ${this.#timeoutMs} ms`)),
      this.#timeoutMs,
    );
    try {
      const both = AbortSignal.any([signal, late.signal]);
      const asked = this.#call({ url, body: jsonText(body), tls: this.#tls, signal: both });
      const { status, text } = await Promise.race([asked, aborting(both)]);
      if (status !== 200) throw new Error(`failed ${verb} with extender at URL ${url}, code ${status}`);
      return JSON.parse(text);
    } finally {
      timer.cancel();
    }
  }
}

/** Source: kube-scheduler `makeTransport`. */
function tlsOf({ enableHTTPS, tlsConfig = {} }: ExtenderSpec): ExtenderTls {
  const isKnown = Boolean(tlsConfig.caData || tlsConfig.caFile);
  return enableHTTPS === true && !isKnown ? { ...tlsConfig, insecure: true } : tlsConfig;
}

/** Rejects once the signal is aborted, whoever else minds it. */
function aborting(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** With the names of its fields in lower case; those of nodes below stay as they are. */
function lowered(value: unknown): JsonObject {
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field]));
}

function namesIn({ nodenames, nodes }: JsonObject): readonly string[] {
  if (Array.isArray(nodenames)) return nodenames.filter((name) => typeof name === 'string');
  const { items } = lowered(nodes);
  if (!Array.isArray(items)) return [];
  return items.flatMap((item) => {
    const { metadata } = lowered(item);
    return isObject(metadata) && typeof metadata.name === 'string' ? [metadata.name] : [];
  });
}

function textsIn(value: unknown): ReadonlyMap<string, string> {
  if (!isObject(value)) return new Map();
  return new Map(Object.entries(value).map(([name, text]) => [name, String(text)]));
}
