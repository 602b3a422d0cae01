/**
 * Moves virtual machines: checks where one can go, has a pod wait there, and follows what the two kubelets make of it. Invariants: a machine is moved by one
 * migration at a time, which its status names; who has the machine afterwards is what that status says, and this controller only reads it; Services find the pod
 * that has the machine before they lose the one that had it; what was made for a migration that came to nothing is deleted. Counterpart: KubeVirt
 * `virt-controller` `watch/migration`.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods, runtimeClasses } from '#pkg/api/types/refs.ts';
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import {
  isMigrationOver,
  type VirtualMachineMigration,
  virtualMachineMigrations,
} from '#pkg/api/virtual-machine-migration.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { indexByController } from '../common/pod.ts';
import { MigrationSteps } from './steps.ts';

/** Migrations worked on at the same time. */
const workers = 5;

/** The controller of migrations. */
export function createMigrationController(context: ControllerContext): Component {
  const { client, clock, informers } = context;
  const informer = informers.informer(virtualMachineMigrations);
  const machines = informers.informer(virtualMachines);
  const podInformer = informers.informer(pods);
  const nodeInformer = informers.informer(nodes);
  indexByController(podInformer);
  const steps = new MigrationSteps({
    client,
    clock,
    events: context.recorder('virtualmachinemigration-controller'),
    migrations: informer,
    machines,
    pods: podInformer,
    nodes: nodeInformer,
    classes: informers.informer(runtimeClasses),
  });
  const loop = createLoop(context, {
    name: 'virtualmachinemigration',
    workers,
    reconcile: (key) => steps.reconcile(key),
  });
  const enqueue = (migration: VirtualMachineMigration): void => loop.queue.add(objectKey(migration));
  const ofMachine = (namespace: string, name: string): void => {
    for (const migration of informer.lister.list())
      if (migration.metadata?.namespace === namespace && migration.spec?.vmName === name && !isMigrationOver(migration))
        enqueue(migration);
  };
  const machineChanged = ({ metadata }: VirtualMachine): void =>
    ofMachine(metadata?.namespace ?? '', metadata?.name ?? '');
  const podChanged = (pod: Pod): void => {
    const owner = controllerOf(pod);
    if (owner?.kind === virtualMachines.kind) ofMachine(pod.metadata?.namespace ?? '', owner.name);
  };
  informer.addHandler({
    added: enqueue,
    updated: (_, migration) => enqueue(migration),
    deleted: (migration) => steps.forget(objectKey(migration)),
  });
  machines.addHandler({
    added: machineChanged,
    updated: (_, machine) => machineChanged(machine),
    deleted: machineChanged,
  });
  podInformer.addHandler({ added: podChanged, updated: (_, pod) => podChanged(pod), deleted: podChanged });
  // A stand-by takes over from a node that is lost.
  const nodeChanged = ({ metadata }: Node): void => {
    for (const migration of informer.lister.list())
      if (migration.status?.sourceNode === metadata?.name && migration.status?.phase === 'Running') enqueue(migration);
  };
  nodeInformer.addHandler({ updated: (_, node) => nodeChanged(node), deleted: nodeChanged });
  return loop;
}
