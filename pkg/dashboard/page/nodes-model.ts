/** The map of nodes as the page has it, kept by what the server says of those that changed. */
import { type Signal, signal } from '@preact/signals';
import type { NodeTotals, ServerMessage } from '../model/protocol.ts';
import { openView } from './live.ts';

/** A node with its shares. */
export interface NodeState {
  readonly name: string;
  readonly ready: boolean;
  readonly closed: boolean;
  readonly cpu: number;
  readonly cpuTaken: number;
  readonly memory: number;
  readonly memoryTaken: number;
  readonly pods: number;
  readonly podsTaken: number;
}

/** All nodes by name, and how many pods are on none. */
export interface NodesState {
  readonly nodes: readonly NodeState[];
  readonly pending: number;
  readonly isThere: boolean;
  readonly isComplete: boolean;
  readonly problem: string;
}

/** Opens the map; `close` ends it. */
export function openNodes(): { readonly state: Signal<NodesState>; close(): void } {
  const byName = new Map<string, NodeState>();
  const state = signal<NodesState>({ nodes: [], pending: 0, isThere: false, isComplete: false, problem: '' });
  let sorted: readonly string[] = [];
  const hear = (message: ServerMessage): void => {
    if (message.type === 'problem' || message.type === 'end')
      state.value = { ...state.value, problem: message.problem ?? '' };
    if (message.type !== 'nodes') return;
    const sizeBefore = byName.size;
    for (const totals of message.nodes) byName.set(totals[0], nodeOf(totals));
    for (const name of message.gone) byName.delete(name);
    if (byName.size !== sizeBefore || message.gone.length > 0) sorted = [...byName.keys()].sort(byNumbers);
    const { pending, isComplete } = message;
    const nodes = sorted.flatMap((name) => byName.get(name) ?? []);
    state.value = { ...state.value, nodes, pending, isComplete, isThere: true };
  };
  const view = openView({ kind: 'nodes' }, hear);
  return { state, close: () => view.close() };
}

const { compare: byNumbers } = new Intl.Collator('en', { numeric: true });

function nodeOf([name, ready, closed, cpu, cpuTaken, memory, memoryTaken, pods, podsTaken]: NodeTotals): NodeState {
  return { name, ready, closed, cpu, cpuTaken, memory, memoryTaken, pods, podsTaken };
}

/** What part of CPU and of memory is taken. */
export function sharesOf({ cpu, cpuTaken, memory, memoryTaken }: NodeState): {
  readonly cpu: number;
  readonly memory: number;
} {
  return { cpu: cpu > 0 ? Math.min(1, cpuTaken / cpu) : 0, memory: memory > 0 ? Math.min(1, memoryTaken / memory) : 0 };
}

/** What is left of one resource beyond what is left of the other, as shares: nobody who takes both alike can use it. None where the node is empty. */
export function strandedOf(node: NodeState): { readonly cpu: number; readonly memory: number } {
  if (node.podsTaken === 0) return { cpu: 0, memory: 0 };
  const taken = sharesOf(node);
  return { cpu: Math.max(0, taken.memory - taken.cpu), memory: Math.max(0, taken.cpu - taken.memory) };
}
