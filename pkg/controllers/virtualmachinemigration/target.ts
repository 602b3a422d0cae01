/**
 * Whether and where a machine can move: what is refused before anything of a migration is made, and the pod that waits on the target. Pure. Room is the scheduler's
 * to judge, as for every pod: it says why a node has none.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import type { RuntimeClass } from '#pkg/api/types/node-v1.ts';
import { machineLabel, type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import { type VirtualMachineMigration, waitsForMachine } from '#pkg/api/virtual-machine-migration.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { machineTemplate } from '../common/machine-pod.ts';

/** Why something of a migration cannot be: a word, and a sentence. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** What is seen. */
export interface MigrationView {
  readonly migration: VirtualMachineMigration;
  readonly machine: VirtualMachine;
  /** The pods of the machine. */
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly runtimeClass: RuntimeClass | undefined;
  /** Another migration of the machine that is under way. */
  readonly other: string | undefined;
}

/** A pod that has the machine, and one that is to have it: a pod that waits already or one that is to be made. */
export interface Move {
  readonly source: Pod;
  readonly target: { readonly kept: Pod } | { readonly made: Pod };
}

/** How the machine is to move, or why it cannot. */
export function moveOf(view: MigrationView): Move | Refusal {
  const { migration, machine, pods, nodes, other } = view;
  const name = machine.metadata?.name ?? '';
  const { vmName = '', targetNode } = migration.spec ?? {};
  if (other !== undefined)
    return { reason: 'MachineIsMigrating', message: `the machine "${vmName}" is being moved by "${other}"` };
  const source = pods.find(({ metadata }) => metadata?.name === machine.status?.podName);
  if (source?.status?.phase !== 'Running' || source.metadata?.deletionTimestamp !== undefined) {
    const now = machine.status?.printableStatus ?? 'not known yet';
    return { reason: 'MachineNotRunning', message: `the machine "${name}" does not run: it is ${now}` };
  }
  if (machine.spec?.paused === true || machine.status?.paused === true)
    return { reason: 'MachinePaused', message: `the machine "${name}" is paused: resume it first` };
  const from = source.spec?.nodeName ?? '';
  const ready = nodes.filter((node) => problemOf(node, view) === undefined && node.metadata?.name !== from);
  if (targetNode !== undefined) {
    const problem = targetProblem(targetNode, from, view);
    if (problem !== undefined) return problem;
  } else if (ready.length === 0)
    return { reason: 'NoTarget', message: `no other node than "${from}" is ready and has the machine's runtime` };
  const kept = pods.find(
    (pod) =>
      pod.metadata?.annotations?.[waitsForMachine] !== undefined &&
      pod.metadata.deletionTimestamp === undefined &&
      pod.status?.phase === 'Running' &&
      pod.spec?.nodeName !== from &&
      (targetNode === undefined || pod.spec?.nodeName === targetNode) &&
      ready.some((node) => node.metadata?.name === pod.spec?.nodeName),
  );
  return { source, target: kept === undefined ? { made: targetPod(view, from) } : { kept } };
}

function targetProblem(targetNode: string, from: string, view: MigrationView): Refusal | undefined {
  if (targetNode === from)
    return { reason: 'AlreadyThere', message: `the machine runs on the node "${targetNode}" already` };
  const node = view.nodes.find(({ metadata }) => metadata?.name === targetNode);
  if (node === undefined) return { reason: 'NodeNotFound', message: `there is no node "${targetNode}"` };
  return problemOf(node, view);
}

/** Why a node can take no machine, whatever room it has. */
function problemOf(node: Node, { machine, runtimeClass }: MigrationView): Refusal | undefined {
  const name = node.metadata?.name ?? '';
  if (findCondition(node.status?.conditions, 'Ready')?.status !== 'True')
    return { reason: 'NodeNotReady', message: `the node "${name}" is not ready` };
  if (node.spec?.unschedulable === true)
    return { reason: 'NodeUnschedulable', message: `the node "${name}" is cordoned` };
  const className = machine.spec?.runtimeClassName ?? 'vm';
  if (runtimeClass === undefined)
    return { reason: 'RuntimeMissing', message: `there is no RuntimeClass "${className}"` };
  const { runtimeHandlers } = node.status ?? {};
  // A node that says nothing of its runtimes may have it: then its kubelet refuses.
  if (runtimeHandlers === undefined || runtimeHandlers.some((one) => one.name === runtimeClass.handler))
    return undefined;
  return { reason: 'RuntimeMissing', message: `the node "${name}" has no runtime "${runtimeClass.handler}"` };
}

/** A pod as that of a run, on another node, in which the machine is not made; Services do not find it until it has the machine. */
function targetPod({ migration, machine }: MigrationView, from: string): Pod {
  const { name = '', namespace = '' } = machine.metadata ?? {};
  const { targetNode } = migration.spec ?? {};
  const { metadata: own, spec } = machineTemplate(machine);
  const where =
    targetNode === undefined ? { operator: 'NotIn', values: [from] } : { operator: 'In', values: [targetNode] };
  const term = { matchFields: [{ key: 'metadata.name', ...where }] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: madePodName(migration, name),
      namespace,
      labels: { [machineLabel]: name },
      annotations: { ...own?.annotations, [waitsForMachine]: 'incoming' },
      ownerReferences: [controllerReference(machine, virtualMachines)],
    },
    ...(spec === undefined
      ? {}
      : {
          spec: {
            ...spec,
            affinity: {
              nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
            },
          },
        }),
  };
}

/** Name of the pod that is made for a migration: the same for every attempt, so that it is made once. */
export function madePodName({ metadata }: VirtualMachineMigration, machineName: string): string {
  return `${machineName.slice(0, podNameMax)}-${(metadata?.uid ?? '').slice(0, 8)}`;
}

/** What of a machine's name fits into that of a pod beside the migration's. */
const podNameMax = 54;

/** Why the pod on the target will not come to wait; undefined while it may, or does. */
export function waitProblem(pod: Pod | undefined): Refusal | undefined {
  if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined)
    return { reason: 'TargetGone', message: 'the pod on the target was deleted' };
  const { phase, message = '', reason = '', conditions, containerStatuses = [] } = pod.status ?? {};
  const scheduled = findCondition(conditions, 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable')
    return { reason: 'NoRoom', message: scheduled.message ?? 'no node has room for the machine' };
  if (phase === 'Failed' || phase === 'Succeeded') {
    const ended = containerStatuses.map(({ state }) => state?.terminated?.message ?? '').find((text) => text !== '');
    return {
      reason: reason === '' ? 'TargetFailed' : reason,
      message: message || ended || 'the pod on the target ended',
    };
  }
  return undefined;
}
