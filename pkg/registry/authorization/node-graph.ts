/**
 * What the pods of each node refer to: an index of pods by node, kept as pods come, are bound and go. What a pod refers to is worked out once, when it is
 * bound, and taken back when it is gone: its references cannot change in between (ephemeral containers, which can, are left out, as upstream does).
 *
 * Holds for a node a set of its pods and a count per object, not an edge per pod and object: pods of one template share them.
 * Upstream counterpart: `plugin/pkg/auth/authorizer/node/graph.go`, `graph_populator.go`.
 */

import { podReferences } from '#pkg/api/core/pod-references.ts';
import { isMirrorPod } from '#pkg/api/core/static-pods.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';

/** Resources whose objects pods refer to. */
export type ReferredKind = 'configmaps' | 'persistentvolumeclaims' | 'resourceclaims' | 'secrets' | 'serviceaccounts';

interface NodeEntry {
  /** `<namespace>/<name>`. */
  readonly pods: Set<string>;
  /** How many pods refer to an object, by `<kind>/<namespace>/<name>`. */
  readonly references: Map<string, number>;
}

/** The index; it knows nothing before its sink was told. */
export class NodeGraph {
  readonly #nodes = new Map<string, NodeEntry>();

  /** What tells it of pods. */
  readonly sink: FollowSink<Pod> = {
    set: (pod) => this.#set(pod),
    remove: (pod) => this.#remove(pod),
  };

  /** Whether a pod is bound to a node. */
  hasPod(node: string, namespace: string, name: string): boolean {
    return this.#nodes.get(node)?.pods.has(`${namespace}/${name}`) === true;
  }

  /** Whether a pod of a node refers to an object. */
  refers(
    node: string,
    kind: ReferredKind,
    { namespace, name }: { readonly namespace: string; readonly name: string },
  ): boolean {
    return this.#nodes.get(node)?.references.has(`${kind}/${namespace}/${name}`) === true;
  }

  #set(pod: Pod): void {
    const node = pod.spec?.nodeName;
    if (!node) return;
    const entry = this.#nodes.get(node) ?? { pods: new Set(), references: new Map() };
    const key = keyOf(pod);
    if (entry.pods.has(key)) return;
    this.#nodes.set(node, entry);
    entry.pods.add(key);
    for (const reference of referencesOf(pod))
      entry.references.set(reference, (entry.references.get(reference) ?? 0) + 1);
  }

  #remove(pod: Pod): void {
    const node = pod.spec?.nodeName ?? '';
    const entry = this.#nodes.get(node);
    if (entry?.pods.delete(keyOf(pod)) !== true) return;
    for (const reference of referencesOf(pod)) {
      const left = (entry.references.get(reference) ?? 0) - 1;
      if (left > 0) entry.references.set(reference, left);
      else entry.references.delete(reference);
    }
    if (entry.pods.size === 0) this.#nodes.delete(node);
  }
}

function keyOf({ metadata }: Pod): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}

/** Each once. */
function referencesOf(pod: Pod): ReadonlySet<string> {
  const namespace = pod.metadata?.namespace ?? '';
  const found = new Set<string>();
  if (isMirrorPod(pod)) return found;
  const add = (kind: ReferredKind, name: string | undefined): void => {
    if (name) found.add(`${kind}/${namespace}/${name}`);
  };
  const { secrets, configMaps, claims } = podReferences(pod);
  add('serviceaccounts', pod.spec?.serviceAccountName);
  for (const name of secrets) add('secrets', name);
  for (const name of configMaps) add('configmaps', name);
  for (const name of claims) add('persistentvolumeclaims', name);
  for (const { resourceClaimName } of pod.spec?.resourceClaims ?? []) add('resourceclaims', resourceClaimName);
  return found;
}
