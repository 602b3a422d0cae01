/** How the workload kinds are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { numberAt, objectAt, stringMapAt } from '../draft.ts';
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

function count(object: KubeObject, ...path: readonly string[]): number {
  return numberAt(object, ...path) ?? 0;
}

/** Source: upstream `printDeployment`. */
export const deploymentTable: TablePrinter = {
  columns: [nameColumn, column('Ready'), column('Up-to-date'), column('Available'), ageColumn, ...templateColumns],
  cells(object, nowMs) {
    const [names, images] = containerCells(objectAt(object, 'spec', 'template', 'spec'));
    return [
      nameOf(object),
      `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`,
      count(object, 'status', 'updatedReplicas'),
      count(object, 'status', 'availableReplicas'),
      age(object, nowMs),
      names,
      images,
      selectorText(objectAt(object, 'spec', 'selector')),
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

function replicaCells(object: KubeObject, nowMs: number): readonly (number | string)[] {
  return [
    nameOf(object),
    count(object, 'spec', 'replicas'),
    count(object, 'status', 'replicas'),
    count(object, 'status', 'readyReplicas'),
    age(object, nowMs),
  ];
}

/** Source: upstream `printReplicaSet`. */
export const replicaSetTable: TablePrinter = {
  columns: replicaColumns,
  cells: (object, nowMs) => [...replicaCells(object, nowMs), ...templateCells(objectAt(object, 'spec'))],
};

/** Source: upstream `printReplicationController`. */
export const replicationControllerTable: TablePrinter = {
  columns: replicaColumns,
  cells: (object, nowMs) => [
    ...replicaCells(object, nowMs),
    ...containerCells(objectAt(object, 'spec', 'template', 'spec')),
    formatLabels(stringMapAt(object, 'spec', 'selector')),
  ],
};

/** Source: upstream `printStatefulSet`. */
export const statefulSetTable: TablePrinter = {
  columns: [nameColumn, column('Ready'), ageColumn, wide('Containers'), wide('Images')],
  cells: (object, nowMs) => [
    nameOf(object),
    `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`,
    age(object, nowMs),
    ...containerCells(objectAt(object, 'spec', 'template', 'spec')),
  ],
};

/** Source: upstream `printDaemonSet`. */
export const daemonSetTable: TablePrinter = {
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
    count(object, 'status', 'desiredNumberScheduled'),
    count(object, 'status', 'currentNumberScheduled'),
    count(object, 'status', 'numberReady'),
    count(object, 'status', 'updatedNumberScheduled'),
    count(object, 'status', 'numberAvailable'),
    formatLabels(stringMapAt(object, 'spec', 'template', 'spec', 'nodeSelector')),
    age(object, nowMs),
    ...templateCells(objectAt(object, 'spec')),
  ],
};

/** Source: upstream `printControllerRevision`. */
export const controllerRevisionTable: TablePrinter = {
  columns: [nameColumn, column('Controller'), column('Revision'), ageColumn],
  cells(object, nowMs) {
    const owner = object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
    const revision = count(object, 'revision');
    return [nameOf(object), owner === undefined ? '<none>' : ownerText(owner), revision, age(object, nowMs)];
  },
};

function ownerText(owner: { readonly apiVersion: string; readonly kind: string; readonly name: string }): string {
  const slash = owner.apiVersion.indexOf('/');
  const kind = owner.kind.toLowerCase();
  return slash < 0 ? `${kind}/${owner.name}` : `${kind}.${owner.apiVersion.slice(0, slash)}/${owner.name}`;
}

/** Source: upstream `printPodTemplate`. */
export const podTemplateTable: TablePrinter = {
  columns: [nameColumn, column('Containers'), column('Images'), column('Pod Labels')],
  cells: (object) => [
    nameOf(object),
    ...containerCells(objectAt(object, 'template', 'spec')),
    formatLabels(stringMapAt(object, 'template', 'metadata', 'labels')),
  ],
};
