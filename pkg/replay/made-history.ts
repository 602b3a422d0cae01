/** Histories for tests and measures: a cluster of some nodes, whose people deploy, run jobs and take away, and of which a node fails. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { virtualEpochMs } from '#pkg/base/virtual-clock.ts';
import { type Change, type History, historyVersion } from './history.ts';

const hourMs = 3_600_000;
/** Of a node: its lease each ten seconds, its status each five minutes. */
const renewalsAnHour = 372;

/** A node that is Ready, or not heard of. */
export function madeNode(name: string, ready: 'True' | 'Unknown' = 'True'): JsonObject {
  const allocatable = { cpu: '4', memory: '8Gi', pods: '110' };
  const labels = { 'kubernetes.io/hostname': name };
  const conditions = [{ type: 'Ready', status: ready }];
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {}, status: { allocatable, conditions } };
}

const container = { name: 'main', image: 'app', resources: { requests: { cpu: '500m', memory: '256Mi' } } };

/** A Deployment as kubectl makes it. */
export function madeDeployment(name: string, replicas: number): JsonObject {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [container] } };
  const spec = { replicas, selector: { matchLabels: labels }, template };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'default' }, spec };
}

/** A Job as kubectl makes it. */
export function madeJob(name: string, completions: number): JsonObject {
  const spec = {
    completions,
    parallelism: completions,
    template: { spec: { restartPolicy: 'Never', containers: [container] } },
  };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name, namespace: 'default' }, spec };
}

/** A pod of a job which ran from `startMs` on for `runMs`, as it was in the end. */
export function madeJobPod(
  job: string,
  index: number,
  { startMs, runMs }: { readonly startMs: number; readonly runMs: number },
): JsonObject {
  const time = (ms: number): string => formatTimestamp(virtualEpochMs + ms);
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: job, uid: `uid-${job}`, controller: true };
  const terminated = { exitCode: 0, startedAt: time(startMs), finishedAt: time(startMs + runMs) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${job}-${index}`, namespace: 'default', uid: `uid-${job}-${index}`, ownerReferences: [owner] },
    spec: { nodeName: 'node-1', containers: [container] },
    status: {
      phase: 'Succeeded',
      conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: time(startMs) }],
      containerStatuses: [{ name: 'main', restartCount: 0, state: { terminated } }],
    },
  };
}

/** A day or less of `nodes` nodes: each hour a Deployment comes and an older one goes, and jobs run; at half time a node is silent for half an hour. */
export function madeHistory({ nodes, hours }: { readonly nodes: number; readonly hours: number }): History {
  const changes: Change[] = [];
  for (let i = 1; i <= nodes; i++) changes.push({ ms: 0, type: 'STATE', object: madeNode(`node-${i}`) });
  const size = Math.max(1, Math.floor(nodes / 10));
  for (let hour = 0; hour < hours; hour++) {
    const ms = hour * hourMs + 60_000;
    changes.push({ ms, type: 'ADDED', object: madeDeployment(`web-${hour}`, 2 * size) });
    if (hour >= 6) changes.push({ ms: ms + 1, type: 'DELETED', object: madeDeployment(`web-${hour - 6}`, 2 * size) });
    changes.push({ ms: ms + 2, type: 'ADDED', object: madeJob(`batch-${hour}`, 2 * size) });
    for (let index = 0; index < 2 * size; index++) {
      const life = { startMs: ms, runMs: 600_000 + index * 60_000 };
      changes.push({ ms: ms + 3, type: 'ADDED', object: madeJobPod(`batch-${hour}`, index, life) });
    }
  }
  changes.push({ ms: (hours * hourMs) / 2, type: 'MODIFIED', object: madeNode('node-1', 'Unknown') });
  changes.push({ ms: (hours * hourMs) / 2 + hourMs / 2, type: 'MODIFIED', object: madeNode('node-1') });
  const header = { coxswain: 'recording', version: historyVersion, startMs: virtualEpochMs, secrets: false } as const;
  const renewals = nodes * hours * renewalsAnHour;
  return { header, changes: changes.toSorted((a, b) => a.ms - b.ms), renewals, endMs: hours * hourMs };
}
