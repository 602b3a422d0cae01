/**
 * Keeps what a node's table of network policies is to have from the changes of policies, pods and namespaces. A policy is compiled again when it or
 * something that it looks at changed. Pure.
 */
import { createHash } from 'node:crypto';
import type { Namespace, Pod } from '#pkg/api/types/core-v1.ts';
import type { NetworkPolicy } from '#pkg/api/types/networking-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { NftElement, OwnedElements } from '#pkg/network/nft/element-table.ts';
import { type CompiledPolicy, compilePolicy, type Direction, looksAt } from './compile-policy.ts';
import { type PolicyPod, policyPodOf } from './policy-pod.ts';
import type { PolicyState } from './policy-table.ts';

interface Kept {
  readonly policy: NetworkPolicy;
  /** Absent while it is to be compiled. */
  compiled?: CompiledPolicy;
}

/** The policies of one node, or of all nodes where none is named. */
export class PolicyTracker {
  readonly #nodeName: string | undefined;
  readonly #policies = new Map<string, Kept>();
  readonly #pods = new Map<string, PolicyPod>();
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>();

  constructor(options: { readonly nodeName: string | undefined }) {
    this.#nodeName = options.nodeName;
  }

  setPolicy(policy: NetworkPolicy): void {
    this.#policies.set(objectKey(policy), { policy });
  }

  removePolicy(policy: NetworkPolicy): void {
    this.#policies.delete(objectKey(policy));
  }

  setPod(pod: Pod): void {
    const now = policyPodOf(pod);
    const before = this.#pods.get(objectKey(pod));
    if (deepEqual(now, before)) return;
    if (now === undefined) this.#pods.delete(objectKey(pod));
    else this.#pods.set(now.key, now);
    this.#podChanged([before, now]);
  }

  removePod(pod: Pod): void {
    const before = this.#pods.get(objectKey(pod));
    this.#pods.delete(objectKey(pod));
    this.#podChanged([before]);
  }

  setNamespace(namespace: Namespace): void {
    const { name = '', labels = {} } = namespace.metadata ?? {};
    if (deepEqual(this.#namespaces.get(name), labels)) return;
    this.#namespaces.set(name, labels);
    this.#namespaceChanged();
  }

  removeNamespace(namespace: Namespace): void {
    this.#namespaces.delete(namespace.metadata?.name ?? '');
    this.#namespaceChanged();
  }

  /** What the table is to have now. */
  state(): PolicyState {
    const compiled = new Map([...this.#policies].map(([key, kept]) => [key, this.#compiled(key, kept)]));
    const sets = new Map<string, string>();
    const elements: OwnedElements[] = [];
    for (const [key, { ingress, egress }] of compiled) {
      for (const part of [ingress, egress])
        for (const { name, declaration } of part?.sets ?? []) sets.set(name, declaration);
      const own = [...(ingress?.elements ?? []), ...(egress?.elements ?? [])];
      elements.push({ owner: `policy ${key}`, elements: own });
    }
    const chains = new Map<string, readonly string[]>();
    for (const pod of this.#pods.values()) {
      if (this.#nodeName !== undefined && pod.nodeName !== this.#nodeName) continue;
      const own = directions.flatMap((direction) => podElements(pod, { direction, compiled, chains }));
      if (own.length === 0) continue;
      const self = pod.ips.map((address) => ({ set: `self${familyOf(address)}`, key: `${address} . ${address}` }));
      elements.push({ owner: `pod ${pod.key}`, elements: [...own, ...self] });
    }
    return { sets, chains, elements };
  }

  #compiled(key: string, kept: Kept): CompiledPolicy {
    kept.compiled ??= compilePolicy(kept.policy, {
      pods: this.#pods.values(),
      namespaces: this.#namespaces,
      name: `p${hash(key)}`,
    });
    return kept.compiled;
  }

  #podChanged(states: readonly (PolicyPod | undefined)[]): void {
    for (const kept of this.#policies.values())
      if (states.some((pod) => pod !== undefined && looksAt(kept.policy, pod, this.#namespaces))) delete kept.compiled;
  }

  #namespaceChanged(): void {
    for (const kept of this.#policies.values()) delete kept.compiled;
  }
}

const directions: readonly Direction[] = ['ingress', 'egress'];

/** Elements that lead a pod's traffic to the chain of its policies; none where no policy is about it. */
function podElements(
  pod: PolicyPod,
  to: {
    readonly direction: Direction;
    readonly compiled: ReadonlyMap<string, CompiledPolicy>;
    readonly chains: Map<string, readonly string[]>;
  },
): readonly NftElement[] {
  const { direction, compiled, chains } = to;
  const about = [...compiled].filter(([, policy]) => policy[direction] !== undefined && policy.pods.has(pod.key));
  if (about.length === 0) return [];
  const keys = about.map(([key]) => key).toSorted();
  const chain = `${direction}-${hash(keys.join(' '))}`;
  if (!chains.has(chain))
    chains.set(chain, [...keys.flatMap((key) => compiled.get(key)?.[direction]?.rules ?? []), 'drop']);
  return pod.ips.map((address) => ({ set: `${direction}${familyOf(address)}`, key: address, value: `jump ${chain}` }));
}

function familyOf(address: string): '4' | '6' {
  return address.includes(':') ? '6' : '4';
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
