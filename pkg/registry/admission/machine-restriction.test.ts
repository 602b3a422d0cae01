import { expect, test } from 'vitest';
import { virtualMachines } from '#pkg/api/virtual-machine.ts';
import { virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import { virtualMachineSnapshots } from '#pkg/api/virtual-machine-snapshot.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { readerOf, testContext } from '../testing.ts';
import { nodeRestrictionPlugin } from './node-restriction.ts';

const refs = {
  virtualmachines: virtualMachines,
  virtualmachinemigrations: virtualMachineMigrations,
  virtualmachinesnapshots: virtualMachineSnapshots,
};
const metadata = { name: 'move', namespace: 'default', uid: 'u1' };
const migration = { metadata, status: { phase: 'Running', sourceNode: 'n1', targetNode: 'n2' } };
const claim = { name: 'move', uid: 'u1', sourcePod: 'a', targetPod: 'b' };
const machine = {
  metadata: { name: 'store', namespace: 'default' },
  status: { podName: 'a', migration: { ...claim, owner: '' } },
};

/** What a node is answered that changes a status from one to another; `''` for yes. */
async function change(node: string, resource: keyof typeof refs, [old, status]: readonly [JsonObject, object]) {
  const { group, version, kind } = refs[resource];
  const attributes = {
    ...{ operation: 'UPDATE' as const, group, version, kind, resource, subresource: 'status', namespace: 'default' },
    ...{ name: 'x', old, draft: { ...old, status: structuredClone(status) as JsonObject } },
  };
  const context = { ...testContext(), user: { name: `system:node:${node}`, groups: ['system:nodes'] } };
  const reader = readerOf({ virtualmachinemigrations: [migration] });
  try {
    if (nodeRestrictionPlugin.handles(attributes, context.user))
      await nodeRestrictionPlugin.validate?.(attributes, context, reader);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a node says of a migration how its own end goes, and nothing else', async () => {
  const tell = (node: string, more: object) =>
    change(node, 'virtualmachinemigrations', [migration, { ...migration.status, ...more }]);
  expect(await tell('n1', { source: { node: 'n1' } })).toBe('');
  expect(await tell('n2', { target: { node: 'n2' } })).toBe('');
  expect(await tell('n2', { source: { node: 'n2' } })).toContain('is not allowed to update other than status.target');
  expect(await tell('n1', { phase: 'Succeeded' })).toContain('is not allowed to update other than status.source');
  expect(await tell('n3', { source: { node: 'n1' } })).toContain(
    'only update the status of migrations from or to itself',
  );
});

test('a machine is claimed by the nodes of its migration, each for its end', async () => {
  const say = (node: string, owner: string) =>
    change(node, 'virtualmachines', [machine, { ...machine.status, migration: { ...claim, owner } }]);
  expect(await say('n1', 'source')).toBe('');
  expect(await say('n2', 'target')).toBe('');
  expect(await say('n2', 'source')).toBe('');
  expect(await say('n1', 'target')).toContain("is not allowed to say that the machine is the target's");
  expect(await say('n3', 'source')).toContain("is not allowed to say that the machine is the source's");
});

test('during a handover the target alone says whose the machine is', async () => {
  const during = { ...machine, status: { ...machine.status, migration: { ...claim, owner: 'handover' } } };
  const say = (node: string, owner: string) =>
    change(node, 'virtualmachines', [during, { ...during.status, migration: { ...claim, owner } }]);
  expect(await say('n1', 'source')).toContain("is not allowed to say that the machine is the source's");
  expect(await say('n2', 'source')).toBe('');
  expect(await say('n2', 'target')).toBe('');
});

test('of a machine a node writes nothing else, and of a migration that is another nothing', async () => {
  const say = (status: object) => change('n2', 'virtualmachines', [machine, status]);
  expect(await say({ ...machine.status, podName: 'b' })).toContain('other than status.migration.owner');
  expect(await say({ ...machine.status, migration: { ...claim, targetPod: 'c' } })).toContain('other than');
  const other = { ...claim, uid: 'u2' };
  const old = { ...machine, status: { podName: 'a', migration: { ...other, owner: '' } } };
  const now = { podName: 'a', migration: { ...other, owner: 'target' } };
  expect(await change('n2', 'virtualmachines', [old, now])).toContain('is not allowed to say');
});

test('a node says of its own machines that they stand still, and how the snapshots ended that it makes', async () => {
  const placed = { ...machine, status: { ...machine.status, nodeName: 'n1' } };
  const paused = (node: string) => change(node, 'virtualmachines', [placed, { ...placed.status, paused: true }]);
  expect(await paused('n1')).toBe('');
  expect(await paused('n2')).toContain('can only say of machines on itself that they stand still');
  const snapshot = { metadata, status: { phase: 'InProgress', nodeName: 'n1' } };
  const tell = (node: string, more: object) =>
    change(node, 'virtualmachinesnapshots', [snapshot, { ...snapshot.status, ...more }]);
  expect(await tell('n1', { result: { outcome: 'completed' } })).toBe('');
  expect(await tell('n2', { result: { outcome: 'completed' } })).toContain('only update the status of snapshots');
  expect(await tell('n1', { phase: 'Succeeded' })).toContain('is not allowed to update other than status.result');
});
