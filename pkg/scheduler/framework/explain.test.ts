import { expect, test } from 'vitest';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { Nominator } from '../cache/nominator.ts';
import { podInfoOf } from '../model/pod-info.ts';
import { profileOver } from '../offline/profile-over.ts';
import { pluginTable } from '../plugin-table.ts';
import { explain } from './explain.ts';
import { cycleOf } from './plugin-tester.ts';

const profile = profileOver(pluginTable, { scheduling: 'spreading' });

function tainted(name: string): Node {
  return { ...makeNode(name), spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } };
}

test('every node says who refuses the pod and why, or how each plugin rates it; the best comes first', () => {
  const pod = makePod('p').request({ cpu: '2', memory: '4Gi' }).object;
  const used = makePod('used').meta({ uid: 'used' }).request({ cpu: '1', memory: '2Gi' }).object;
  const nodes = [makeNode('small', { cpu: '1' }), tainted('gpu'), makeNode('used'), makeNode('empty')];
  const explanation = explain(cycleOf(pod, { nodes, placed: { used: [used] } }), {
    profile,
    nominator: new Nominator(),
  });
  expect(explanation).toEqual({
    node: 'empty',
    nodes: [
      {
        node: 'empty',
        total: 150,
        scores: [
          { plugin: 'NodeResourcesFit', score: 50, weight: 1 },
          { plugin: 'NodeResourcesBalancedAllocation', score: 100, weight: 1 },
        ],
      },
      {
        node: 'used',
        total: 125,
        scores: [
          { plugin: 'NodeResourcesFit', score: 25, weight: 1 },
          { plugin: 'NodeResourcesBalancedAllocation', score: 100, weight: 1 },
        ],
      },
      { node: 'small', refusedBy: 'NodeResourcesFit', reasons: ['Insufficient cpu'] },
      { node: 'gpu', refusedBy: 'TaintToleration', reasons: ['node(s) had untolerated taint(s)'] },
    ],
  });
});

test('a pod that no plugin lets be tried, and one that is refused as a whole, say so once', () => {
  const gated = makePod('gated').spec({ schedulingGates: [{ name: 'wait' }] }).object;
  const lost = makePod('lost').spec({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'none' } }] }).object;
  const options = { profile, nominator: new Nominator() };
  expect(explain(cycleOf(gated, { nodes: [makeNode('n')] }), options).refusedWhole?.plugin).toBe('SchedulingGates');
  expect(explain(cycleOf(lost, { nodes: [makeNode('n')] }), options)).toEqual({
    refusedWhole: { plugin: 'VolumeBinding', reasons: ['persistentvolumeclaim "none" not found'] },
    nodes: [],
  });
});

test('room that was promised to somebody else is none', () => {
  const nominator = new Nominator();
  nominator.set(
    podInfoOf(makePod('vip').meta({ uid: 'vip' }).request({ cpu: '4' }).spec({ priority: 10 }).object),
    'n',
  );
  const { nodes } = explain(cycleOf(makePod('p').request({ cpu: '1' }).object, { nodes: [makeNode('n')] }), {
    profile,
    nominator,
  });
  expect(nodes).toEqual([{ node: 'n', refusedBy: 'NodeResourcesFit', reasons: ['Insufficient cpu'] }]);
});
