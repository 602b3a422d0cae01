/** Rows of the API server's tables as the dashboard keeps them: with their cells, and what it understands of the object, but not the object. */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { dig, digList, digMap, digNumber, digText } from '#pkg/kubectl/api.ts';
import { podRequests, resourcesOf } from '#pkg/scheduler/model/resources.ts';
import type { Facts, ResourceId, Rollout, Row } from '../model/protocol.ts';
import { migrationFacts } from './migration-facts.ts';
import { runFacts } from './run-facts.ts';

/** A row with what the server alone looks at. */
export interface KeptRow extends Row {
  readonly version: string;
  readonly labels: Readonly<Record<string, unknown>>;
}

type FactsOf = (object: unknown) => Facts;

/** Of which resources what is understood; of the others, metadata alone are asked for. */
const readers: Readonly<Record<string, FactsOf>> = {
  'pods.': podFacts,
  'nodes.': nodeFacts,
  'events.': eventFacts,
  'deployments.apps': rolloutFacts,
  'replicasets.apps': rolloutFacts,
  'statefulsets.apps': rolloutFacts,
  'daemonsets.apps': rolloutFacts,
  'pipelineruns.ci.coxswain.dev': runFacts,
  'virtualmachinemigrations.vm.coxswain.dev': migrationFacts,
};

/** Whether rows of a resource need the whole object. */
export function needsObjects({ resource, group }: ResourceId): boolean {
  return Object.hasOwn(readers, `${resource}.${group}`);
}

/** The row of one of a table's rows; undefined for what has no name. */
export function rowOf({ resource, group }: ResourceId, row: unknown): KeptRow | undefined {
  const object = dig(row, 'object');
  const metadata = digMap(object, 'metadata');
  const name = digText(metadata, 'name');
  if (name === '') return undefined;
  const namespace = digText(metadata, 'namespace');
  const created = Date.parse(digText(metadata, 'creationTimestamp')) || 0;
  const cells = dig(row, 'cells');
  const controller = digList(metadata, 'ownerReferences').find((owner) => owner.controller === true);
  const read = readers[`${resource}.${group}`];
  const facts: Facts = {
    ...(controller === undefined ? {} : { owner: digText(controller, 'uid') }),
    ...read?.(object),
  };
  return {
    key: namespace === '' ? name : `${namespace}/${name}`,
    name,
    namespace,
    uid: digText(metadata, 'uid'),
    version: digText(metadata, 'resourceVersion'),
    cells: Array.isArray(cells) ? cells.map(cellOf) : [],
    created,
    time: resource === 'events' ? eventTime(object, created) : created,
    deleting: metadata.deletionTimestamp !== undefined,
    labels: digMap(metadata, 'labels'),
    facts,
  };
}

function cellOf(cell: unknown): string | number | boolean | null {
  if (typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'boolean') return cell;
  return cell === null || cell === undefined ? null : JSON.stringify(cell);
}

function podFacts(object: unknown): Facts {
  const pod = object as Pod;
  const { milliCpu, memory } = podRequests(pod);
  const node = pod.spec?.nodeName;
  return {
    cpu: milliCpu,
    memory,
    phase: pod.status?.phase ?? '',
    containers: (pod.spec?.containers ?? []).map((container) => container.name),
    ...(node ? { node } : {}),
  };
}

function nodeFacts(object: unknown): Facts {
  const node = object as Node;
  const { milliCpu, memory, pods } = resourcesOf(node.status?.allocatable);
  return {
    cpu: milliCpu,
    memory,
    pods,
    ready: findCondition(node.status?.conditions ?? [], 'Ready')?.status === 'True',
    closed: node.spec?.unschedulable === true,
  };
}

function eventFacts(event: unknown): Facts {
  const about = dig(event, 'involvedObject');
  return {
    about: `${digText(about, 'kind')}/${digText(about, 'namespace')}/${digText(about, 'name')}`,
    warning: digText(event, 'type') === 'Warning',
  };
}

function eventTime(event: unknown, created: number): number {
  const times = [
    digText(event, 'series', 'lastObservedTime'),
    digText(event, 'lastTimestamp'),
    digText(event, 'eventTime'),
  ];
  return Date.parse(times.find((time) => time !== '') ?? '') || created;
}

function rolloutFacts(object: unknown): Facts {
  const status = digMap(object, 'status');
  const number = (...fields: readonly string[]): number =>
    fields.map((field) => digNumber(status, [field], -1)).find((value) => value >= 0) ?? 0;
  const total = number('replicas', 'currentNumberScheduled');
  const progressing = digList(status, 'conditions').find((condition) => condition.type === 'Progressing');
  const rollout: Rollout = {
    desired: digNumber(object, ['spec', 'replicas'], number('desiredNumberScheduled')),
    updated: number('updatedReplicas', 'updatedNumberScheduled', 'replicas'),
    ready: number('readyReplicas', 'numberReady'),
    total,
    revision: digText(object, 'metadata', 'annotations', 'deployment.kubernetes.io/revision'),
    paused: dig(object, 'spec', 'paused') === true,
    images: digList(object, 'spec', 'template', 'spec', 'containers').map((container) => digText(container, 'image')),
    message: digText(progressing, 'message'),
  };
  return { rollout };
}
