/** How the workload kinds are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */

import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { PodTemplate, ReplicationController } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import {
  age,
  ageColumn,
  column,
  containerCells,
  formatLabels,
  nameColumn,
  nameOf,
  selectorText,
  templateCells,
  templateColumns,
  wide,
} from '../printing/columns.ts';

/** Source: upstream `printDeployment`. */
export const deploymentTable: TablePrinter<Given<Deployment>> = {
  columns: [nameColumn, column('Ready'), column('Up-to-date'), column('Available'), ageColumn, ...templateColumns],
  cells(object, nowMs) {
    const [names, images] = containerCells(object.spec?.template?.spec);
    return [
      nameOf(object),
      `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`,
      object.status?.updatedReplicas ?? 0,
      object.status?.availableReplicas ?? 0,
      age(object, nowMs),
      names,
      images,
      selectorText(object.spec?.selector),
    ];
  },
};

const replicaColumns = [
  nameColumn,
  column('Desired', 'integer'),
  column('Current', 'integer'),
  column('Ready', 'integer'),
  ageColumn,
  ...templateColumns,
];

function replicaCells(object: Given<ReplicaSet | ReplicationController>, nowMs: number): readonly (number | string)[] {
  return [
    nameOf(object),
    object.spec?.replicas ?? 0,
    object.status?.replicas ?? 0,
    object.status?.readyReplicas ?? 0,
    age(object, nowMs),
  ];
}

/** Source: upstream `printReplicaSet`. */
export const replicaSetTable: TablePrinter<Given<ReplicaSet>> = {
  columns: replicaColumns,
  cells: (object, nowMs) => [...replicaCells(object, nowMs), ...templateCells(object.spec)],
};

/** Source: upstream `printReplicationController`. */
export const replicationControllerTable: TablePrinter<Given<ReplicationController>> = {
  columns: replicaColumns,
  cells: (object, nowMs) => [
    ...replicaCells(object, nowMs),
    ...containerCells(object.spec?.template?.spec),
    formatLabels(object.spec?.selector ?? {}),
  ],
};

/** Source: upstream `printStatefulSet`. */
export const statefulSetTable: TablePrinter<Given<StatefulSet>> = {
  columns: [nameColumn, column('Ready'), ageColumn, wide('Containers'), wide('Images')],
  cells: (object, nowMs) => [
    nameOf(object),
    `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`,
    age(object, nowMs),
    ...containerCells(object.spec?.template?.spec),
  ],
};

/** Source: upstream `printDaemonSet`. */
export const daemonSetTable: TablePrinter<Given<DaemonSet>> = {
  columns: [
    nameColumn,
    column('Desired', 'integer'),
    column('Current', 'integer'),
    column('Ready', 'integer'),
    column('Up-to-date', 'integer'),
    column('Available', 'integer'),
    column('Node Selector'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (object, nowMs) => [
    nameOf(object),
    object.status?.desiredNumberScheduled ?? 0,
    object.status?.currentNumberScheduled ?? 0,
    object.status?.numberReady ?? 0,
    object.status?.updatedNumberScheduled ?? 0,
    object.status?.numberAvailable ?? 0,
    formatLabels(object.spec?.template?.spec?.nodeSelector ?? {}),
    age(object, nowMs),
    ...templateCells(object.spec),
  ],
};

/** Source: upstream `printControllerRevision`. */
export const controllerRevisionTable: TablePrinter<Given<ControllerRevision>> = {
  columns: [nameColumn, column('Controller'), column('Revision'), ageColumn],
  cells(object, nowMs) {
    const owner = object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
    const revision = object.revision ?? 0;
    return [nameOf(object), owner === undefined ? '<none>' : ownerText(owner), revision, age(object, nowMs)];
  },
};

function ownerText(owner: { readonly apiVersion: string; readonly kind: string; readonly name: string }): string {
  const slash = owner.apiVersion.indexOf('/');
  const kind = owner.kind.toLowerCase();
  return slash < 0 ? `${kind}/${owner.name}` : `${kind}.${owner.apiVersion.slice(0, slash)}/${owner.name}`;
}

/** Source: upstream `printPodTemplate`. */
export const podTemplateTable: TablePrinter<Given<PodTemplate>> = {
  columns: [nameColumn, column('Containers'), column('Images'), column('Pod Labels')],
  cells: (object) => [
    nameOf(object),
    ...containerCells(object.template?.spec),
    formatLabels(object.template?.metadata?.labels ?? {}),
  ],
};
