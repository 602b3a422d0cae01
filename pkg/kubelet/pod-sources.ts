/** What kubelets look at of pods and nodes: each its own, or all kubelets of a process together. */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import { createJoinedSource, createKeyedSource, type KeyedSource } from './keyed-source.ts';

type Watching = Pick<ComponentDeps, 'informers'>;

const nodeOfPod = (pod: Pod): string | undefined => pod.spec?.nodeName;
const nameOf = (node: Node): string | undefined => node.metadata?.name;

/** One watch of all pods that have a node, for many kubelets in one process. */
export function sharedPodSource({ informers }: Watching): KeyedSource<Pod> {
  return createKeyedSource(informers.informer(pods, { fieldSelector: 'spec.nodeName!=' }), nodeOfPod);
}

/** One watch of all nodes, for many kubelets in one process. */
export function sharedNodeSource({ informers }: Watching): KeyedSource<Node> {
  return createKeyedSource(informers.informer(nodes), nameOf);
}

/** A watch of the pods of each node, for few kubelets in one process: they are told of nothing else. */
export function podSourceOf(deps: Watching, names: readonly string[]): KeyedSource<Pod> {
  return createJoinedSource(new Map(names.map((name) => [name, ownPods(deps, name)])));
}

/** The same of the nodes themselves. */
export function nodeSourceOf(deps: Watching, names: readonly string[]): KeyedSource<Node> {
  return createJoinedSource(new Map(names.map((name) => [name, ownNode(deps, name)])));
}

/** A watch of the pods of one node. */
export function ownPods({ informers }: Watching, name: string): KeyedSource<Pod> {
  return createKeyedSource(informers.informer(pods, { fieldSelector: `spec.nodeName=${name}` }), nodeOfPod);
}

/** A watch of one node. */
export function ownNode({ informers }: Watching, name: string): KeyedSource<Node> {
  return createKeyedSource(informers.informer(nodes, { fieldSelector: `metadata.name=${name}` }), nameOf);
}
