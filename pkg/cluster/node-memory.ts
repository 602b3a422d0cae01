/** What settings of memory come to for one node: what it offers to pods, and who keeps containers to which NUMA nodes. */
import { join } from 'node:path';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeletOptions } from '#pkg/kubelet/kubelet-options.ts';
import { machineMemory } from '#pkg/kubelet/memory/machine-memory.ts';
import { MemoryManager } from '#pkg/kubelet/memory/memory-manager.ts';
import { allocatableOf, type MemoryNode } from '#pkg/kubelet/memory/memory-state.ts';
import { StaticMemory } from '#pkg/kubelet/memory/static-memory.ts';
import { quantityValue } from '#pkg/kubelet/model/amounts.ts';
import { keptValue } from '#pkg/kubelet/plugins/kept-value.ts';
import { numaNodesMax } from '#pkg/kubelet/topology/numa-hints.ts';
import { forgetRecord, takeRecord } from './kept-record.ts';
import type { MemorySettings, ReservedMemory } from './memory-flags.ts';
import type { NodePlace } from './node-cpus.ts';

/** Source: kubelet `memoryManagerStateFileName`. */
const recordName = 'memory_manager_state';

/** What is left for pods where memory is reserved, and who keeps containers to it. Throws `UserError` for what this machine cannot, and for a record that contradicts it. */
export function nodeMemory(
  { isStatic, reserved }: MemorySettings,
  amounts: Readonly<Record<string, string>>,
  place: NodePlace,
): Pick<KubeletOptions, 'memory'> & { readonly allocatable: Readonly<Record<string, string>> } {
  const path = join(place.folder, recordName);
  const nodes = machineMemory().map(({ id, total }) => ({ id, total, reserved: reserved.get(id) ?? {} }));
  const problem =
    isStatic && place.nodesOnMachine > 1
      ? 'several nodes of one machine would promise the same'
      : reservedMemoryProblem(reserved, nodes);
  if (problem !== undefined) throw new UserError(`Cannot reserve memory for the node ${place.nodeName} as ${problem}`);
  const allocatable = lessReserved(amounts, reserved);
  if (isStatic) return { allocatable, memory: staticMemory(nodes, path) };
  forgetRecord(path);
  return { allocatable };
}

/** Makes what gives memory, anew for each kubelet of the node. */
export function staticMemory(nodes: readonly MemoryNode[], path: string): NonNullable<KubeletOptions['memory']> {
  const make = (): StaticMemory => {
    const made = new StaticMemory(nodes);
    const problem = takeRecord(path, (value) => made.restore(value));
    if (problem === undefined) return made;
    throw new UserError(
      `Cannot keep containers to memory as ${path} cannot be used: ${problem}. Take the node's pods away, delete the file and start it again`,
    );
  };
  // What is wrong with it is said before anything starts.
  make();
  return (deps) => new MemoryManager(deps, { memory: make(), save: keptValue(path).write });
}

/** Why so much cannot be reserved; undefined where it can. Source: kubelet `validateReservedMemory`. */
export function reservedMemoryProblem(reserved: ReservedMemory, nodes: readonly MemoryNode[]): string | undefined {
  if (nodes.length > numaNodesMax || nodes.some(({ id }) => id >= 31))
    return `the machine has more than ${numaNodesMax} NUMA nodes: ${nodes.map(({ id }) => id).join(', ')}`;
  for (const [id, amounts] of reserved) {
    const node = nodes.find((one) => one.id === id);
    if (node === undefined)
      return `the reserved memory configuration references a NUMA node ${id} that does not exist on this machine`;
    for (const kind of Object.keys(amounts)) {
      const left = allocatableOf(node).get(kind);
      if (left === undefined) return `NUMA node ${id} has no ${kind}`;
      if (left === 0) return `NUMA node ${id} has no more ${kind} than is reserved`;
    }
  }
  return undefined;
}

/** What a node offers beside what is reserved. */
function lessReserved(
  amounts: Readonly<Record<string, string>>,
  reserved: ReservedMemory,
): Readonly<Record<string, string>> {
  const left: Record<string, string> = { ...amounts };
  for (const kinds of reserved.values()) {
    for (const [kind, bytes] of Object.entries(kinds))
      if (left[kind] !== undefined) left[kind] = `${Math.max(0, quantityValue(left[kind]) - bytes)}`;
  }
  return left;
}
