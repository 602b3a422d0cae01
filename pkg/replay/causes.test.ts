import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { causesOf } from './causes.ts';
import type { Change } from './history.ts';
import { madeDeployment, madeJob, madeJobPod, madeNode } from './made-history.ts';

const at = (ms: number, type: Change['type'], object: JsonObject, user?: string): Change => ({
  ms,
  type,
  object,
  ...(user === undefined ? {} : { user }),
});
const said = (...changes: readonly Change[]): readonly string[] =>
  causesOf(changes).map((cause) => {
    const about = 'node' in cause ? cause.node : `${cause.object.kind}`;
    return `${cause.ms} ${cause.act} ${about}`;
  });

const managed = (object: JsonObject, manager: string, more: object = {}): JsonObject => ({
  ...object,
  metadata: { ...(object.metadata as object), managedFields: [{ manager, time: '2026-01-01T00:00:00Z' }], ...more },
});

test('what people make, change and delete is a cause, once', () => {
  const web = managed(madeDeployment('web', 2), 'kubectl');
  const withStatus = { ...web, status: { replicas: 2 } };
  const more = managed(madeDeployment('web', 3), 'kubectl');
  const leaving = managed(madeDeployment('web', 3), 'kubectl', { deletionTimestamp: '2026-01-01T00:01:00Z' });
  expect(
    said(
      at(1, 'ADDED', web),
      at(2, 'MODIFIED', withStatus),
      at(3, 'MODIFIED', more),
      at(4, 'MODIFIED', leaving),
      at(5, 'DELETED', leaving),
    ),
  ).toEqual(['1 put Deployment', '3 put Deployment', '4 delete Deployment']);
});

test('what the control plane writes, and what has a controller, is a consequence', () => {
  const web = madeDeployment('web', 2);
  const scaled = { ...madeDeployment('web', 5), metadata: { name: 'web', namespace: 'default' } };
  const byAutoscaler = managed(scaled, 'kube-controller-manager', {
    managedFields: [{ manager: 'kube-controller-manager', subresource: 'scale', time: '2026-01-01T00:00:00Z' }],
  });
  expect(
    said(
      at(1, 'ADDED', web, 'jane'),
      at(2, 'MODIFIED', scaled, 'system:kube-controller-manager'),
      at(3, 'MODIFIED', byAutoscaler),
      at(4, 'ADDED', madeJobPod('batch', 0, { startMs: 0, runMs: 1 })),
      at(5, 'ADDED', { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' } }),
      at(6, 'ADDED', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } }),
    ),
  ).toEqual(['1 put Deployment', '3 put Deployment']);
});

test('nodes join once they say what they have, fall silent, are heard again and leave', () => {
  const cordoned = {
    ...madeNode('a'),
    spec: { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable' }] },
  };
  expect(
    said(
      at(0, 'ADDED', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' } }),
      at(1, 'MODIFIED', madeNode('a')),
      at(2, 'MODIFIED', madeNode('a', 'Unknown')),
      at(3, 'MODIFIED', madeNode('a')),
      at(4, 'MODIFIED', cordoned),
      at(5, 'DELETED', madeNode('a')),
    ),
  ).toEqual(['1 join a', '2 silence a', '3 return a', '4 change a', '5 leave a']);
});

test('of the state at the start nodes and namespaces come first, workloads last, and what is finished not again', () => {
  const done = { ...madeJob('old', 1), status: { conditions: [{ type: 'Complete', status: 'True' }] } };
  expect(
    said(
      at(0, 'STATE', madeDeployment('web', 1)),
      at(0, 'STATE', done),
      at(0, 'STATE', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'shop' } }),
      at(0, 'STATE', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }),
      at(0, 'STATE', madeNode('a')),
    ),
  ).toEqual(['0 join a', '0 put Namespace', '0 put ConfigMap', '0 put Deployment']);
});

test('what was filled in is taken out', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', uid: 'u', resourceVersion: '7', annotations: { a: 'b' } },
    spec: {
      nodeName: 'n',
      priority: 0,
      volumes: [{ name: 'kube-api-access-x' }, { name: 'data' }],
      containers: [{ name: 'c', volumeMounts: [{ name: 'kube-api-access-x' }, { name: 'data' }] }],
    },
    status: { phase: 'Running' },
  };
  expect(causesOf([at(0, 'STATE', pod)])).toEqual([
    {
      ms: 0,
      act: 'put',
      object: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'p', namespace: 'default', annotations: { a: 'b' } },
        spec: { volumes: [{ name: 'data' }], containers: [{ name: 'c', volumeMounts: [{ name: 'data' }] }] },
      },
    },
  ]);
});
