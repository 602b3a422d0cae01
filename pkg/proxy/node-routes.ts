/**
 * Leads the pod ranges of nodes of other machines to their addresses, as the nodes say them. What a node is told of here is only what it may be: its range has to be
 * of the cluster's pods, and its address none of the cluster's own. Upstream counterpart: the route controller of cloud providers.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { parseIpv4, parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { Deferred } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';

/** Which nodes are led to, and how. */
export interface NodeRoutesOptions {
  readonly deps: ComponentDeps;
  /** Range of all pods. */
  readonly podRange: string;
  /** Range of the nodes that are reached by other routes. Default: there are none. */
  readonly nodeRange?: string;
  /** The node of this machine, where it is one. */
  readonly ownNode?: string | undefined;
  /** Leads a range to an address; away from one where there is none. */
  route(range: string, address: string | undefined): Promise<void>;
}

/** The routes, kept while it runs; they stay afterwards. */
export function createNodeRoutes(options: NodeRoutesOptions): Component {
  return { run: (signal) => keepRoutes(options, signal) };
}

async function keepRoutes(options: NodeRoutesOptions, signal: AbortSignal): Promise<void> {
  const { deps, route } = options;
  const wanted = new Map<string, string>();
  const made = new Map<string, string>();
  const rangeOf = new Map<string, string>();
  let changed = new Deferred();
  const forget = (name: string): void => {
    const range = rangeOf.get(name);
    if (range !== undefined) wanted.delete(range);
    rangeOf.delete(name);
  };
  const take = (node: Node): void => {
    const name = node.metadata?.name ?? '';
    forget(name);
    const found = nodeRoute(node, options);
    // Of two nodes with one range the first has it.
    if (found !== undefined && !wanted.has(found.range)) {
      wanted.set(found.range, found.address);
      rangeOf.set(name, found.range);
    }
    changed.resolve();
  };
  deps.informers.informer(nodes).addHandler({
    added: take,
    updated: (_, node) => take(node),
    deleted: (node) => {
      forget(node.metadata?.name ?? '');
      changed.resolve();
    },
  });
  const onAbort = (): void => changed.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  if (!(await deps.informers.synced(signal))) return;
  while (!signal.aborted) {
    changed = new Deferred();
    for (const range of new Set([...made.keys(), ...wanted.keys()])) {
      const address = wanted.get(range);
      if (made.get(range) === address) continue;
      try {
        await route(range, address);
        if (address === undefined) made.delete(range);
        else made.set(range, address);
      } catch (error) {
        deps.log.warn('Cannot lead to the pods of a node', { range, address, reason: errorText(error) });
      }
    }
    if (!signal.aborted) await changed.promise;
  }
}

/** The way to the pods of a node; undefined for one that needs none, or says what it may not. */
export function nodeRoute(
  { metadata, spec, status }: Node,
  { podRange, nodeRange, ownNode }: Pick<NodeRoutesOptions, 'nodeRange' | 'ownNode' | 'podRange'>,
): { readonly range: string; readonly address: string } | undefined {
  const range = parseIpv4Range(spec?.podCIDR ?? '');
  const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '';
  const pods = parseIpv4Range(podRange);
  const number = parseIpv4(address);
  if (range === undefined || pods === undefined || number === undefined || metadata?.name === ownNode) return undefined;
  const isOfPods =
    range.base >= pods.base && range.base + range.size <= pods.base + pods.size && range.size < pods.size;
  const taken = [parseIpv4Range(nodeRange ?? ''), pods].some(
    (one) => one !== undefined && number >= one.base && number < one.base + one.size,
  );
  return isOfPods && !taken ? { range: spec?.podCIDR ?? '', address } : undefined;
}
