/**
 * Runs virtual machines: a pod for each run, as the run strategy says, again after a failure and elsewhere when a node is lost, and says in the status how it
 * stands. Counterpart: KubeVirt `virt-controller` `watch/vm.go`.
 */
import { isPodReady } from '#pkg/api/core/pod.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import {
  isUndecided,
  machineLabel,
  type VirtualMachine,
  type VirtualMachineStatus,
  virtualMachines,
} from '#pkg/api/virtual-machine.ts';
import { type VirtualMachineSnapshot, virtualMachineSnapshots } from '#pkg/api/virtual-machine-snapshot.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { followOwned } from '../common/adoption.ts';
import { withCondition, withoutCondition } from '../common/conditions.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { isLostNode } from '../common/machine-pod.ts';
import { indexByController, podsOf } from '../common/pod.ts';
import { createPod, deletePod } from '../common/pod-control.ts';
import { type BeginningProblem, beginningOf } from './beginning.ts';
import { type Plan, planOf } from './plan.ts';

/** Machines worked on at the same time. */
const workers = 5;
/** After the end of a migration was written, it is looked again for what came of it. */
const againMs = 100;
/** Times that a status is written again over what somebody else wrote. */
const writesMax = 5;

/** The controller of virtual machines. */
export function createVirtualMachineController(context: ControllerContext): Component {
  const { client, clock, random } = context;
  const informer = context.informers.informer(virtualMachines);
  const podInformer = context.informers.informer(pods);
  const nodeInformer = context.informers.informer(nodes);
  const snapshots = context.informers.informer(virtualMachineSnapshots);
  indexByController(podInformer);
  const events = context.recorder('virtualmachine-controller');

  const isLost = (name: string): boolean => name !== '' && isLostNode(nodeInformer.lister.get(name));

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const machine = informer.lister.get(key);
    if (machine?.metadata?.uid === undefined || machine.metadata.deletionTimestamp !== undefined) return undefined;
    const uid = machine.metadata.uid;
    const nowMs = clock.nowMs();
    const known = planOf({ machine, pods: podsOf(podInformer, uid), isLost, nowMs });
    // What is to be made may have been made already and not be known here yet.
    const plan = known.create ? planOf({ machine, pods: await ownPods(machine), isLost, nowMs }) : known;
    const { snapshotName = '' } = machine.spec ?? {};
    const beginning = beginningOf(machine, snapshots.lister.get(`${machine.metadata.namespace}/${snapshotName}`));
    if (plan.create && 'problem' in beginning) return tell(context, machine, waiting(machine, plan, beginning.problem));
    const options = { client, random, events, owner: machine, ownerRef: virtualMachines };
    for (const pod of plan.remove) await deletePod(pod, options);
    if (plan.create && !(await closeMigration(client, machine))) return { requeueAfterMs: againMs };
    const made = plan.create && 'template' in beginning ? await createPod(beginning.template, options) : undefined;
    await tell(context, machine, { ...plan, ...(made === undefined ? {} : { pod: made }) });
    return plan.againMs === undefined ? undefined : { requeueAfterMs: plan.againMs };
  };

  /** The machine's pods as the server has them. */
  const ownPods = async ({ metadata }: VirtualMachine): Promise<readonly Pod[]> => {
    const { name = '', namespace = '', uid } = metadata ?? {};
    const { items } = await client.resource(pods).list({ namespace, labelSelector: `${machineLabel}=${name}` });
    return items.filter((pod) => controllerOf(pod)?.uid === uid);
  };

  const loop = createLoop(context, { name: 'virtualmachine', workers, reconcile });
  const enqueue = (machine: VirtualMachine): void => loop.queue.add(objectKey(machine));
  informer.addHandler({ added: enqueue, updated: (_, machine) => enqueue(machine) });
  followSnapshots(snapshots, informer, enqueue);
  followOwned(podInformer, (pod: Pod) => {
    const owner = controllerOf(pod);
    if (owner?.kind === virtualMachines.kind) loop.queue.add(`${pod.metadata?.namespace}/${owner.name}`);
  });
  const lookAgain = (_: Node | undefined, node: Node): void => {
    for (const machine of informer.lister.list())
      if (machine.status?.nodeName === node.metadata?.name) enqueue(machine);
  };
  nodeInformer.addHandler({ updated: lookAgain, deleted: (node) => lookAgain(undefined, node) });
  return loop;
}

/** Says how the machine stands, where that has changed. A pod that was made is counted, whoever else wrote meanwhile. */
async function tell({ client, clock }: ControllerContext, machine: VirtualMachine, plan: Plan): Promise<undefined> {
  const resource = client.resource(virtualMachines);
  const { name = '', namespace = '' } = machine.metadata ?? {};
  const answered = firstRequest(machine);
  for (let current = machine, tries = 1; ; tries++) {
    // What was asked since, or is next, has not been answered by this.
    const isRequestDone = plan.isRequestDone && firstRequest(current) === answered;
    const status = statusOf(current, { ...plan, isRequestDone }, timestamp(clock));
    if (deepEqual(status, current.status ?? {})) return undefined;
    try {
      await resource.update({ ...current, status }, { subresource: 'status' });
      return undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (!isConflict(error) || tries >= writesMax) throw error;
      current = await resource.get(name, { namespace });
    }
  }
}

function firstRequest({ status }: VirtualMachine): string | undefined {
  return status?.stateChangeRequests?.[0]?.action;
}

/** What is said of a machine whose run cannot begin; whoever asked for it gets it once it can. */
function waiting({ status }: VirtualMachine, plan: Plan, problem: BeginningProblem): Plan {
  const { failures = 0 } = status ?? {};
  return { ...plan, create: false, failures, isRequestDone: false, printableStatus: 'ErrorSnapshot', problem };
}

/** Calls `enqueue` for the machines that begin from a snapshot that has changed. */
function followSnapshots(
  snapshots: Informer<VirtualMachineSnapshot>,
  machines: Informer<VirtualMachine>,
  enqueue: (machine: VirtualMachine) => void,
): void {
  const changed = ({ metadata }: VirtualMachineSnapshot): void => {
    for (const machine of machines.lister.list(metadata?.namespace ?? ''))
      if (machine.spec?.snapshotName === metadata?.name) enqueue(machine);
  };
  snapshots.addHandler({ added: changed, updated: (_, snapshot) => changed(snapshot), deleted: changed });
}

/** A run begins: whoever still waits for the machine as it was gets it no more. False: that was written just now, or could not be; the watch says what came of it. */
async function closeMigration(client: Client, machine: VirtualMachine): Promise<boolean> {
  const { migration } = machine.status ?? {};
  if (migration === undefined || !isUndecided(migration)) return true;
  const status = { ...machine.status, migration: { ...migration, owner: 'source' as const } };
  try {
    await client.resource(virtualMachines).update({ ...machine, status }, { subresource: 'status' });
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
  return false;
}

function statusOf({ metadata, status }: VirtualMachine, plan: Plan, now: string): VirtualMachineStatus {
  const { pod, failures, problem } = plan;
  // What was said of another pod is not said of this one.
  const isPaused = status?.paused === true && pod !== undefined && pod.metadata?.name === status.podName;
  const printableStatus = isPaused && plan.printableStatus === 'Running' ? 'Paused' : plan.printableStatus;
  const ready = pod !== undefined && isPodReady(pod) && !isPaused;
  const asked = status?.stateChangeRequests ?? [];
  const left = plan.isRequestDone ? asked.slice(1) : asked;
  const condition = {
    type: 'Ready',
    status: ready ? 'True' : 'False',
    reason: ready ? 'GuestRunning' : 'GuestNotRunning',
    ...problem,
    lastTransitionTime: now,
  };
  const others = isPaused
    ? withCondition(status?.conditions, {
        type: 'Paused',
        status: 'True',
        reason: 'PausedByUser',
        lastTransitionTime: now,
      })
    : withoutCondition(status?.conditions, 'Paused');
  const nodeName = pod?.spec?.nodeName ?? '';
  const address = pod?.status?.podIP ?? '';
  return {
    ...(metadata?.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    created: pod !== undefined,
    ready,
    printableStatus,
    ...(pod === undefined ? {} : { podName: pod.metadata?.name ?? '' }),
    ...(isPaused ? { paused: true } : {}),
    ...(nodeName === '' ? {} : { nodeName }),
    ...(address === '' ? {} : { address }),
    ...(nodeName !== '' && status?.evacuationNodeName === nodeName ? { evacuationNodeName: nodeName } : {}),
    runs: (status?.runs ?? 0) + (plan.create ? 1 : 0),
    failures,
    ...(status?.migration === undefined ? {} : { migration: status.migration }),
    ...(left.length === 0 ? {} : { stateChangeRequests: left }),
    conditions: withCondition(others, condition),
  };
}
